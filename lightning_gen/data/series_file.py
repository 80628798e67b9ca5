"""A CSV file of a series of one's own, read in windows."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions
from lightning_gen.data.flatness import flat_channels
from lightning_gen.errors import InputError
from lightning_gen.media import Series
from lightning_gen.media.csv_table import Columns, read_columns
from lightning_gen.paths import expanded
from lightning_gen.terminal import printable


class SeriesFile(DataModule):
    """Windows of one long series in a CSV file, whose columns are channels.

    The series is split in time before it is cut: first comes training, then validation, then test, with a gap between
    them. No window straddles two parts, so no point in time is in two of them. The mean and the scale of each column
    are those of the training part alone, and are a part of the medium.

    Attributes:
        path: The file. Its first line names the columns, each other line is a point in time, at equal distances. Where
            a column that is left out holds times, in ISO 8601 or as rising numbers in the first column, a run says at
            its start where they jump.
        window: Length of a window, at least 8.
        stride: Points from the start of a window to that of the next; windows overlap if it is less than `window`.
        gap: Points that are left out between the parts; None for as many as a window has.
        columns: Names of the columns; None for all whose first value is a number. An index and dates in numbers are
            such columns too: name the others.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the points in time for validation, in [0, 1).
        test_fraction: Fraction of the points in time for test, in [0, 1).
        seed: Seed of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: The file is missing or no table of numbers, a column is missing or constant, a part is shorter than
            a window, or an argument is out of range.
    """

    def __init__(
        self,
        path: str,
        window: int = 64,
        stride: int = 8,
        gap: int | None = None,
        columns: list[str] | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(8, "window", window)
        at_least(1, "stride", stride)
        at_least(0, "gap", gap or 0)
        check_fractions(val_fraction, test_fraction)
        self.path = path
        self.window = window
        self.stride = stride
        self.gap = gap
        self.columns = columns
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        super().__init__(
            shape=(len(self.table.names), window),
            num_classes=None,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
        )
        self.medium = self._series()

    @cached_property
    def table(self) -> Columns:
        """The columns of the file."""
        return read_columns(expanded(self.path), self.columns)

    @cached_property
    def parts(self) -> tuple[range, range, range]:
        """The points in time of training, validation and test.

        Raises:
            InputError: One that is asked for is shorter than a window.
        """
        length = self.table.values.shape[1]
        gap = self.window if self.gap is None else self.gap
        val, test = (math.ceil(length * fraction) for fraction in (self.val_fraction, self.test_fraction))
        ends = [length - test - val, length - test, length]
        starts = [0, *(end + gap if size else end for end, size in zip(ends, (val, test), strict=False))]
        found = tuple(range(start, max(start, end)) for start, end in zip(starts, ends, strict=True))
        for name, part, wanted in zip(Splits._fields, found, (True, bool(val), bool(test)), strict=True):
            if wanted and len(part) < self.window:
                raise InputError(
                    f"the {name} part of {self.path} has {len(part):,} of {length:,} points in time and a window has "
                    f"{self.window}: lower --data.window or --data.gap, change --data.val_fraction and "
                    "--data.test_fraction, or give a longer file"
                )
        return found  # type: ignore[return-value]

    def splits(self) -> Splits:
        """Cut each part into windows; they share the memory of the series."""
        series = torch.from_numpy(self.table.values).float()
        return Splits(*(ArrayDataset(self._windows(series[:, part.start : part.stop])) for part in self.parts))

    def contents(self) -> list[str]:
        """The columns, those that were left out, and where the time of the file jumps."""
        names, left = self.table.names, self.table.left_out
        lines = [f"{len(names)} columns: {shown(names)}"]
        lines += [f"left out columns that hold no numbers: {shown(left)}"] if left else []
        return [*lines, *self.table.remarks]

    def sample_names(self, split: str) -> list[str]:
        """The points in time that a window starts at, counted from 0: ``test@8500``; after ``setup``."""
        start = self.parts[Splits._fields.index(split)].start
        return [f"{split}@{start + self.stride * index}" for index in range(len(getattr(self, f"{split}_set")))]

    def _windows(self, part: Tensor) -> Tensor:
        """Windows ``(n, columns, window)`` of a part ``(columns, points)``."""
        if part.shape[1] < self.window:
            return part.new_empty(0, len(part), self.window)
        return part.unfold(1, self.window, self.stride).transpose(0, 1)

    def _series(self) -> Series:
        """The medium, with the mean and the scale of the training part."""
        training = self.table.values[:, : self.parts[0].stop]
        mean, scale = training.mean(1), training.std(1)
        flat = flat_channels(scale, np.abs(training).max(1))
        if len(flat):
            raise InputError(
                f"column '{printable(self.table.names[flat[0]])}' of {self.path} is constant in the training part, or "
                f"nearly so beside values of {abs(mean[flat[0]]):.4g}: leave it out with --data.columns, or subtract "
                "its mean"
            )
        return Series(self.table.names, tuple(mean.tolist()), tuple(scale.tolist()))


def shown(names: Sequence[str], most: int = 8) -> str:
    """Names in a line, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more
