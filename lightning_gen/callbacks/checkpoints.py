"""Checkpoints of a run: ``last.ckpt`` at a rhythm in images, and the best by a validation figure."""

import os
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.trainer.call import _call_callbacks_state_dict

from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks.lengths import counted, require_images
from lightning_gen.callbacks.nonfinite import NonFiniteGuard
from lightning_gen.data.loader import Loader
from lightning_gen.errors import InputError
from lightning_gen.modules import Autoencoder


class ImageCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every so many images and at the end.

    It is written before the next batch, when all that belongs to the batches before is done: figures logged,
    validation run, accumulated gradients used. So a run that is killed at any moment goes on without a gap or a second
    point in its curves. A run that ends inside an epoch is written right after its last batch: a run that goes on from
    there plays the rest of the epoch, as one that was never interrupted does.

    Args:
        every_images: Images between two checkpoints, at least 1; None to write at the end only.
        folder: Where ``last.ckpt`` goes.
        keep: How many of the latest states stay, at least 1. More than one are there by their images as well, such as
            ``images-000150000.ckpt``, the newest of them as the same file as ``last.ckpt``.
        guard: Looks before each write, so that a state that is not finite never takes the place of a good one; or None.

    Attributes:
        between_updates: Whether no gradient is waiting for more batches to be added to it.
        before_batches: Whether it is written before the next batch. It is not, but right after a batch, where the data
            come from a loader of others that keeps its own place: that would take the batch in hand for used.

    Raises:
        InputError: `every_images` or `keep` is below 1.
    """

    def __init__(
        self, every_images: int | None, folder: str | Path, keep: int = 1, guard: NonFiniteGuard | None = None
    ) -> None:
        self.every_images = None if every_images is None else require_images("checkpoint_every_images", every_images)
        self.folder = Path(folder)
        if keep < 1:
            raise InputError(f"keep_checkpoints must be at least 1, not {keep}")
        self.keep = keep
        self.guard = guard
        self.between_updates = True
        self.before_batches = True
        self._written = -1
        self._due = False
        self._ended = False

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the file holds this state already."""
        resumed = trainer.ckpt_path is not None and Path(trainer.ckpt_path).resolve() == self.path.resolve()
        self._written = counted(pl_module).images_seen if resumed else -1
        self._due, self._ended, self.between_updates = False, False, True
        loaders = trainer.fit_loop._combined_loader.flattened if trainer.fit_loop._combined_loader else []
        self.before_batches = all(isinstance(loader, Loader) or not hasattr(loader, "state_dict") for loader in loaders)
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress.total
        batches.ready = batches.started  # the batch that was in hand when the file was written comes again

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write where the batches before passed a multiple of `every_images`."""
        if self.before_batches:
            self._store_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note whether the batch passed a multiple of `every_images`; write where it is the last one."""
        self.between_updates = not trainer.fit_loop._should_accumulate()
        if self.every_images is not None and counted(pl_module).passed(self.every_images):
            self._due = True
        if not self.before_batches:
            self._store_due(trainer, pl_module)
        self._ended = trainer.should_stop or -1 < trainer.max_steps <= trainer.global_step
        if self._ended:
            self.store(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Correct the count by which Lightning decides which batches are logged.

        A restart adds one to it, for a batch that was written before it was counted. One that is written before the
        next batch was counted.
        """
        loop = trainer.fit_loop.epoch_loop
        progress: Any = loop.batch_progress.current
        if progress.ready > progress.started and not loop._should_accumulate():
            checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state, unless it is there already: by now Lightning takes the epoch for complete.

        One that is there learns what callbacks have found since, such as the best figure, and nothing else: validation
        leaves its traces in loops and random numbers, and a run that is made longer goes on as if it had not stopped.
        """
        if not self._ended:
            self.store(trainer, pl_module)
        elif trainer.is_global_zero:
            files = trainer.strategy.checkpoint_io
            stored = files.load_checkpoint(self.path, weights_only=True)
            stored["callbacks"] = _call_callbacks_state_dict(trainer)
            checkpoints.carry(stored)
            files.save_checkpoint(stored, self.path)
            self._name(counted(pl_module).images_seen)

    def _store_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._due and self.between_updates:
            self.store(trainer, pl_module)

    def store(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state as it is, unless it is there already."""
        module, self._due = counted(pl_module), False
        if self._written == module.images_seen:
            return
        if self.guard is None or self.guard.passes(trainer, module):
            trainer.save_checkpoint(self.path)
            if self.guard is not None:
                self.guard.good = self.path
            if trainer.is_global_zero:
                self._name(module.images_seen)
        self._written = module.images_seen  # a run that the guard has sent back is where the file is

    def _name(self, images: int) -> None:
        """Where several states stay, give the newest a name of its own and let go of those that were written first.

        A run that went on from an earlier state may have left states of more images, of a way that it no longer takes.
        """
        if self.keep == 1:
            return
        name = self.folder / f"images-{images:09d}.ckpt"
        name.unlink(missing_ok=True)
        try:
            os.link(self.path, name)
        except OSError:  # a disk without hard links
            shutil.copyfile(self.path, name)
        written = sorted(self.folder.glob("images-*.ckpt"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for old in written[: -self.keep]:
            old.unlink()


def best_checkpoint(module: LightningModule, folder: str | Path) -> ModelCheckpoint:
    """Lightning's ModelCheckpoint that keeps ``best.ckpt``.

    Args:
        module: Autoencoders are compared by ``val/loss``, in which weights that follow a schedule are those at its end,
            so that no state wins by a weight that has yet to rise; GANs by ``val/sliced_wasserstein``.
        folder: Where ``best.ckpt`` goes.
    """
    figure = "val/loss" if isinstance(module, Autoencoder) else "val/sliced_wasserstein"
    return ModelCheckpoint(folder, "best", monitor=figure, mode="min", save_top_k=1, enable_version_counter=False)
