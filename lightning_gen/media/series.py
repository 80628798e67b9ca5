"""Series: numbers of sensors over time, in the units of their file, standardised in models; lines as the preview."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium
from lightning_gen.media.csv_table import columns_text, read_columns
from lightning_gen.media.lines import HEIGHT, WIDTH, line_grid
from lightning_gen.outputs import Kind, writing
from lightning_gen.records import Shape
from lightning_gen.terms import at_least_float32

TABLE = Kind("table of a series", ".csv", re.compile(rb"[^\x00-\x08]"))
"""A CSV file of one series."""


@dataclass(frozen=True)
class Series(Medium):
    """Series ``(channels, length)``, stored as float32 in the units of the file; model values are standardised.

    A model value is (stored value - mean) / scale of its channel. Both are those of the training part of the data; as
    they are part of the medium, a checkpoint carries them to all files that it is applied to.

    Attributes:
        names: The names of the channels, the columns of files.
        mean: The mean of each channel.
        scale: The standard deviation of each channel, above 0.

    Raises:
        InputError: The numbers of names, means and scales differ, or a scale is not above 0.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    noun: ClassVar[str] = "series"
    values: ClassVar[str] = "values"
    unit: ClassVar[str] = "values in standard deviations of the training part"
    error_unit: ClassVar[str] = "in variances of the training part"
    compared_as: ClassVar[str] = "values in standard deviations of the training part"
    dimensions: ClassVar[int] = 1
    bounded: ClassVar[bool] = False
    single: ClassVar[Kind | None] = TABLE
    files: ClassVar[tuple[str, ...]] = (TABLE.ending,)

    def __post_init__(self) -> None:
        for name in ("names", "mean", "scale"):  # lists, as plain data in files are, become tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.names) == len(self.mean) == len(self.scale) > 0:
            raise InputError(
                f"{len(self.names)} names, {len(self.mean)} means and {len(self.scale)} scales are no channels of a "
                "series: give one of each for every channel"
            )
        if not all(math.isfinite(scale) and scale > 0 for scale in self.scale):
            raise InputError(f"a series has scales {self.scale}: give standard deviations above 0")

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standardised values of stored ones ``(n, channels, length)``, computed in at least float32."""
        stored = at_least_float32(stored)
        mean, scale = (each.to(stored) for each in self._columns)
        return ((stored - mean) / scale).to(dtype)

    def to_stored(self, x: Tensor) -> Tensor:
        """The values in the units of the file, float32."""
        mean, scale = self._columns
        return (x.detach().cpu().double() * scale + mean).float()

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot the standardised values as lines; see `line_grid`."""
        return line_grid(samples, columns)

    def preview_values(self, shape: Shape) -> int:
        """The numbers of a cell."""
        return 3 * WIDTH * HEIGHT

    def read_file(self, path: Path) -> Tensor:
        """Read the columns of a CSV file that are named as the channels, float32 ``(channels, length)``.

        Raises:
            InputError: The file cannot be read, or has not these columns or other values than numbers in them.
        """
        return torch.from_numpy(read_columns(path, self.names).values).float()

    def write_file(self, x: Tensor, path: Path) -> None:
        """Write the standardised values of one series ``(channels, length)`` as a CSV file with the units of the data.

        Raises:
            InputError: It cannot be written.
        """
        with writing(path) as file:
            file.write(columns_text(self.names, self.to_stored(x[None])[0].numpy()).encode())

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one series ``(1, channels, length)``; see `write_file`."""
        self.write_file(sample[0], target)

    def read_single(self, source: Path) -> Tensor:
        """Read one series, float32 ``(1, channels, length)``; see `read_file`."""
        return self.read_file(source)[None]

    @cached_property
    def _columns(self) -> tuple[Tensor, Tensor]:
        """The means and the scales as columns, float64 ``(channels, 1)``."""
        mean, scale = (torch.tensor(each, dtype=torch.float64)[:, None] for each in (self.mean, self.scale))
        return mean, scale
