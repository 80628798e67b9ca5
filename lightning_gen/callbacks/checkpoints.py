"""Checkpoints of a run: ``last.ckpt`` at a rhythm in images, and the best by a validation figure."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
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
"""What a state is called by its images."""
CLOCK_BATCHES = 10
"""Batches after which several processes ask each other whether one of them finds that time is up."""


class ImageCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every so many images, every so many minutes and at the end.

    It is written before the next batch, when all that belongs to the batches before is done: figures logged,
    validation run, accumulated gradients used. So a run that is killed at any moment goes on without a gap or a second
    point in its curves. A run that ends inside an epoch is written right after its last batch: a run that goes on from
    there plays the rest of the epoch, as one that was never interrupted does.

    Args:
        every_images: Images between two checkpoints, at least 1; None for no rhythm in images.
        folder: Where ``last.ckpt`` goes.
        keep: How many of the latest states stay, at least 1. More than one are there by their images as well, such as
            ``images-000150000.ckpt``, the newest of them as the same file as ``last.ckpt``.
        guard: Looks before each write, so that a state that is not finite never takes the place of a good one; or None.
        every_minutes: Minutes, above 0, after which it is written whatever the rhythm in images; None for never.

    Attributes:
        between_updates: Whether no gradient is waiting for more batches to be added to it.
        before_batches: Whether it is written before the next batch. It is not, but right after a batch, where the data
            come from a loader of others that keeps its own place: that would take the batch in hand for used.

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
        """The file."""
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the file holds this state already, and which states are of a way that is no longer taken."""
        resumed = trainer.ckpt_path is not None and Path(trainer.ckpt_path).resolve() == self.path.resolve()
        self._written = counted(pl_module).images_seen if resumed else -1
        self._due, self._ended, self.between_updates = False, False, True
        self._since, self._batches = time.monotonic(), 0
        self._left = {images for images in self._named() if images > counted(pl_module).images_seen}
        loaders = private.train_loaders(trainer)
        self.before_batches = all(isinstance(loader, Loader) or not hasattr(loader, "state_dict") for loader in loaders)
        private.forget_prefetched(trainer)  # the batch that was in hand when the file was written comes again

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write where the batches before passed a multiple of `every_images`, or time is up."""
        if self.before_batches:
            self._store_due(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note whether the batch passed a multiple of `every_images`, or time is up; write where it is the last one."""
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

        A restart adds one to it, for a batch that was written before it was counted. One that is written before the
        next batch was counted.
        """
        if private.prefetched_batches(trainer) > 0 and not private.accumulates(trainer):
            private.uncount_batch(checkpoint)

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
            stored["callbacks"] = private.callbacks_state(trainer)
            checkpoints.serialize_states(stored)
            files.save_checkpoint(stored, self.path)
            self._name(counted(pl_module).images_seen)

    def _time_is_up(self, trainer: Trainer) -> bool:
        """Whether `every_minutes` have gone by since the state was last on the disk, by the clock of any process."""
        self._batches += 1
        if self.every_minutes is None or (trainer.world_size > 1 and self._batches % CLOCK_BATCHES):
            return False
        up = time.monotonic() - self._since >= 60 * self.every_minutes
        return trainer.strategy.reduce_boolean_decision(up, all=False)

    def _store_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._due and self.between_updates:
            self.store(trainer, pl_module)

    def store(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state as it is, unless it is there already."""
        module, self._due = counted(pl_module), False
        if self._written != module.images_seen and (self.guard is None or self.guard.passes(trainer, module)):
            trainer.save_checkpoint(self.path)
            if self.guard is not None:
                self.guard.good = self.path
            if trainer.is_global_zero:
                self._name(module.images_seen)
        self._written = module.images_seen  # a run that the guard has sent back is where the file is
        self._since = time.monotonic()

    def _named(self) -> dict[int, Path]:
        """The states that stay, by their images."""
        matches = {path: NAMED.fullmatch(path.name) for path in self.folder.glob("images-*.ckpt")}
        return {int(match[1]): path for path, match in matches.items() if match is not None}

    def _name(self, images: int) -> None:
        """Where several states stay, give the newest a name of its own and let go of those of the fewest images.

        A run that went on from an earlier state finds states of more images, of a way that it no longer takes: they go
        first. The clock is not asked, it may have been put back.
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
    """Lightning's ModelCheckpoint for the file of one best state, in a run that goes on: it believes the file there.

    Lightning takes the best score from the checkpoint that a run goes on from, and forgets it where the path of the
    folder is another than before: the next state, however bad, took the place of the best one after a folder was
    renamed or mounted elsewhere. That checkpoint may also be older than the best one. The best state knows its own
    score; where it is gone, so is the score.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: `on_train_start` asks the file."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the best score of a run that goes on from the file that holds it."""
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
        """What the best state says that its score was; None where there is none, or none that can be read."""
        if not os.path.exists(path):
            return None
        try:
            states = checkpoints.read(path).get("callbacks", {})
        except InputError as error:
            rank_zero_warn(f"{error}; the next state that is validated takes its place")
            return None
        # earlier versions wrote it under the name of Lightning's class
        earlier = self.state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)
        return (states.get(self.state_key) or states.get(earlier) or {}).get("best_model_score")


def best_checkpoint(module: LightningModule, folder: str | Path) -> BestCheckpoint:
    """The callback that keeps ``best.ckpt``.

    Args:
        module: Says by its `monitor` what states are compared by: autoencoders by ``val/loss``, in which weights that
            follow a schedule are those at its end, so that no state wins by a weight that has yet to rise; GANs by
            ``val/sliced_wasserstein``.
        folder: Where ``best.ckpt`` goes.

    Raises:
        InputError: The module is no `GenerativeModule`.
    """
    return BestCheckpoint(
        folder, "best", monitor=counted(module).monitor, mode="min", save_top_k=1, enable_version_counter=False
    )
