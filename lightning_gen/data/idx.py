"""The IDX format, in which MNIST and its successors are published.

Two zero bytes, one byte for the type, one for the number of dimensions, their lengths as big-endian 32-bit integers,
then the values. See http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from lightning_gen.errors import InputError

UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """Read a file of unsigned bytes, compressed by gzip if its name ends in ``.gz``.

    Returns:
        uint8 array of the shape that the file states.

    Raises:
        InputError: The file cannot be read, is no IDX file of unsigned bytes, or its length is not the one that its
            header states.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}): download it again") from error
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not content[3]:
        raise InputError(f"{path} is no IDX file of unsigned bytes: put the file from the data set's own page there")
    start = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    if len(shape) != content[3] or len(content) - start != math.prod(shape):
        raise InputError(f"{path} is damaged (it holds {len(content)} bytes, not those it states): download it again")
    return np.frombuffer(bytearray(content), np.uint8, offset=start).reshape(shape)


def find_idx(folder: Path, name: str) -> Path | None:
    """Find the file `name` or `name` + ``.gz`` in a folder; None where there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
