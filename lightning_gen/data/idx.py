"""The IDX format, in which MNIST and its successors are published.

Two zero bytes, one byte for the type, one for the number of dimensions, their lengths as big-endian 32-bit integers,
then the values. See http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from lightning_gen import system
from lightning_gen.errors import InputError
from lightning_gen.files import opened
from lightning_gen.memory import require_room

UNSIGNED_BYTE = 0x08
MOST_DIMENSIONS = 8
"""Maximum number of dimensions; published files have up to three."""


def read_idx(path: Path) -> np.ndarray:
    """Read a file of unsigned bytes, compressed by gzip if its name ends in ``.gz``.

    No more bytes are read than the header states, however many are compressed in the file.

    Returns:
        uint8 array of the shape that the file states.

    Raises:
        InputError: The file cannot be read, is no IDX file of unsigned bytes, its length is not the one that its header
            states, or it does not fit into memory.
    """
    try:
        with opened(path) as raw:
            return _read(cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw, path)
    except (OSError, EOFError, zlib.error) as error:
        sentence = system.explanation(error) if isinstance(error, OSError) else None
        raise InputError(sentence or f"{path} cannot be read ({error}): download it again") from error


def _read(file: BinaryIO, path: Path) -> np.ndarray:
    """The array in an open file; raises as `read_idx`."""
    start = file.read(4)
    if len(start) < 4 or start[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not 0 < start[3] <= MOST_DIMENSIONS:
        raise InputError(f"{path} is no IDX file of unsigned bytes: put the file from the data set's own page there")
    lengths = file.read(4 * start[3])
    shape = tuple(np.frombuffer(lengths[: len(lengths) // 4 * 4], ">u4").tolist())
    count = math.prod(shape)
    if len(shape) == start[3]:
        require_room(math.prod(max(1, each) for each in shape), f"{path}, by its header,", "download it again")
        content = bytearray(file.read(count))
        if len(content) == count and not file.read(1):
            return np.frombuffer(content, np.uint8).reshape(shape)
    raise InputError(f"{path} is damaged (it holds another number of bytes than its header states): download it again")


def find_idx(folder: Path, name: str) -> Path | None:
    """Find the file `name` or `name` + ``.gz`` in a folder; None where there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
