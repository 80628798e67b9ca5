"""Arrays that are mapped from a file, handed to other processes as the place in the file and not as a copy."""

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lightning_gen.errors import InputError


@dataclass(frozen=True)
class Mapped:
    """Where an array lies in a file.

    Attributes:
        path: The file.
        offset: First byte of the array.
        shape: Its shape.
        dtype: Its type.
        order: Which index runs slowest in the file: the first, "C", or the last, "F".
        file: Inode, size in bytes and time of change in ns of the file, which another one in its place has not.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]
    file: tuple[int, int, int]

    @classmethod
    def of(cls, x: object) -> "Mapped | None":
        """The place of an array; None where it is not mapped, has gaps, may be changed in memory alone, or is gone."""
        if not isinstance(x, np.memmap) or x.filename is None or x.mode == "c":
            return None
        if not (x.flags.c_contiguous or x.flags.f_contiguous) or not x.size:
            return None
        whole = x
        while isinstance(whole.base, np.memmap):  # a view says the offset of what it is a view of
            whole = whole.base
        path, offset = os.fspath(x.filename), whole.offset + x.ctypes.data - whole.ctypes.data
        try:
            return cls(path, offset, x.shape, x.dtype, "C" if x.flags.c_contiguous else "F", _identity(path))
        except OSError:
            return None

    def open(self) -> np.ndarray:
        """Map the array, read-only.

        Raises:
            InputError: The file is gone, or is another one by now.
        """
        try:
            same = _identity(self.path) == self.file
        except OSError as error:
            raise InputError(f"{self.path} cannot be read any more ({error.strerror}): start again") from error
        if not same:
            raise InputError(f"{self.path} was replaced while it was in use: start again, with the file as it is now")
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)


def _identity(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
