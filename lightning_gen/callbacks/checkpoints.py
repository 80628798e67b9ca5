"""Checkpoints of a run: ``last.ckpt`` at an interval in images, and the best by a validation metric."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen import checkpoint as checkpoints
from lightning_gen import private
from lightning_gen.callbacks.lengths import counted, require_images
from lightning_gen.callbacks.nonfinite import NonFiniteGuard
from lightning_gen.data.loader import Loader
from lightning_gen.errors import InputError
from lightning_gen.files import replacing

NAMED = re.compile(r"images-(\d{9,})\.ckpt")
"""The name of a state with its number of images."""
CLOCK_BATCHES = 10
"""Interval in batches at which several processes compare their clocks with `every_minutes`."""


class ImageCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` at an interval in images, at an interval in minutes and at the end.

    It is written before the next batch, when all work of the batches before is done: metrics are logged, validation has
    run, accumulated gradients are used. So a run that is killed at any moment resumes without a gap or a second point
    in its curves. At the end of a run inside an epoch it is written right after the last batch: a run that resumes from
    it trains the rest of the epoch, as an uninterrupted run does.

    Args:
        every_images: Images between two checkpoints, at least 1; None for no interval in images.
        folder: Folder of ``last.ckpt``.
        keep: Number of the latest states to keep, at least 1. Above 1, states are also kept under names such as
            ``images-000150000.ckpt``; the newest of them is the same file as ``last.ckpt``.
        guard: Checks the state before each write, so that a state that is not finite never replaces a good one; or
            None.
        every_minutes: Minutes, above 0, after which it is written in any case; None for never.

    Attributes:
        between_updates: Whether no accumulated gradient waits for more batches.
        before_batches: Whether it is written before the next batch. With a third-party loader that stores its own
            position, it is written right after a batch: before the next one, that loader has already counted the
            prefetched batch.

    Raises:
        InputError: `every_images` or `keep` is below 1, or `every_minutes` is not above 0.
    """

    def __init__(
        self,
        every_images: int | None,
        folder: str | Path,
        keep: int = 1,
        guard: NonFiniteGuard | None = None,
        every_minutes: float | None = None,
    ) -> None:
        self.every_images = None if every_images is None else require_images("checkpoint_every_images", every_images)
        self.folder = Path(folder)
        if keep < 1:
            raise InputError(f"keep_checkpoints must be at least 1, not {keep}")
        if every_minutes is not None and not every_minutes > 0:
            raise InputError(f"checkpoint_every_minutes must be above 0, or null for never, not {every_minutes}")
        self.keep = keep
        self.guard = guard
        self.every_minutes = every_minutes
        self.between_updates = True
        self.before_batches = True
        self._written = -1
        self._due = False
        self._ended = False
        self._since = 0.0
        self._batches = 0
        self._left: set[int] = set()

    @property
    def path(self) -> Path:
        """The path of ``last.ckpt``."""
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find out whether the file holds this state already, and which states are after the resumed one."""
        resumed = trainer.ckpt_path is not None and Path(trainer.ckpt_path).resolve() == self.path.resolve()
        self._written = counted(pl_module).images_seen if resumed else -1
        self._due, self._ended, self.between_updates = False, False, True
        self._since, self._batches = time.monotonic(), 0
        self._left = {images for images in self._named() if images > counted(pl_module).images_seen}
        loaders = private.train_loaders(trainer)
        self.before_batches = all(isinstance(loader, Loader) or not hasattr(loader, "state_dict") for loader in loaders)
        private.forget_prefetched(trainer)  # the batch that was prefetched when the file was written is loaded again

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write if the last batches passed a multiple of `every_images`, or time is up."""
        if self.before_batches:
            self._store_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Find out whether the batch passed a multiple of `every_images`, or time is up; write after the last one."""
        self.between_updates = not private.accumulates(trainer)
        passed = self.every_images is not None and counted(pl_module).passed(self.every_images)
        self._due = self._due or passed or self._time_is_up(trainer)
        if not self.before_batches:
            self._store_due(trainer, pl_module)
        self._ended = trainer.should_stop or -1 < trainer.max_steps <= trainer.global_step
        if self._ended:
            self.store(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Correct the count by which Lightning decides which batches are logged.

        A restart adds one to it, for a checkpoint that was written before its batch was counted. In one that is written
        before the next batch, the batch was counted.
        """
        if private.prefetched_batches(trainer) > 0 and not private.accumulates(trainer):
            private.uncount_batch(checkpoint)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state, unless the last batch has written it: by now Lightning counts the epoch as complete.

        In a file that the last batch has written, only the states of callbacks are updated, such as the best metric:
        validation has changed loops and random numbers since, and a run that is extended continues as if it had not
        stopped.
        """
        if not self._ended:
            self.store(trainer, pl_module)
        elif trainer.is_global_zero:
            files = trainer.strategy.checkpoint_io
            stored = files.load_checkpoint(self.path, weights_only=True)
            stored["callbacks"] = private.callbacks_state(trainer)
            checkpoints.serialize_states(stored)
            files.save_checkpoint(stored, self.path)
            self.name(counted(pl_module).images_seen)

    def _time_is_up(self, trainer: Trainer) -> bool:
        """Whether `every_minutes` have passed since the state was last written, by the clock of any process."""
        self._batches += 1
        if self.every_minutes is None or (trainer.world_size > 1 and self._batches % CLOCK_BATCHES):
            return False
        up = time.monotonic() - self._since >= 60 * self.every_minutes
        return trainer.strategy.reduce_boolean_decision(up, all=False)

    def _store_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._due and self.between_updates:
            self.store(trainer, pl_module)

    def store(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state, unless the file holds it already."""
        module, self._due = counted(pl_module), False
        if self._written != module.images_seen and (self.guard is None or self.guard.passes(trainer, module)):
            trainer.save_checkpoint(self.path)
            if self.guard is not None:
                self.guard.good = self.path
            if trainer.is_global_zero:
                self.name(module.images_seen)
        self._written = module.images_seen  # after a rollback by the guard, the state is that of the file
        self._since = time.monotonic()

    def _named(self) -> dict[int, Path]:
        """The states that are kept, by their number of images."""
        matches = {path: NAMED.fullmatch(path.name) for path in self.folder.glob("images-*.ckpt")}
        return {int(match[1]): path for path, match in matches.items() if match is not None}

    def name(self, images: int) -> None:
        """If several states are kept, link the newest under a name of its own and delete the oldest by images.

        A run that resumed from an earlier state finds states with more images, which are not its own: they are deleted
        first. The order is not that of the clock, which may have been set back.
        """
        if self.keep == 1:
            return
        name = self.folder / f"images-{images:09d}.ckpt"
        name.unlink(missing_ok=True)
        try:
            os.link(self.path, name)
        except OSError:  # a disk without hard links
            with self.path.open("rb") as last, replacing(name) as file:
                shutil.copyfileobj(last, file)
        self._left.discard(images)
        states = self._named()
        order = sorted(states, key=lambda each: (each <= images and each not in self._left, each))
        for old in order[: -self.keep]:
            states[old].unlink()


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint for one best state, which a resumed run reads from the file of that state.

    Lightning reads the best score from the checkpoint from which a run resumes, and drops it if the folder has another
    path: after a folder was renamed or mounted elsewhere, the next state, however bad, replaced the best one. That
    checkpoint may also be older than the best one. The file of the best state holds its own score; without the file
    there is no score.
    """

    on_train_batch_end = Callback.on_train_batch_end  # states are compared after validations alone

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing: `on_train_start` reads the file."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the best score of a resumed run from the file of the best state."""
        super().on_train_start(trainer, pl_module)
        if trainer.ckpt_path is None:
            return
        path = self.format_checkpoint_name({})
        score = trainer.strategy.broadcast(self._score(path) if trainer.is_global_zero else None)
        if score is not None:
            self.best_model_path = self.kth_best_model_path = path
            self.best_model_score = self.kth_value = score
            self.best_k_models = {path: score}

    def _score(self, path: str) -> Tensor | None:
        """The score in the file of the best state; None if there is no such file or it cannot be read."""
        if not os.path.exists(path):
            return None
        try:
            states = checkpoints.read(path).get("callbacks", {})
        except InputError as error:
            rank_zero_warn(f"{error}; the next validated state replaces it")
            return None
        # earlier versions wrote it under the name of Lightning's class
        earlier = self.state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)
        return (states.get(self.state_key) or states.get(earlier) or {}).get("best_model_score")


def best_checkpoint(module: LightningModule, folder: str | Path) -> BestCheckpoint:
    """The callback that keeps ``best.ckpt``.

    Args:
        module: Its `monitor` is the metric by which states are compared: for autoencoders ``val/loss``, which uses
            final schedule values, so that early states cannot win by a weight that has yet to rise; for GANs
            ``val/sliced_wasserstein``.
        folder: Folder of ``best.ckpt``.

    Raises:
        InputError: The module is no `GenerativeModule`.
    """
    return BestCheckpoint(
        folder, "best", monitor=counted(module).monitor, mode="min", save_top_k=1, enable_version_counter=False
    )
