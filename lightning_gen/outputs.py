"""Output files of commands: written atomically, and only over files of the same kind."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lightning_gen.errors import InputError
from lightning_gen.files import replacing, require_replaceable
from lightning_gen.system import may_be_full


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: Its name in messages.
        ending: The suffix of file names.
        start: A pattern of the first bytes.
    """

    name: str
    ending: str
    start: re.Pattern[bytes]


PNG = Kind("PNG image", ".png", re.compile(rb"\x89PNG\r\n\x1a\n"))
ARRAY = Kind("array of numpy", ".npy", re.compile(rb"\x93NUMPY"))
REPORT = Kind("report of metrics", ".json", re.compile(rb'\s*\{\s*"figures"'))


def check_place(target: Path, kind: Kind) -> None:
    """Check that a file can be written and would replace only a file of its kind.

    Commands check this before minutes of work.

    Raises:
        InputError: A file of another kind is there, or the folder does not exist or cannot be written.
    """
    require_replaceable(target)
    if target.is_file():
        with target.open("rb") as file:
            start = file.read(64)
        if start and not kind.start.match(start):
            raise InputError(f"{target} is no {kind.name} and would be lost: give another name, or remove it first")
    folder = next(parent for parent in target.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder, and {target} cannot be written into it: give another place")
    if not os.access(folder, os.W_OK):
        raise InputError(f"you may not write into {folder}: give another place than {target}")


def check_product(target: Path, kind: Kind | None, overwrite: bool, option: str = "out") -> None:
    """Check the place of a product that took long to make, before it is made: it replaces nothing unasked.

    Args:
        target: A file, or a folder if `kind` is None.
        kind: The kind of the file.
        overwrite: Whether a file of the same kind, or files in the folder, may be replaced.
        option: The option that names it.

    Raises:
        InputError: Something is there and may not be replaced, or the place cannot be written.
    """
    if kind is not None:
        check_place(target, kind)
        there = target.exists()
    else:
        if target.exists() and not target.is_dir():
            raise InputError(
                f"--{option} {target} is a file and would be a folder: give another name, or remove it first"
            )
        check_place(target / "x", PNG)  # whether a file can be written into it
        there = target.is_dir() and any(target.iterdir())
    if there and not overwrite:
        what = "exists" if kind is not None else "holds files"
        raise InputError(f"{target} {what}: give another --{option}, or add --overwrite to replace what is there")


@contextmanager
def writing(target: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a file that replaces an older one when it is complete; see `replacing`.

    Raises:
        InputError: It cannot be written, for example because the disk is full; the older file stays intact.
    """
    try:
        with replacing(target, lasting) as file:
            yield file
    except OSError as error:
        room = "free some disk space or " if may_be_full(error) else ""
        raise InputError(
            f"{target} could not be written ({error.strerror or error}): {room}give another place; an older file is "
            "intact"
        ) from error
