"""Processes that load batches: the room that they need, and in one sentence what went wrong with them."""

import re
import shutil
import traceback
from pathlib import Path

from torch.utils.data import dataloader

from lightning_gen.errors import InputError, WorkerError

SHARED = Path("/dev/shm")
"""Where Linux keeps what processes share; in a container it is often 64 MB."""
AHEAD = 2
"""Batches that torch lets each process load before they are asked for."""
REMEDY = "lower --data.num_workers (with 0 the process that trains loads batches itself)"
FAILURES = {
    r"bus error|shared memory|unable to (mmap|write|open|resize)": f"{SHARED} is full, where they hand batches over: "
    f"{REMEDY} or make it larger (docker run --shm-size)",
    r"exited unexpectedly|is killed by signal|^ConnectionResetError|^BrokenPipeError|^EOFError": (
        f"it was killed, as by a system that has no memory left: {REMEDY} or --data.batch_size, and go on with "
        "--ckpt_path last where it was a fit"
    ),
}
"""What torch says, by its words, and what it means."""


def check_room(batch_bytes: int, num_workers: int) -> None:
    """Refuse what would wait for ever: a process that finds no room for its batch hands over none, and nobody hears.

    Args:
        batch_bytes: Size of one batch of this process.
        num_workers: Processes that load batches.

    Raises:
        InputError: There is no room in shared memory for what they load in advance.
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
    """What an error of a process that loads batches means; None for all other errors."""
    if "DataLoader worker" not in str(error) and not came_from(error, dataloader.__name__):
        return None
    said = f"{type(error).__name__}: {error}"
    told = next((told for words, told in FAILURES.items() if re.search(words, said, re.I)), None)
    return WorkerError(f"a process that loads batches has ended: {told}") if told else None


def came_from(error: BaseException, module: str) -> bool:
    """Whether an error passed through a module."""
    return any(frame.f_globals.get("__name__") == module for frame, _ in traceback.walk_tb(error.__traceback__))
