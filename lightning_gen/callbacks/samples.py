"""Images during training: samples from fixed latents, and reconstructions of fixed held-out images."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_gen.callbacks.lengths import counted, require_images
from lightning_gen.data import DataModule
from lightning_gen.media.files import save
from lightning_gen.media.rows import with_names
from lightning_gen.records import Batch
from lightning_gen.training import GenerativeModule


class SampleGrid(Callback):
    """Draws samples from the same latents, and reconstructs the same held-out images, at an interval and at the end.

    The grids go to TensorBoard, and to loggers with a method ``log_image`` such as WandbLogger, with the count of
    images as the step, and to PNG files in `folder`,
    such as ``samples-000150000.png`` and ``reconstructions-000150000.png`` (from left to right each original, the
    encoder's input if the model has a corruption, and the reconstruction). A conditional model has one class in each
    row, with its name beside it. Training does not change: the latents come from a generator of their own.

    Args:
        every_images: Training images between two grids, at least 1; None for one at the end only.
        folder: Folder of the PNG files; None for TensorBoard only.
        count: Images in a grid.
        seed: Seed of the latents.

    Attributes:
        latest: The files of the last grids.

    Raises:
        InputError: `every_images` is below 1.
    """

    def __init__(
        self, every_images: int | None = None, folder: str | Path | None = None, count: int = 64, seed: int = 0
    ) -> None:
        self.every_images = None if every_images is None else require_images("sample_every_images", every_images)
        self.folder = Path(folder) if folder is not None else None
        self.count = count
        self.seed = seed
        self.latest: list[Path] = []
        self._held_out: Batch | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take held-out images from a `DataModule`, so that a resumed run shows the same ones as before."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, DataModule) and (known := sized_len(data.val_set)):
            rows = list(range(min(self.count // 2, known)))
            self._held_out = data.scaled(data.val_set.__getitems__(rows)).to(pl_module.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Draw if the batch passed a multiple of `every_images`."""
        if self.every_images is not None and counted(pl_module).passed(self.every_images):
            self.draw(trainer, counted(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the final state."""
        self.draw(trainer, counted(pl_module))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Take the first validation images, for data that are no `DataModule`, or have no length."""
        if self._held_out is None:
            self._held_out = counted(pl_module).batch_of(batch).map(lambda each: each[: self.count // 2].clone())

    def draw(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Draw the present state, in the first process; files of the same count of images are replaced."""
        if not trainer.is_global_zero:
            return
        self.latest = []
        with torch.no_grad():
            previews = module.previews(self._held_out, self.count, self.seed)
        for name, preview in previews.items():
            image = with_names(module.medium.preview(preview.samples, preview.columns), preview.names)
            if self.folder is not None:
                self.latest.append(save(image, self.folder / f"{name}-{module.images_seen:09d}.png"))
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    tag = f"pictures/{name}"
                    module.medium.log(logger.experiment, tag, preview.samples, image, module.images_seen)
                elif hasattr(logger, "log_image"):
                    pixels = image.permute(1, 2, 0).numpy()
                    logger.log_image(f"pictures/{name}", [pixels], step=module.images_seen)
