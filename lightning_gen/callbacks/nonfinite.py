"""A run that goes wrong: losses, gradients or weights that are not finite end it, or send it back to its checkpoint."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import private
from lightning_gen.callbacks.lengths import counted
from lightning_gen.callbacks.run import hide_after
from lightning_gen.errors import InputError, NonFiniteError
from lightning_gen.ranges import COUNT, COUNT_FROM_0
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.collectives import min_over_devices, of_all_devices
from lightning_gen.training.finiteness import FiniteRecord, FiniteRecords, NonFinite

NEVER = sys.maxsize
"""Place of the first record that is not finite where there is none."""


class NonFiniteGuard(Callback):
    """Looks whether losses, gradients and weights are finite; ends the run, or lets it go back to its checkpoint.

    Modules record scalars that are on the device anyway; every `every_batches` they are looked at together, which the
    host waits for once. Several processes find the first that was bad on any of them, so that all of them act after the
    same batch and say the same. Before validation, before `ImageCheckpoint` writes and at the end of training the guard
    looks at the weights as well.

    A figure that is only logged may be infinite. So may a gradient in float16, whose scaler skips the step and halves
    its scale; once the scale is below 1 it cannot be the reason any more.

    A run that goes back takes all but its random numbers, its place in the data and the state of its callbacks from the
    checkpoint: with the same numbers on the same data it would come to the same end.

    Args:
        rollbacks: Times that the run goes back, at least 0; then, or where it cannot, it ends.
        every_batches: Batches between two looks, at least 1.

    Attributes:
        good: The checkpoint that the run can go back to: what it went on from, then what `ImageCheckpoint` has written
            last; None before. A file that an earlier run has left in the same place is none.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(self, rollbacks: int = 0, every_batches: int = 50) -> None:
        if rollbacks not in COUNT_FROM_0:
            raise InputError(f"nonfinite_rollbacks must be at least 0, which ends the run at once, not {rollbacks}")
        if every_batches not in COUNT:
            raise InputError(f"every_batches must be at least 1, not {every_batches}")
        self.rollbacks = rollbacks
        self.every_batches = every_batches
        self.good: Path | None = None
        self._batches = 0
        self._done = 0
        self._hides = False

    # when it looks -------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the module record."""
        self._batches, self._done, self._hides = 0, 0, False
        self.good = None if trainer.ckpt_path is None else Path(trainer.ckpt_path)
        counted(pl_module).finiteness = FiniteRecords()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Hide the last that was logged of the way that led nowhere: it is written after a batch has ended."""
        self._hide(trainer, counted(pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Look, every so many batches."""
        self._batches += 1
        if not self._batches % self.every_batches:
            self._look(trainer, counted(pl_module))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look before the best state is chosen."""
        self.passes(trainer, counted(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look before the final state is drawn and written."""
        self.passes(trainer, counted(pl_module))
        self._hide(trainer, counted(pl_module))

    def passes(self, trainer: Trainer, module: GenerativeModule) -> bool:
        """Whether the state is fit to be kept: weights and all since the last look are finite.

        Returns:
            False where the run has just gone back to its checkpoint.

        Raises:
            NonFiniteError: They are not, and the run does not go back.
        """
        if module.finiteness is not None:
            module.finiteness.add_weights("weights", module.trained, module.images_seen)
            module.finiteness.add_weights("averaged weights", module.averaged, module.images_seen)
        return self._look(trainer, module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let the module record nothing."""
        counted(pl_module).finiteness = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let the module record nothing."""
        counted(pl_module).finiteness = None

    # what it does --------------------------------------------------------------------------------------------------

    def _look(self, trainer: Trainer, module: GenerativeModule) -> bool:
        if module.finiteness is None:  # nothing is trained
            return True
        records, module.finiteness = module.finiteness, FiniteRecords()
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is not None and scaler.get_scale() >= 1:
            records = FiniteRecords(record for record in records if not record.scaled)
        found = first_non_finite(records, module.device)
        if found is None:
            return True
        exists = trainer.strategy.broadcast(self.good is not None and self.good.is_file())
        if not exists or self._done == self.rollbacks:
            raise NonFiniteError(self._sentence(found, trainer, module, exists))
        self._roll_back(trainer, module)
        if trainer.is_global_zero:
            times = f"rollback {self._done} of {self.rollbacks}"
            say(f"{found}: back to the {module.images_seen:,} of {self.good}, {times}", sys.stderr)
        return False

    def _sentence(self, found: NonFinite, trainer: Trainer, module: GenerativeModule, exists: bool) -> str:
        name = "last" if self.good is not None and self.good.name == "last.ckpt" else self.good
        tried = f", after {self._done} rollback{'s' if self._done > 1 else ''}" if self._done else ""
        start = f"go on from {self.good}, the last good checkpoint, with --ckpt_path {name} and"
        start = start if exists else "there is no checkpoint yet to go back to, start again with"
        return f"{found}{tried}: {start} {remedy(found.phase, trainer, module)}"

    def _roll_back(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Restore what the Trainer restores at a start, apart from the loops, the callbacks and the data."""
        private.restore(trainer, self.good)
        module.after_rollback()
        trainer.should_stop = False  # who wants to stop says so again after the next batch
        self._done += 1
        hide_after(trainer, module.images_seen)
        self._hides = True  # what the batch at hand has still to log

    def _hide(self, trainer: Trainer, module: GenerativeModule) -> None:
        if self._hides:
            self._hides = False
            hide_after(trainer, module.images_seen)


def first_non_finite(records: Sequence[FiniteRecord], device: torch.device) -> NonFinite | None:
    """The first of some records that is not finite on any process; None if there is none.

    Args:
        records: Equally many in the same order on every process.
        device: Where they are.
    """
    place = torch.full((), NEVER, device=device)
    if records:
        finite = torch.stack([record.value for record in records]).isfinite()
        place = torch.where(finite, NEVER, torch.arange(len(records), device=device)).amin()
    first = int(min_over_devices(place))
    if first == NEVER:
        return None
    return next(found for found in of_all_devices(records[first].non_finite()) if found is not None)


def remedy(phase: str, trainer: Trainer, module: GenerativeModule) -> str:
    """What a user may try."""
    wider = ", or --trainer.precision bf16-mixed" if trainer.precision == "16-mixed" else ""
    return f"{module.remedies(phase)}{wider}"
