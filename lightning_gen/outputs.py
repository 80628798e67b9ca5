"""Output files of commands: written atomically, and only over files of the same kind."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lightning_gen.errors import InputError
from lightning_gen.files import PARTIAL, replacing, require_replaceable
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
WAVE = Kind("sound", ".wav", re.compile(rb"RIFF.{4}WAVE", re.S))
ARRAY = Kind("array of numpy", ".npy", re.compile(rb"\x93NUMPY"))
TEXT = Kind("text", ".txt", re.compile(rb"[^\x00-\x08\x80-\xbf\xf8-\xff]"))
REPORT = Kind("report of metrics", ".json", re.compile(rb'\s*\{\s*"figures"'))
SAFETENSORS = Kind("file of safetensors", ".safetensors", re.compile(rb".{8}\{", re.S))
ONNX = Kind("ONNX model", ".onnx", re.compile(rb"\x08"))
PROGRAM = Kind("program of torch.export", ".pt2", re.compile(rb"PK\x03\x04"))
TABLES = {
    ".md": Kind("table in Markdown", ".md", re.compile(rb"\| \| ")),
    ".csv": Kind("table of a comparison", ".csv", re.compile(rb"row,kind,figure,")),
    ".html": Kind("page of a comparison", ".html", re.compile(rb"<!doctype html>\s*<html[^>]*><head>.{0,40}", re.S)),
}
"""The tables of a comparison, by their endings."""


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
        there = holds_files(target, option)
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


def holds_files(target: Path, option: str = "out") -> bool:
    """Whether a folder to write into holds files already.

    Raises:
        InputError: It is a file, or cannot be written.
    """
    if target.exists() and not target.is_dir():
        raise InputError(f"--{option} {target} is a file and would be a folder: give another name, or remove it first")
    check_place(target / "x", PNG)  # whether a file can be written into it
    return target.is_dir() and any(target.iterdir())


def check_new_folder(target: Path) -> None:
    """Check that a folder can be made whose files shall not be mixed with others.

    Raises:
        InputError: It is a file, holds files, or cannot be written.
    """
    if holds_files(target):
        raise InputError(
            f"--out {target} holds files, with which others would be mixed: give another folder, or empty it"
        )


@contextmanager
def filling(target: Path) -> Iterator[Path]:
    """Make a folder that gets its name when it is complete, and is removed if something goes wrong before.

    Args:
        target: The folder, which is missing or empty.

    Yields:
        The folder beside it to write into.

    Raises:
        InputError: It cannot be made.
    """
    place = Path(os.path.realpath(target))
    partial = place.with_name(f".{place.name[:100]}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        partial.mkdir(parents=True)
        yield partial
        if place.exists():
            place.rmdir()  # Windows renames no folder to one that exists
        partial.rename(place)
    except OSError as error:
        raise InputError(
            f"the folder {target} could not be made ({error.strerror or error}): give another place"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
