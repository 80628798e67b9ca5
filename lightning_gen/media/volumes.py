"""Volumes: values on a grid in space with its spacing, 8 bits in memory; middle slices as the preview."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torchvision.utils import make_grid

from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium
from lightning_gen.media.files import read_array, save_array
from lightning_gen.media.images import CELL, displayable, to_uint8
from lightning_gen.media.nifti import Grid, affine_of, read_nifti, write_nifti
from lightning_gen.outputs import Kind
from lightning_gen.records import Shape

NIFTI = Kind("volume in NIfTI", ".nii.gz", re.compile(rb"\x1f\x8b"))
"""A compressed file of one volume."""
TOLERANCE = 0.01
"""The largest share by which the spacing of a file may differ from that of the medium."""


@dataclass(frozen=True)
class Volumes(Medium):
    """Volumes ``(channels, *sides)``, stored as uint8; model values are floats in [-1, 1].

    The axes are those of the array in the file and keep their order: for NIfTI x, y and z, such as to the right, to the
    front and up. 16-bit and other values of files become 8 bits linearly between `low` and `high`, and are clipped
    there; `low` becomes 0. Both, and the spacing, are what the data were trained with, so that files which are read
    later are scaled alike, and files that are written have the values and the spacing of the data.

    Attributes:
        spacing: Distances of neighbouring places along each axis, in millimetres in NIfTI.
        low: The value in files of the stored 0.
        high: The value in files of the stored 255.

    Raises:
        InputError: The spacing is not three numbers above 0, or `high` is not above `low`.
    """

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    low: float = 0.0
    high: float = 255.0

    noun: ClassVar[str] = "volumes"
    values: ClassVar[str] = "voxels"
    unit: ClassVar[str] = "voxels in [-1, 1]"
    error_unit: ClassVar[str] = "of voxels in [0, 1]"
    compared_as: ClassVar[str] = "voxels in [0, 1], reconstructions clipped"
    dimensions: ClassVar[int] = 3
    bounded: ClassVar[bool] = True
    step: ClassVar[float | None] = 2 / 256
    error_scale: ClassVar[float] = 1 / 4
    single: ClassVar[Kind | None] = NIFTI
    files: ClassVar[tuple[str, ...]] = (".nii.gz", ".nii", ".npy")

    def __post_init__(self) -> None:
        object.__setattr__(self, "spacing", tuple(map(float, self.spacing)))
        if len(self.spacing) != 3 or not all(math.isfinite(each) and each > 0 for each in self.spacing):
            raise InputError(f"volumes have no spacing {self.spacing}: give three numbers above 0, such as 1, 1, 2.5")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"volumes cannot range from {self.low} to {self.high}: give a low below a high value")

    def to_stored(self, x: Tensor) -> Tensor:
        """Voxels from 0 to 255; see `to_uint8`."""
        return to_uint8(x)

    def comparable(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Both as voxels in [0, 1], reconstructions clipped."""
        return (x + 1) / 2, ((output + 1) / 2).clamp(0, 1)

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot the middle slices of each sample side by side; see `slice_grid`."""
        return slice_grid(samples, columns)

    def preview_values(self, shape: Shape) -> int:
        """The numbers of three slices."""
        return shape[0] * 3 * max(CELL, *shape[1:]) ** 2

    # files -----------------------------------------------------------------------------------------------------------

    def read_file(self, path: Path) -> Tensor:
        """Read a volume of any size, uint8 ``(1, *sides)``; an array ``(channels, *sides)`` may have more channels.

        Raises:
            InputError: The file cannot be read, is no volume, has another spacing, or values that are not finite.
        """
        grid = read_grid(path)
        near = all(abs(own - known) <= TOLERANCE * known for own, known in zip(grid.spacing, self.spacing, strict=True))
        if not near and path.suffix != ".npy":
            raise InputError(
                f"{path} has the spacing {in_words(grid.spacing)} and the model was trained on "
                f"{in_words(self.spacing)}: resample it to that"
            )
        return self.quantized(grid.values)

    def quantized(self, values: Tensor) -> Tensor:
        """Values of a file as stored values, uint8."""
        shares = (values.double() - self.low) / (self.high - self.low)
        return (shares * 255).round().clamp(0, 255).to(torch.uint8)

    def write_file(self, x: Tensor, path: Path) -> None:
        """Write one volume, model values ``(channels, *sides)``, with the values of the data and its spacing.

        Raises:
            InputError: It has several channels and the file is NIfTI, or it cannot be written.
        """
        self.write_like(x, path, None)

    def write_like(self, x: Tensor, path: Path, source: Path | None) -> None:
        """Write what became of a volume; NIfTI files lie in space where their source in NIfTI does, see `write_file`.

        Raises:
            InputError: As for `write_file`, or the source cannot be read.
        """
        values = self.low + (self.high - self.low) * self.to_stored(x).float() / 255
        if path.suffix == ".npy":
            save_array(values if len(values) > 1 else values[0], path)
            return
        if len(values) > 1:
            raise InputError(f"{path} cannot hold volumes of {len(values)} channels: give a name that ends in .npy")
        affine = None if source is None or source.suffix == ".npy" else affine_of(source)
        write_nifti(Grid(values, self.spacing), path, affine)

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one volume ``(1, channels, *sides)``; see `write_file`."""
        self.write_file(sample[0], target)

    def read_single(self, source: Path) -> Tensor:
        """Read one volume, uint8 ``(1, channels, *sides)``; see `read_file`."""
        return self.read_file(source)[None]


def read_grid(path: Path) -> Grid:
    """Read the values of a file of any kind in `Volumes.files`, with a dimension of channels.

    Raises:
        InputError: The file cannot be read, is no volume, or has values that are not finite.
    """
    grid = Grid(read_array(path), (1.0, 1.0, 1.0)) if path.suffix == ".npy" else read_nifti(path)
    values = grid.values[None] if grid.values.dim() == 3 else grid.values
    if values.dim() != 4 or not values.numel():
        raise InputError(
            f"{path} holds an array of shape {tuple(grid.values.shape)}, which is no volume: give three sides, and cut "
            "a series of volumes into files of one each"
        )
    if values.is_complex() or not values.isfinite().all():
        raise InputError(
            f"{path} has values that are not finite or no real numbers: set them to that of the background"
        )
    return Grid(values, grid.spacing)


def in_words(spacing: tuple[float, ...]) -> str:
    """A spacing such as ``1 x 1 x 2.5``."""
    return " x ".join(f"{each:.4g}" for each in spacing)


def slice_grid(samples: Tensor, columns: int | None = None) -> Tensor:
    """A grid of volumes, of each the middle slices across its first, second and third axis, side by side.

    A slice has the earlier of its axes downwards and the later one to the right. Small ones are enlarged by repeating
    voxels; those of unequal sides are padded to squares.

    Args:
        samples: Volumes ``(n, channels, *sides)`` in [-1, 1].
        columns: Volumes in a row; None for about a square.

    Returns:
        uint8 ``(1 or 3, height, width)``.
    """
    side = max(samples.shape[2:])
    slices = [samples.select(axis, samples.shape[axis] // 2) for axis in (2, 3, 4)]
    squares = [padded(displayable(to_uint8(each)), side) for each in slices]
    cells = torch.cat(squares, dim=3)
    cells = interpolate(cells, scale_factor=max(1, CELL // side), mode="nearest")
    across = columns or math.ceil(math.sqrt(len(cells) / 3))
    grid = make_grid(cells, nrow=across, padding=2, pad_value=96)
    return grid[:1] if cells.shape[1] == 1 else grid


def padded(images: Tensor, side: int) -> Tensor:
    """Images ``(n, channels, height, width)`` in the middle of black squares."""
    down, right = side - images.shape[2], side - images.shape[3]
    return pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
