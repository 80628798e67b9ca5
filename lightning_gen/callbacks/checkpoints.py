"""Checkpoints of a run: ``last.ckpt`` at a rhythm in images, and the best by a validation figure."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from lightning_gen.callbacks.lengths import counted, require_images
from lightning_gen.modules import AutoencoderModule


class ImageCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every so many images and at the end.

    Args:
        every_images: Images between two checkpoints, at least 1; None to write at the end only.
        folder: Where ``last.ckpt`` goes.

    Raises:
        InputError: `every_images` is below 1.
    """

    def __init__(self, every_images: int | None, folder: str | Path) -> None:
        self.every_images = None if every_images is None else require_images("checkpoint_every_images", every_images)
        self.folder = Path(folder)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "last.ckpt"

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write where the batch passed a multiple of `every_images`."""
        if self.every_images is not None and counted(pl_module).passed(self.every_images):
            trainer.save_checkpoint(self.path)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state."""
        trainer.save_checkpoint(self.path)


def best_checkpoint(module: LightningModule, folder: str | Path) -> ModelCheckpoint:
    """Lightning's ModelCheckpoint that keeps ``best.ckpt``.

    Args:
        module: Autoencoders are compared by ``val/loss``, GANs by ``val/sliced_wasserstein``.
        folder: Where ``best.ckpt`` goes.
    """
    figure = "val/loss" if isinstance(module, AutoencoderModule) else "val/sliced_wasserstein"
    return ModelCheckpoint(folder, "best", monitor=figure, mode="min", save_top_k=1, enable_version_counter=False)
