"""Files that appear whole or not at all, reading that never hangs, locks that end with the process that holds them."""

import errno
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from lightning_gen.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"
"""What names of files end in that are still being written."""
LOCK = ".lock"
"""The file in a folder that whoever has the folder holds."""
WRITING: set[Path] = set()
"""What this process is writing: a lock does not keep a process from its own files."""


@contextmanager
def replacing(path: str | os.PathLike[str], lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a file that takes the place of another once it is complete.

    It is written beside its place, flushed to the disk and then renamed, so that an older file is whole until the new
    one is, whoever else writes or reads it and however the process ends. A link is replaced, and what it leads to is
    left alone. Folders are made. What a process that is dead left unfinished of the same file is removed.

    Args:
        path: The place.
        lasting: Whether it has to outlast a crash of the machine. False for one of many small files, which would take
            long: it is not flushed to the disk, and nobody looks for what dead processes left.

    Raises:
        InputError: A folder, a device or a pipe is there.
        OSError: It cannot be written; nothing has changed then.
    """
    target = Path(path)
    require_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{stem(target)}{uuid.uuid4().hex}{PARTIAL}")
    WRITING.add(partial)
    try:
        with partial.open("xb") as file:
            with suppress(OSError):  # a file system without locks
                hold(file)
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, target)
        if lasting:
            remove_abandoned(target)
    finally:
        partial.unlink(missing_ok=True)
        WRITING.discard(partial)


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, without waiting for whoever writes: a pipe or a device is not opened.

    Raises:
        OSError: There is no file, it may not be read, or something else is there.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device and no file", os.fspath(path))
    # one that takes the place of the file just now is not waited for either
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))


def require_replaceable(target: Path) -> None:
    """Check that nothing but a file, or a link to one, would be replaced.

    Raises:
        InputError: A folder, a device or a pipe is there.
    """
    if target.exists() and not target.is_file():
        kind = "folder" if target.is_dir() else "device or a pipe"
        raise InputError(f"{target} is a {kind} and would be replaced by a file: give the path of a file")


def hold(file: IO[bytes], shared: bool = False) -> bool:
    """Lock a file until it is closed or this process ends; processes that this one starts do not hold it.

    Args:
        file: It is open for writing, or for reading where it is shared.
        shared: Whether others may hold it shared at the same time.

    Returns:
        False where another process holds it.

    Raises:
        OSError: The file system has no locks.
    """
    if fcntl is None:
        raise OSError("this system has no locks")
    try:
        fcntl.lockf(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def hold_folder(folder: Path) -> IO[bytes]:
    """Take a folder for this process until the file that is returned is closed; the folder is made.

    Raises:
        InputError: Another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / LOCK).open("ab")
    with suppress(OSError):  # a file system without locks
        if not hold(file):
            file.close()
            raise taken(folder)
    return file


def require_free(folder: Path) -> None:
    """Check that no other process has taken a folder; any number of processes may check at the same time.

    Raises:
        InputError: One has.
    """
    with suppress(OSError), (folder / LOCK).open("rb") as file:  # no such file, or a file system without locks
        if not hold(file, shared=True):
            raise taken(folder)


def taken(folder: Path) -> InputError:
    """What is wrong where another process trains in a folder."""
    return InputError(
        f"another process is training in {folder}: wait for its end, or give this run a name of its own with "
        f"--name {folder.name}-2"
    )


def stem(target: Path) -> str:
    """What names of unfinished files of a target begin with; file systems allow 255 bytes for all of a name."""
    return os.fsdecode(b"." + os.fsencode(target.name)[:200] + b".")


def remove_abandoned(target: Path) -> None:
    """Remove what dead processes left unfinished of a file; a living one holds what it writes."""
    for path in target.parent.iterdir():
        if path.name.startswith(stem(target)) and path.name.endswith(PARTIAL) and path not in WRITING:
            with suppress(OSError), path.open("r+b") as file:
                if hold(file):
                    path.unlink()
