"""Checkpoints of a run: ``last.ckpt`` at a rhythm in images, and the best by a validation figure."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from lightning_gen.callbacks.lengths import counted, require_images
from lightning_gen.modules import Autoencoder, GenerativeModule


class ImageCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every so many images and at the end.

    A run that ends inside an epoch is written right after its last batch: a run that goes on from there plays the rest
    of the epoch, as one that was never interrupted does.

    Args:
        every_images: Images between two checkpoints, at least 1; None to write at the end only.
        folder: Where ``last.ckpt`` goes.

    Raises:
        InputError: `every_images` is below 1.
    """

    def __init__(self, every_images: int | None, folder: str | Path) -> None:
        self.every_images = None if every_images is None else require_images("checkpoint_every_images", every_images)
        self.folder = Path(folder)
        self._written = -1

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the file holds this state already."""
        resumed = trainer.ckpt_path is not None and Path(trainer.ckpt_path).resolve() == self.path.resolve()
        self._written = counted(pl_module).images_seen if resumed else -1

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write where the batch passed a multiple of `every_images`, or is the last one."""
        ends = trainer.should_stop or -1 < trainer.max_steps <= trainer.global_step
        if ends or (self.every_images is not None and counted(pl_module).passed(self.every_images)):
            self._write(trainer, counted(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state, unless it is there already: by now Lightning takes the epoch for complete."""
        self.keep(trainer, pl_module)

    def keep(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state as it is, unless it is there already."""
        if self._written != counted(pl_module).images_seen:
            self._write(trainer, counted(pl_module))

    def _write(self, trainer: Trainer, module: GenerativeModule) -> None:
        trainer.save_checkpoint(self.path)
        self._written = module.images_seen


def best_checkpoint(module: LightningModule, folder: str | Path) -> ModelCheckpoint:
    """Lightning's ModelCheckpoint that keeps ``best.ckpt``.

    Args:
        module: Autoencoders are compared by ``val/loss``, in which weights that follow a schedule are those at its end,
            so that no state wins by a weight that has yet to rise; GANs by ``val/sliced_wasserstein``.
        folder: Where ``best.ckpt`` goes.
    """
    figure = "val/loss" if isinstance(module, Autoencoder) else "val/sliced_wasserstein"
    return ModelCheckpoint(folder, "best", monitor=figure, mode="min", save_top_k=1, enable_version_counter=False)
