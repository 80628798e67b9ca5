"""Signals that ask a process to leave: who takes them, from the first moment of a command to its last."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT") if hasattr(signal, name))
"""What schedulers send before they take a machine away, what a terminal sends that is closed, and Ctrl-C."""
STATUS = 75
"""Exit status of a command that left to be started again: EX_TEMPFAIL of sysexits.h."""
INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a command that was stopped by Ctrl-C, as shells have it."""


class Preempted(SystemExit):
    """Ends a command that was asked to leave by a signal; what it was writing is whole or not there."""


class LeftEarly(Preempted):
    """Ends a command to which a signal came while it did not train, so that nobody has told it yet."""


def status_of(number: int | None) -> int:
    """The exit status of a command that left because of a signal; None for one that another process of the run got."""
    return INTERRUPTED if number == signal.SIGINT else STATUS


def heeded() -> list[signal.Signals]:
    """The signals that are taken: what a process was started to ignore, as nohup does, it goes on to ignore."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def leaving() -> Iterator[None]:
    """Let a signal end what is done here as an error does, so that it clears up; a run that trains takes them itself.

    Raises:
        LeftEarly: One came. Those that follow do not disturb the clearing up, but for Ctrl-C, which ends the process.
    """
    process, came = os.getpid(), list[int]()

    def leave(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # one that was forked from it, which its parent will end
            return
        forget_terminal(number)
        came.append(number)
        if len(came) == 1:
            raise LeftEarly(status_of(number))
        if number == signal.SIGINT:
            os._exit(INTERRUPTED)

    handlers = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        handlers = {number: signal.signal(number, leave) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def forget_terminal(number: int) -> None:
    """After SIGHUP the terminal is gone or about to go: let what is still printed there go nowhere, and not fail."""
    if number != getattr(signal, "SIGHUP", None):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printed in (1, 2):
        with suppress(OSError):  # it was closed before
            if stat.S_ISCHR(os.fstat(printed).st_mode):
                os.dup2(nowhere, printed)
    os.close(nowhere)


def leave_to_parent(worker: int) -> None:
    """Let a process that loads batches stay while the one that trains finishes its batch: both get the same signals.

    A second SIGTERM ends it. The first may have been for all processes of a job, as SLURM sends it. Where the process
    that trains sends it, that one has told this one before to leave after its batch, and sends another at its end.

    Args:
        worker: Its number, as ``worker_init_fn`` of torch's loaders gives it.
    """

    def next_time(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        signal.signal(number, next_time if number == signal.SIGTERM else signal.SIG_IGN)
