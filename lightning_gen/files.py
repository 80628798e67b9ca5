"""Atomic writing of files, reading that never hangs, and locks that end with the process that holds them."""

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
"""Ending of the names of incomplete files."""
LOCK = ".lock"
"""The file in a folder that is locked by the process that uses the folder."""
WRITING: set[Path] = set()
"""Files that this process is writing, as a process is not stopped by its own locks."""


@contextmanager
def replacing(path: str | os.PathLike[str], lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that atomically replaces another one when it is complete.

    A temporary file beside the target is written, flushed to the disk and renamed, so that an older file stays complete
    until then, whatever other processes do and however this one ends. A link is replaced; its target does not change.
    Missing folders are created. Temporary files of the same target that dead processes left are removed.

    Args:
        path: The target.
        lasting: Whether the file must survive a crash of the machine. False for one of many small files, to save time:
            then it is not flushed to the disk, and temporary files of dead processes are not removed.

    Raises:
        InputError: The target is a folder, a device or a pipe.
        OSError: It cannot be written; then nothing has changed.
    """
    target = Path(path)
    require_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial, file = created(target)
    try:
        with file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file
            os.replace(partial, target)  # while it is locked, or another process could remove it
        if lasting:
            remove_abandoned(target)
    finally:
        partial.unlink(missing_ok=True)
        WRITING.discard(partial)


def created(target: Path) -> tuple[Path, BinaryIO]:
    """Create and lock a temporary file beside a target; the caller removes it from `WRITING`.

    Until it is locked, another process may take it for that of a dead one and remove it: then another one is created.
    """
    while True:
        partial = target.with_name(f"{stem(target)}{uuid.uuid4().hex}{PARTIAL}")
        file = partial.open("xb")
        WRITING.add(partial)
        try:
            kept = hold(file) and partial.exists()
        except OSError:  # the file system has no locks, so nobody removes it
            kept = True
        if kept:
            return partial, file
        file.close()
        partial.unlink(missing_ok=True)
        WRITING.discard(partial)


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, but no pipe or device, which could block.

    Raises:
        OSError: There is no file, it may not be read, or it is a folder, a pipe or a device.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device and no file", os.fspath(path))
    # O_NONBLOCK, in case a pipe has just replaced the file
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))


def require_replaceable(target: Path) -> None:
    """Check that a target is a file, a link to one, or missing.

    Raises:
        InputError: It is a folder, a device or a pipe.
    """
    if target.exists() and not target.is_file():
        kind = "folder" if target.is_dir() else "device or a pipe"
        raise InputError(f"{target} is a {kind} and would be replaced by a file: give the path of a file")


def hold(file: IO[bytes], shared: bool = False) -> bool:
    """Lock a file until it is closed or this process ends; child processes do not inherit the lock.

    Args:
        file: A file that is open for writing, or, for a shared lock, for reading.
        shared: Whether other processes may hold a shared lock at the same time.

    Returns:
        Whether the lock was acquired; False if another process holds it.

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
    """Lock a folder for this process until the returned file is closed; a missing folder is created.

    Raises:
        InputError: Another process has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / LOCK).open("ab")
    with suppress(OSError):  # the file system has no locks
        if not hold(file):
            file.close()
            raise taken(folder)
    return file


def require_free(folder: Path) -> None:
    """Check that no other process has locked a folder; any number of processes may check at the same time.

    Raises:
        InputError: One has.
    """
    with suppress(OSError), (folder / LOCK).open("rb") as file:  # the file is missing, or there are no locks
        if not hold(file, shared=True):
            raise taken(folder)


def taken(folder: Path) -> InputError:
    """The error for a folder in which another process trains."""
    return InputError(
        f"another process is training in {folder}: wait until it has ended, or give this run another name with --name"
    )


def stem(target: Path) -> str:
    """The prefix of temporary files of a target; file systems limit names to 255 bytes."""
    return os.fsdecode(b"." + os.fsencode(target.name)[:200] + b".")


def remove_abandoned(target: Path) -> None:
    """Remove the temporary files of a target that dead processes left; a running process has locked its own."""
    for path in target.parent.iterdir():
        if path.name.startswith(stem(target)) and path.name.endswith(PARTIAL) and path not in WRITING:
            with suppress(OSError), path.open("r+b") as file:
                if hold(file):
                    path.unlink()
