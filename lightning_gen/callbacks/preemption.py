"""A run that is asked to leave: its state is written at the end of a batch, never inside a signal handler."""

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
from lightning_gen.callbacks.lengths import counted
from lightning_gen.callbacks.run import command_line
from lightning_gen.errors import InputError
from lightning_gen.signals import INTERRUPTED, LeftEarly, Preempted, forget_terminal, heeded, status_of
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule

LEAVE_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What no process can put off."""


class PreemptionCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` and leaves when any process of the run is asked to by a signal.

    SIGTERM and SIGUSR1 are what schedulers send, SIGHUP what a terminal sends that is closed: the run leaves with exit
    status 75. SIGINT is Ctrl-C: it leaves with 130, and a second one makes it leave at once, with what the last
    checkpoint holds.

    A signal only sets a flag. One process looks at it before each batch; several ask each other every
    `every_batches`, with one all-reduce of one number, so that all of them leave at the same batch, whichever
    got the signal and however often. This takes the place of Lightning's own question, a broadcast that every process
    waits for before each batch and that only the first process can answer. A validation that has begun is finished; no
    pictures follow: a scheduler's patience is short. A run that has not trained on a batch yet writes nothing. Nothing
    that is printed to a terminal that was closed ends the run before its checkpoint is written; what the process was
    started to ignore, as nohup does, it ignores.

    The same command with ``--ckpt_path last`` goes on where the run left, to the bit.

    Args:
        checkpoint: Writes the file.
        every_batches: Batches between two questions of several processes, at least 1.

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
        """Keep Lightning from taking SIGTERM.

        Its handler broadcasts to the other processes, and waits for ever where these are doing something else.
        """
        private.disable_signal_handlers(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen."""
        self._asked, self._batches, self._process = None, 0, os.getpid()
        self._begun_at = counted(pl_module).images_seen
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self._handlers = {number: signal.signal(number, self._note) or signal.SIG_DFL for number in heeded()}
        private.disable_signal_broadcast(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Leave, where any process was asked to.

        Raises:
            Preempted: It was, and the checkpoint is written.
        """
        if self.checkpoint.before_batches:
            self._leave(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Count the batch, and leave here where checkpoints are written after batches."""
        self._batches += 1
        if not self.checkpoint.before_batches:
            self._leave(trainer, pl_module)

    def _leave(self, trainer: Trainer, pl_module: LightningModule) -> None:
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
        """What was written and how to go on."""
        if module.images_seen == self._begun_at:
            return "asked to leave before the first batch was trained on: nothing was written"
        done = f"{module.images_seen:,} images are in {self.checkpoint.path}"
        if self._asked == signal.SIGINT:
            again = command_line(["fit", "--ckpt_path", str(self.checkpoint.path)], module)
            return f"stopped: {done}; go on with\n  {again}"
        return f"asked to leave by a signal: {done}; the same command with --ckpt_path last goes on"

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the handlers back."""
        self._stop_listening(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put the handlers back; where the run was asked to leave before it trained, end what this process started."""
        self._stop_listening(trainer)
        if isinstance(exception, LeftEarly) and trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(LEAVE_AT_ONCE)  # they may be waiting for this one, and do not hear then

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; workers that were forked from this process hear Ctrl-C as well and leave it to this one.

        Raises:
            Preempted: It is the second Ctrl-C.
        """
        if os.getpid() != self._process:
            return
        if self._asked is None and number == signal.SIGINT:
            tell("finishing the batch and writing the checkpoint; Ctrl-C again leaves at once")
        elif self._asked == number == signal.SIGINT:
            tell("left at once: the last checkpoint is as it was")
            raise Preempted(INTERRUPTED)
        forget_terminal(number)
        self._asked = number

    def _stop_listening(self, trainer: Trainer) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        private.restore_signals(trainer)


def tell(sentence: str) -> None:
    """Print a line; a terminal that is gone, or that a signal found being written to, keeps nobody from leaving."""
    with suppress(OSError, RuntimeError, ValueError):
        say(sentence, sys.stderr)


def status(trainer: Trainer, asked: int | None) -> int:
    """The exit status of this process: 0 in one that Lightning started, which kills the run where that fails."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(environment, LightningEnvironment) and trainer.local_rank > 0:
        return 0
    return status_of(asked)
