"""Signals that stop a run: its state is written at the end of a batch, never inside a signal handler."""

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.environments import LightningEnvironment

from lightning_gen import private
from lightning_gen.callbacks.checkpoints import ImageCheckpoint
from lightning_gen.callbacks.command_lines import command_line
from lightning_gen.callbacks.lengths import counted
from lightning_gen.errors import InputError
from lightning_gen.signals import INTERRUPTED, LeftEarly, Preempted, forget_terminal, heeded, status_of
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule

LEAVE_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)
"""A signal that no process can handle."""


class PreemptionCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` and stops the run when any of its processes gets a signal.

    Schedulers send SIGTERM and SIGUSR1, a closed terminal sends SIGHUP: the run exits with status 75. SIGINT is Ctrl-C:
    the run exits with 130, and a second one stops it at once, without another checkpoint.

    The signal handler only sets a flag. One process checks it before each batch; several processes combine theirs every
    `every_batches` batches by one all-reduce of one number, so that all of them stop at the same batch, whichever got
    the signal and however often. This replaces Lightning's broadcast, for which every process waits before each batch
    and which only tells of signals to the first process. A validation that has begun is finished; no sample images
    follow, because a scheduler soon kills the run. A run that has not trained on a batch yet writes nothing. A closed
    terminal does not end the run before its checkpoint is written; a signal that the process was started to ignore, as
    by nohup, is ignored.

    The same command with ``--ckpt_path last`` resumes the run, to the bit.

    Args:
        checkpoint: The callback that writes the file.
        every_batches: Batches between two all-reduces of several processes, at least 1.

    Raises:
        InputError: `every_batches` is below 1.
    """

    def __init__(self, checkpoint: ImageCheckpoint, every_batches: int = 10) -> None:
        if every_batches < 1:
            raise InputError(f"every_batches must be at least 1, not {every_batches}")
        self.checkpoint = checkpoint
        self.every_batches = every_batches
        self._asked: int | None = None
        self._batches = 0
        self._begun_at = 0
        self._process = os.getpid()
        self._handlers: dict[signal.Signals, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep Lightning from handling SIGTERM.

        Its handler broadcasts to the other processes, and waits for ever if they are busy with something else.
        """
        private.disable_signal_handlers(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the signal handlers."""
        self._asked, self._batches, self._process = None, 0, os.getpid()
        self._begun_at = counted(pl_module).images_seen
        if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
            self._handlers = {number: signal.signal(number, self._note) or signal.SIG_DFL for number in heeded()}
        private.disable_signal_broadcast(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Stop if any process got a signal.

        Raises:
            Preempted: One did, and the checkpoint is written.
        """
        if self.checkpoint.before_batches:
            self._stop_if_asked(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Count the batch; stop here if checkpoints are written after batches."""
        self._batches += 1
        if not self.checkpoint.before_batches:
            self._stop_if_asked(trainer, pl_module)

    def _stop_if_asked(self, trainer: Trainer, pl_module: LightningModule) -> None:
        waits = trainer.world_size > 1 and self._batches < self.every_batches
        if waits or not self.checkpoint.between_updates:
            return
        self._batches = 0
        if not trainer.strategy.reduce_boolean_decision(self._asked is not None, all=False):
            return
        if counted(pl_module).images_seen > self._begun_at:
            self.checkpoint.store(trainer, pl_module)
        if trainer.is_global_zero:
            tell(self._sentence(counted(pl_module)))
        raise Preempted(status(trainer, self._asked))

    def _sentence(self, module: GenerativeModule) -> str:
        """The message: what was written and how to resume."""
        if module.images_seen == self._begun_at:
            return "stopped by a signal before the first batch was trained on: nothing was written"
        cause = "stopped" if self._asked == signal.SIGINT else "stopped by a signal"
        again = command_line(["fit", "--ckpt_path", str(self.checkpoint.path)], module)
        seen = f"{module.images_seen:,} {module.medium.noun}"
        return f"{cause}: {seen} are in {self.checkpoint.path}; resume with\n  {again}"

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handlers."""
        self._stop_listening(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the handlers; kill the processes that this one started, if a signal came before training."""
        self._stop_listening(trainer)
        if isinstance(exception, LeftEarly) and trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(LEAVE_AT_ONCE)  # they may wait for this one, and do not handle signals then

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; workers that were forked from this process get Ctrl-C too, and ignore it.

        Raises:
            Preempted: It is the second Ctrl-C.
        """
        if os.getpid() != self._process:
            return
        if self._asked is None and number == signal.SIGINT:
            tell("finishing the batch and writing the checkpoint; Ctrl-C again stops at once")
        elif self._asked == number == signal.SIGINT:
            there = f": resume from it with --ckpt_path {self.checkpoint.path}" if self.checkpoint.path.exists() else ""
            tell(f"stopped at once: the last checkpoint is unchanged{there}")
            raise Preempted(INTERRUPTED)
        forget_terminal(number)
        self._asked = number

    def _stop_listening(self, trainer: Trainer) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        private.restore_signals(trainer)


def tell(sentence: str) -> None:
    """Print a line; a closed terminal, or one that the signal interrupted while writing, is no error."""
    with suppress(OSError, RuntimeError, ValueError):
        say(sentence, sys.stderr)


def status(trainer: Trainer, asked: int | None) -> int:
    """The exit status of this process: 0 in one that Lightning started, which kills the run for any other status."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(environment, LightningEnvironment) and trainer.local_rank > 0:
        return 0
    return status_of(asked)
