"""Worker processes that load batches: the shared memory that they need, and explanations of their failures."""

import os
import re
import shutil
import traceback
from pathlib import Path

from torch.utils.data import dataloader

from lightning_gen.errors import InputError, WorkerError

SHARED = Path("/dev/shm")
"""Shared memory on Linux; in a container it is often 64 MB."""
AHEAD = 2
"""Batches that each worker prefetches by torch's default."""
MOST = 32
"""The most workers for each processor of this machine; thousands would take its memory from all other programs."""
REMEDY = "lower --data.num_workers (with 0 the process that trains loads batches itself)"
FAILURES = {
    r"bus error|shared memory|unable to (mmap|write|open|resize)": (
        f"{SHARED} is full, through which they pass batches: {REMEDY} or make it larger (docker run --shm-size)"
    ),
    r"exited unexpectedly|is killed by signal|^ConnectionResetError|^BrokenPipeError|^EOFError": (
        f"it was killed, as by a system that has no memory left: {REMEDY} or --data.batch_size, and resume a fit with "
        "--ckpt_path last"
    ),
}
"""Explanations of torch's errors, by patterns of their messages."""


def check_number(num_workers: int) -> None:
    """Check that a machine can run so many workers.

    Raises:
        InputError: They are too many for its processors.
    """
    processors = os.cpu_count() or 1
    if num_workers > MOST * processors:
        raise InputError(
            f"--data.num_workers {num_workers} would start as many processes on the {processors} processors of this "
            f"machine: set it to {MOST * processors} or less; more than {processors} are seldom faster"
        )


def check_room(batch_bytes: int, num_workers: int) -> None:
    """Check that shared memory has room for the batches; a worker without room for its batch would hang silently.

    Args:
        batch_bytes: Size of one batch of this process.
        num_workers: Processes that load batches.

    Raises:
        InputError: Shared memory has no room for the prefetched batches.
    """
    if not SHARED.is_dir():
        return
    needed = AHEAD * num_workers * batch_bytes
    free = shutil.disk_usage(SHARED).free
    if free <= needed:
        raise InputError(
            f"--data.num_workers {num_workers} needs {needed / 1e6:,.1f} MB in {SHARED}, which has {free / 1e6:,.1f} "
            f"MB left: {REMEDY}, or make {SHARED} larger (docker run --shm-size)"
        )


def failure(error: BaseException) -> WorkerError | None:
    """The explanation of an error of a worker process; None for other errors."""
    if "DataLoader worker" not in str(error) and not came_from(error, dataloader.__name__):
        return None
    message = f"{type(error).__name__}: {error}"
    explanation = next((text for pattern, text in FAILURES.items() if re.search(pattern, message, re.I)), None)
    return WorkerError(f"a process that loads batches has ended: {explanation}") if explanation else None


def came_from(error: BaseException, module: str) -> bool:
    """Whether an error passed through a module."""
    return any(frame.f_globals.get("__name__") == module for frame, _ in traceback.walk_tb(error.__traceback__))
