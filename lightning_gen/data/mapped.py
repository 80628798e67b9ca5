"""Memory-mapped arrays, sent to other processes as a position in the file and not as a copy."""

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lightning_gen.errors import InputError


@dataclass(frozen=True)
class Mapped:
    """The position of an array in a file.

    Attributes:
        path: The file.
        offset: First byte of the array.
        shape: Its shape.
        dtype: Its type.
        order: Memory layout: "C" or "F".
        file: Inode, size in bytes and time of modification in ns of the file, which identify it.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]
    file: tuple[int, int, int]

    @classmethod
    def of(cls, x: object) -> "Mapped | None":
        """The position of an array; None if it is not mapped, not contiguous, copy-on-write, or its file is gone."""
        if not isinstance(x, np.memmap) or x.filename is None or x.mode == "c":
            return None
        if not (x.flags.c_contiguous or x.flags.f_contiguous) or not x.size:
            return None
        whole = x
        while isinstance(whole.base, np.memmap):  # a view has the offset of its base
            whole = whole.base
        path, offset = os.fspath(x.filename), whole.offset + x.ctypes.data - whole.ctypes.data
        try:
            return cls(path, offset, x.shape, x.dtype, "C" if x.flags.c_contiguous else "F", _identity(path))
        except OSError:
            return None

    def open(self) -> np.ndarray:
        """Map the array, read-only.

        Raises:
            InputError: The file is gone or was replaced.
        """
        try:
            same = _identity(self.path) == self.file
        except OSError as error:
            raise InputError(f"{self.path} cannot be read any more ({error.strerror}): start again") from error
        if not same:
            raise InputError(f"{self.path} was replaced while it was in use: start again with the new file")
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)


def _identity(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
