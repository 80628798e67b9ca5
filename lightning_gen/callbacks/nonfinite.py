"""Losses, gradients or weights that are not finite: they end the run, or it goes back to its checkpoint."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import private
from lightning_gen.callbacks.lengths import counted
from lightning_gen.callbacks.loggers import hide_after
from lightning_gen.errors import InputError, NonFiniteError
from lightning_gen.ranges import COUNT, COUNT_FROM_0
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.collectives import min_over_devices, of_all_devices
from lightning_gen.training.finiteness import FiniteRecord, FiniteRecords, NonFinite

NEVER = sys.maxsize
"""Index of the first record that is not finite, if all are finite."""


class NonFiniteGuard(Callback):
    """Checks that losses, gradients and weights are finite; ends the run, or lets it go back to its checkpoint.

    Modules record scalars on the device; every `every_batches` batches all records are checked together, with one wait
    of the host. Several processes agree on the first record that is not finite on any of them, so that all of them act
    after the same batch and print the same. Before validation, before `ImageCheckpoint` writes and at the end of
    training the guard checks the weights too.

    A metric that is only logged may be infinite. So may a gradient in float16: its scaler skips the step and halves the
    scale; a scale below 1 cannot be the reason any more, so then it is an error.

    A rollback restores all from the checkpoint but random numbers, the position in the data and the states of
    callbacks: with the same random numbers on the same data the run would fail again.

    Args:
        rollbacks: Maximum number of rollbacks, at least 0; after them, or without a checkpoint, the run ends.
        every_batches: Batches between two checks, at least 1.

    Attributes:
        good: The checkpoint for a rollback: the one that the run was resumed from, then the last one of
            `ImageCheckpoint`; None before. A file of an earlier run at the same path is not used.

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

    # checks -------------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the module record scalars."""
        self._batches, self._done, self._hides = 0, 0, False
        self.good = None if trainer.ckpt_path is None else Path(trainer.ckpt_path)
        counted(pl_module).finiteness = FiniteRecords()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """After a rollback, hide the values that the undone batch has logged: they are written at its end."""
        self._hide(trainer, counted(pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Check, every `every_batches` batches."""
        self._batches += 1
        if not self._batches % self.every_batches:
            self._check(trainer, counted(pl_module))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the best state is chosen."""
        self.passes(trainer, counted(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the final samples are drawn and the final state is written."""
        self.passes(trainer, counted(pl_module))
        self._hide(trainer, counted(pl_module))

    def passes(self, trainer: Trainer, module: GenerativeModule) -> bool:
        """Whether the state may be stored: weights and all records since the last check are finite.

        Returns:
            False if the run has just gone back to its checkpoint.

        Raises:
            NonFiniteError: They are not, and the run cannot go back.
        """
        if module.finiteness is not None:
            module.finiteness.add_weights("weights", module.trained, module.images_seen)
            module.finiteness.add_weights("averaged weights", module.averaged, module.images_seen)
        return self._check(trainer, module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop recording."""
        counted(pl_module).finiteness = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop recording."""
        counted(pl_module).finiteness = None

    # rollbacks -----------------------------------------------------------------------------------------------------

    def _check(self, trainer: Trainer, module: GenerativeModule) -> bool:
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
            what = found.sentence(module.medium.noun)
            say(f"{what}: back to the {module.images_seen:,} of {self.good}, {times}", sys.stderr)
        return False

    def _sentence(self, found: NonFinite, trainer: Trainer, module: GenerativeModule, exists: bool) -> str:
        tried = f", after {self._done} rollback{'s' if self._done > 1 else ''}" if self._done else ""
        start = f"resume from the last good checkpoint with --ckpt_path {shlex.quote(str(self.good))} and"
        start = start if exists else "there is no checkpoint yet to go back to, start again with"
        return f"{found.sentence(module.medium.noun)}{tried}: {start} {remedy(found.phase, trainer, module)}"

    def _roll_back(self, trainer: Trainer, module: GenerativeModule) -> None:
        """Restore what the Trainer restores at a start, apart from the loops, the callbacks and the data."""
        private.restore(trainer, self.good)
        module.after_rollback()
        trainer.should_stop = False  # a callback that wants to stop sets it again after the next batch
        self._done += 1
        hide_after(trainer, module.images_seen)
        self._hides = True  # what this batch has still to log

    def _hide(self, trainer: Trainer, module: GenerativeModule) -> None:
        if self._hides:
            self._hides = False
            hide_after(trainer, module.images_seen)


def first_non_finite(records: Sequence[FiniteRecord], device: torch.device) -> NonFinite | None:
    """The first of some records that is not finite on any process; None if there is none.

    Args:
        records: The records, equally many and in the same order on every process.
        device: Device of the records.
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
    """Settings that the user may try."""
    wider = ", or --trainer.precision bf16-mixed" if trainer.precision == "16-mixed" else ""
    return f"{module.remedies(phase)}{wider}"
