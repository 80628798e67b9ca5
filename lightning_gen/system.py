"""What the operating system refuses, in one sentence that names the remedy."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lightning_gen.errors import InputError

LONGEST = 240
"""Maximum number of characters of a path in a message: those of real folders are shown whole, a text that was given by
mistake is not."""


@dataclass(frozen=True)
class Refusal:
    """Why the system refuses something.

    Attributes:
        problem: What is wrong, in a clause whose subject is the path.
        remedy: What to do about it.
        alone: The clause for an error that has no path; None if such an error is not known.
    """

    problem: str
    remedy: str
    alone: str | None = None


FORBIDDEN = Refusal("may not be read or written", "change its permissions, or give another place")
FULL = Refusal(
    "is on a disk that is full", "free some disk space, or put the runs elsewhere with --runs_dir", "the disk is full"
)
BROKEN = Refusal(
    "is on a disk that does not answer", "check the disk, or give another place", "the disk does not answer"
)
TOO_MANY = Refusal(
    "cannot be opened beside so many open files",
    "raise the limit with ulimit -n, or lower --data.num_workers",
    "too many files are open",
)
REFUSALS = {
    errno.ENOENT: Refusal("does not exist or cannot be made", "give another path"),
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EROFS: Refusal("is on a disk that is read-only", "give another place"),
    errno.EISDIR: Refusal("is a folder", "give the path of a file"),
    errno.ENOTDIR: Refusal("leads through a file, which is no folder", "give another path"),
    errno.EEXIST: Refusal("exists and is no folder", "give another path, or remove it first"),
    errno.ENOTEMPTY: Refusal("is a folder that is not empty", "give another path, or remove it first"),
    errno.ENAMETOOLONG: Refusal("is longer than the disk allows", "give a shorter name"),
    errno.ELOOP: Refusal("is a link that leads back to itself", "give another path"),
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: Refusal(
        "would be larger than the disk allows", "give another place", "a file is too large for the disk"
    ),
    errno.EIO: BROKEN,
    errno.ESTALE: BROKEN,
    errno.EMFILE: TOO_MANY,
    errno.ENFILE: TOO_MANY,
    errno.ENOMEM: Refusal(
        "does not fit into memory", "lower --data.num_workers or --data.batch_size", "no memory is left"
    ),
}
"""Refusals by the number of the error."""
OTHERS = Refusal("cannot be read or written", "give another path")
"""The refusal of a path with another number."""


def may_be_full(error: Exception) -> bool:
    """Whether a file could not be written because the disk may be full; libraries say so without a number."""
    number = getattr(error, "errno", None)
    return number is None or REFUSALS.get(number) is FULL


def explanation(error: OSError, remedy: str | None = None) -> str | None:
    """Why the system refused something, in one sentence with the remedy.

    Args:
        error: The system's error.
        remedy: What to do about it; None for what helps in general.

    Returns:
        The sentence; None for an error that is not the system's, or that has neither a path nor a known number.
    """
    if error.errno is None:
        return None
    refusal = REFUSALS.get(error.errno, OTHERS)
    path = error.filename2 or error.filename
    known = isinstance(path, (str, bytes, os.PathLike))
    problem = f"{shortened(os.fsdecode(path))} {refusal.problem}" if known else refusal.alone
    return problem and f"{problem} ({error.strerror}): {remedy or refusal.remedy}"


@contextmanager
def explaining(remedy: str | None = None) -> Iterator[None]:
    """Raise what the system refuses inside as an error of this package.

    Args:
        remedy: What to do about it; None for what helps in general.

    Raises:
        InputError: The system refused something.
    """
    try:
        yield
    except OSError as error:
        raise InputError(explanation(error, remedy) or f"{error}: {remedy or OTHERS.remedy}") from error


def shortened(path: str) -> str:
    """A path for a message, without the middle of a long one."""
    half = LONGEST // 2
    return path if len(path) <= LONGEST else f"{path[:half]}...{path[-half:]}"
