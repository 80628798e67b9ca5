"""What a file holds, by its first bytes, for messages about files that hold something else than is needed."""

import os

from lightning_gen.files import opened

ZIP = b"PK\x03\x04"
NUMPY = b"\x93NUMPY"
PICKLE = b"\x80"
CONTENTS = {
    ZIP: "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    NUMPY: "an array of numpy",
    PICKLE: "pickled Python objects",
    b"\x1f\x8b": "a file that is compressed by gzip",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"version https://git-lfs": "a pointer of Git LFS, which `git lfs pull` replaces by the file",
    b"<": "a web page",
}
"""Contents by the first bytes of a file."""


def start_of(path: str | os.PathLike[str]) -> bytes:
    """The first bytes of a file.

    Raises:
        OSError: It cannot be read.
    """
    with opened(path) as file:
        return file.read(64)


def content_of(path: str | os.PathLike[str]) -> str:
    """What a file holds, in words after "holds".

    Raises:
        OSError: It cannot be read.
    """
    start = start_of(path)
    if not start:
        return "nothing"
    return next((words for first, words in CONTENTS.items() if start.startswith(first)), "something else")
