"""Files of the samples that a model makes of inputs: one for each input, an array, or a sheet of both; written batch by
batch, so that memory does not grow with their number.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lightning_gen.applications.inputs import Whole
from lightning_gen.media import Medium
from lightning_gen.media.files import save
from lightning_gen.outputs import writing

PAIRS = 4
"""Pairs of an input and its product in a row of a sheet."""

Write: TypeAlias = Callable[[Tensor | None, Tensor], None]
"""Writes the next products, stored values ``(n, *shape)``, beside the inputs that they are made of, or None."""


@contextmanager
def folder(target: Path, names: Sequence[str], medium: Medium) -> Iterator[Write]:
    """A folder with a file for each product.

    Args:
        target: The folder; it and its sub-folders are made.
        names: The name of each file.
        medium: The kind of the products.
    """
    left = iter(names)

    def write(_: Tensor | None, products: Tensor) -> None:
        for sample in medium.to_model(products).split(1):
            medium.write_single(sample, target / next(left))

    yield write


@contextmanager
def joined(target: Path, names: Sequence[str], wholes: Sequence[Whole], medium: Medium) -> Iterator[Write]:
    """A folder with a file for each whole, which is joined from the products of its windows.

    Args:
        target: The folder; it and its sub-folders are made.
        names: The name of each file.
        wholes: What the windows belong to, in their order.
        medium: The kind of the products.
    """
    left = iter(zip(names, wholes, strict=True))
    waiting: list[Tensor] = []
    name, whole = next(left)

    def write(_: Tensor | None, products: Tensor) -> None:
        nonlocal name, whole
        waiting.extend(medium.to_model(products).unbind())
        while len(waiting) >= len(whole.windows):
            medium.write_like(whole.windows.join(waiting[: len(whole.windows)]), target / name, whole.source)
            del waiting[: len(whole.windows)]
            if (following := next(left, None)) is None:
                return
            name, whole = following

    yield write


@contextmanager
def collection(target: Path, medium: Medium) -> Iterator[Write]:
    """A file of the medium's own kind for all products; it is written when all are there."""
    found: list[Tensor] = []
    yield lambda _, products: found.append(products)
    medium.write_collection(medium.to_model(torch.cat(found)), target)


@contextmanager
def array(target: Path, count: int) -> Iterator[Write]:
    """A .npy file of the stored values of so many products; it is there when all are written."""
    with writing(target) as file:
        rows = ArrayRows(file, count)
        yield lambda _, products: rows.write(products.numpy())


@contextmanager
def sheet(target: Path, medium: Medium, most: int) -> Iterator[Write]:
    """A PNG file of the first products, each on the right of the input that it is made of.

    Args:
        target: The file; it is there when all products are written.
        medium: The kind of the products.
        most: Maximum number of products on it.
    """
    shown: list[Tensor] = []

    def write(inputs: Tensor | None, products: Tensor) -> None:
        left = most - sum(map(len, shown))
        if left > 0:
            parts = [each[:left].cpu() for each in (inputs, medium.to_model(products)) if each is not None]
            shown.append(torch.stack(parts, 1))

    yield write
    pairs = torch.cat(shown)
    columns = min(len(pairs), PAIRS if pairs.shape[1] > 1 else 2 * PAIRS) * pairs.shape[1]
    save(medium.preview(pairs.flatten(0, 1), columns), target)


class ArrayRows:
    """Writes an array in numpy's format, some rows at a time.

    Args:
        file: Where it is written.
        count: Number of rows.
    """

    def __init__(self, file: BinaryIO, count: int) -> None:
        self.file = file
        self.count = count
        self._begun = False

    def write(self, rows: np.ndarray) -> None:
        """Write the next rows ``(n, ...)``; all are of one shape and type."""
        if not self._begun:
            kind = np.lib.format.dtype_to_descr(rows.dtype)
            shape = (self.count, *rows.shape[1:])
            np.lib.format.write_array_header_1_0(self.file, {"descr": kind, "fortran_order": False, "shape": shape})
            self._begun = True
        self.file.write(np.ascontiguousarray(rows).data)
