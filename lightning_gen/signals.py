"""Signals that ask a process to exit: how commands handle them, from start to end."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT") if hasattr(signal, name))
"""Signals of schedulers before they take a machine away, of a terminal that is closed, and of Ctrl-C."""
STATUS = 75
"""Exit status of a command that should be started again: EX_TEMPFAIL of sysexits.h."""
INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a command that was stopped by Ctrl-C, as in shells."""


class Preempted(SystemExit):
    """Ends a command after a signal; files that it was writing are complete or absent."""


class LeftEarly(Preempted):
    """Ends a command after a signal that came while it was not training.

    Attributes:
        told: Whether a message says so already.
    """

    told = False


def status_of(number: int | None) -> int:
    """The exit status of a command after a signal; None for a signal that another process of the run received."""
    return INTERRUPTED if number == signal.SIGINT else STATUS


def heeded() -> list[signal.Signals]:
    """The signals that are handled: those that the process was started to ignore, as by nohup, stay ignored."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def leaving() -> Iterator[None]:
    """Raise an error when a signal comes, so that the code inside cleans up; a run that trains handles signals itself.

    Raises:
        LeftEarly: A signal came. Later signals do not interrupt the cleaning up, except Ctrl-C, which ends the process.
    """
    process, came = os.getpid(), list[int]()

    def leave(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a forked process, which its parent ends
            return
        forget_terminal(number)
        came.append(number)
        if len(came) == 1:
            raise LeftEarly(status_of(number))
        if number == signal.SIGINT:
            os._exit(INTERRUPTED)

    handlers = {}
    if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
        handlers = {number: signal.signal(number, leave) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def forget_terminal(number: int) -> None:
    """After SIGHUP, when the terminal is closed, discard what is printed to it, so that printing does not fail."""
    if number != getattr(signal, "SIGHUP", None):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printed in (1, 2):
        with suppress(OSError):  # already closed
            if stat.S_ISCHR(os.fstat(printed).st_mode):
                os.dup2(nowhere, printed)
    os.close(nowhere)


def leave_to_parent(worker: int) -> None:
    """Keep a process that loads batches running while the training process finishes its batch: both receive signals.

    A second SIGTERM ends it. The first may have been sent to all processes of a job, as by SLURM. A training process
    that sends it has already told this one to exit after its batch, and sends another one at its end.

    Args:
        worker: Number of the process, from ``worker_init_fn`` of torch's loaders.
    """

    def next_time(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        signal.signal(number, next_time if number == signal.SIGTERM else signal.SIG_IGN)
