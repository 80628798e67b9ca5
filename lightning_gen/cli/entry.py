"""The entry point of the command line: errors are printed as one sentence, and set the exit status."""

import logging
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from lightning_gen import signals
from lightning_gen.callbacks.loggers import leave_to_caller
from lightning_gen.cli import processes
from lightning_gen.cli.dispatch import run
from lightning_gen.cli.failures import explained
from lightning_gen.terminal import say
from lightning_gen.training import quiet


def silence() -> None:
    """Silence Lightning's messages about itself; warnings about the user's settings remain."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        quiet.WORKERS,  # the data are in memory
        ".*GPU available but not used.*",
        ".*`srun` command is available.*",  # an interactive session on a cluster
        quiet.INTERVAL,
        quiet.EVALUATION,  # the averaged generator, on purpose
        ".*Checkpoint directory .* exists and is not empty.*",  # a resumed run
        ".*Be aware that when using `ckpt_path`.*",
        ".*could not find the monitored key.*",  # best.ckpt waits for the first validation
        quiet.LEAVES,  # Lightning's own use of torch
        "(?s).*JsonargparseDeprecationWarning.*",  # and of jsonargparse
        "(?s).*deprecated in v4.*",
    ):
        warnings.filterwarnings("ignore", text)
    threading.excepthook = leave_to_caller


def main(args: Sequence[str] | None = None) -> None:
    """The entry point of ``python -m lightning_gen``.

    Args:
        args: The command line after the program's name; None for ``sys.argv``.

    Raises:
        SystemExit: After one sentence on stderr. The status is 2 for a command that cannot be run as given, 1 for a
            run that failed, 75 for a run that a signal stopped and 130 for Ctrl-C.
    """
    silence()
    try:
        with signals.leaving():
            run(list(sys.argv[1:] if args is None else args))
    except signals.LeftEarly as left:
        if not left.told:
            again = "stopped by a signal: start the same command again"
            tell("interrupted" if left.code == signals.INTERRUPTED else again)
        raise
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        exit_with(str(known), known.status)


def exit_with(sentence: str, status: int) -> NoReturn:
    """Print an error, once for all processes of a run, and exit."""
    tell(f"error: {sentence}")
    raise SystemExit(status)


def tell(sentence: str) -> None:
    """Print a line on stderr unless another process of the run has printed it; a closed stderr is no error."""
    line = " ".join(sentence.split())
    if processes.prints(line):
        with suppress(OSError):
            say(line, sys.stderr)
