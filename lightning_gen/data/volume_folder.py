"""A folder of volumes of one's own, read in windows."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.listing import list_files
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.media import Volumes
from lightning_gen.media.nifti import Grid
from lightning_gen.media.volumes import TOLERANCE, in_words, read_grid
from lightning_gen.media.windows import Windows
from lightning_gen.paths import expanded

DARKEST, BRIGHTEST = 0.001, 0.999
"""The shares of training voxels below the values that become black and white."""
SEEN = 2_000_000
"""Voxels of each training file, evenly spaced, from which these values are computed."""


@dataclass(frozen=True)
class Parts:
    """The volumes of each split, and what a sample is.

    Attributes:
        train: Stored values uint8 ``(channels, *sides)`` of each volume for training.
        val: Those for validation.
        test: Those for test.
        medium: Their spacing, and the values that became black and white.
        notes: What was done to them, in sentences.
    """

    train: list[Tensor]
    val: list[Tensor]
    test: list[Tensor]
    medium: Volumes
    notes: tuple[str, ...]


class VolumeFolder(DataModule):
    """Windows of the volumes in a folder and its sub-folders: files .nii.gz, .nii and .npy, of equal or unequal sides.

    Files are split at random, so that no volume is in two parts. Where there are too few of them for that, each volume
    is cut along its first axis, and the parts of each have no voxel in common. Voxels become 8 bits linearly: the
    0.1 and 99.9 percentiles of the training part become black and white. Files in NIfTI need the extra ``volumes``.

    Attributes:
        folder: The folder.
        size: Side of a window in voxels, or its three sides, at least 8 each.
        spacing: Distances of neighbouring voxels along the axes, to which all volumes are resampled linearly; None to
            take them as they are, which all have to share. Arrays in .npy have a spacing of 1.
        overlap: Share of a window that the next one covers too, at least, from 0 to below 1.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the files for validation, in [0, 1).
        test_fraction: Fraction of the files for test, in [0, 1).
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: The folder has no such file, or an argument is out of range. When volumes are read: one is broken,
            has four dimensions, values that are not finite, another spacing or other channels, or is smaller than a
            window.
    """

    def __init__(
        self,
        folder: str,
        size: int | list[int] = 16,
        spacing: list[float] | None = None,
        overlap: float = 0.5,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        sides = tuple(size) if isinstance(size, list) else (size,) * 3
        if len(sides) != 3:
            raise InputError(f"--data.size {size} is no size of a volume: give one side, or three")
        for side in sides:
            at_least(8, "size", side)
        check_fractions(val_fraction, test_fraction)
        Windows(sides, sides, overlap)  # checks the overlap
        self.folder = folder
        self.size = size
        self.spacing = None if spacing is None else list(Volumes(tuple(spacing)).spacing)
        self.overlap = overlap
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.names = list_files(expanded(folder), Volumes.files, "volume").names
        super().__init__(shape=(1, *sides), num_classes=None, batch_size=batch_size, seed=seed, num_workers=num_workers)

    @property  # type: ignore[misc]
    def medium(self) -> Volumes:  # type: ignore[override]
        """The spacing and the range of the values; the files are read for it."""
        return self.parts.medium

    @cached_property
    def parts(self) -> Parts:
        """The volumes, read, resampled, split and brought to 8 bits.

        Raises:
            InputError: One cannot be read or does not fit.
        """
        root = expanded(self.folder)
        grids = [self._checked(root / name, read_grid(root / name)) for name in self.names]
        spacing = tuple(self.spacing) if self.spacing is not None else grids[0].spacing
        if self.spacing is None:
            self._check_spacing(grids)
        own = [each.spacing for each in grids]
        volumes = [resampled(each, spacing) for each in grids]
        for name, volume in zip(self.names, volumes, strict=True):
            self._check_size(name, tuple(volume.shape[1:]))
        train, val, test = self._split(volumes)
        found = torch.cat([each.flatten()[:: max(1, each.numel() // SEEN)] for each in train]).numpy()
        places = [round(share * (len(found) - 1)) for share in (DARKEST, BRIGHTEST)]
        low, high = np.partition(found, places)[places].tolist()
        if low >= high:
            raise InputError(
                f"the volumes of {self.folder} are constant, {low:g}, but for a thousandth: give other files"
            )
        medium = Volumes(spacing, low, high)
        changed = sum(not same(each, spacing) for each in own)
        notes = [f"voxels from {low:.4g} to {high:.4g}, 99.8 % of those of training, become black to white"]
        if changed:
            notes.append(f"{changed} of {len(own)} volumes were resampled to the spacing {in_words(spacing)}")
        if self._by_place:
            notes.append(f"{len(own)} files are too few to split, so each is cut along its first axis")
        train, val, test = ([medium.quantized(each) for each in part] for part in (train, val, test))
        return Parts(train, val, test, medium, tuple(notes))

    @property
    def _by_place(self) -> bool:
        """Whether each volume is cut into the parts, because there are too few for all of them."""
        count, shares = len(self.names), (self.val_fraction, self.test_fraction)
        files = [round(count * share) for share in shares]
        return sum(files) >= count or any(share > 0 and not of for share, of in zip(shares, files, strict=True))

    def splits(self) -> Splits:
        """Cut the volumes of each part into windows, in random order, so that the first few are of all places."""
        windows = [self._windows(getattr(self.parts, name)) for name in Splits._fields]
        return Splits(*(ArrayDataset(x, rows=torch.randperm(len(x), generator=seeded(self.seed))) for x in windows))

    def contents(self) -> list[str]:
        """What was done to the volumes."""
        return list(self.parts.notes)

    def _windows(self, volumes: list[Tensor]) -> Tensor:
        """Windows uint8 ``(n, *shape)`` of volumes."""
        sides = self.shape[1:]
        cut = [Windows(tuple(each.shape[1:]), sides, self.overlap).cut(each) for each in volumes]
        return torch.cat([torch.empty(0, *self.shape, dtype=torch.uint8), *cut])

    def _split(self, volumes: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The volumes of training, validation and test."""
        if not self._by_place:
            count = len(volumes)
            val, test = (round(count * each) for each in (self.val_fraction, self.test_fraction))
            rows = split_rows(count, val, test, self.seed)
            train_part, val_part, test_part = ([volumes[row] for row in part.tolist()] for part in rows)
            return train_part, val_part, test_part
        parts: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
        for name, volume in zip(self.names, volumes, strict=True):
            side, least = volume.shape[1], self.shape[1]
            val, test = (
                max(round(side * each), least) if each else 0 for each in (self.val_fraction, self.test_fraction)
            )
            if side - val - test < least:
                raise InputError(
                    f"{name} is too small to be cut into parts for training, validation and test: give more files, set "
                    "--data.val_fraction and --data.test_fraction to 0, or lower --data.size"
                )
            for part, cut in zip(parts, volume.split([side - val - test, val, test], dim=1), strict=True):
                part += [cut] if cut.shape[1] else []
        return parts

    def _checked(self, path: Path, grid: Grid) -> Grid:
        if len(grid.values) != 1:
            raise InputError(
                f"{path} has {len(grid.values)} channels, or is a series of volumes: cut it into files of one volume"
            )
        return grid

    def _check_spacing(self, grids: list[Grid]) -> None:
        for name, grid in zip(self.names, grids, strict=True):
            if not same(grid.spacing, grids[0].spacing):
                raise InputError(
                    f"{name} has the spacing {in_words(grid.spacing)} and {self.names[0]} "
                    f"{in_words(grids[0].spacing)}: set --data.spacing to the one that all should be resampled to"
                )

    def _check_size(self, name: str, sides: tuple[int, ...]) -> None:
        if any(side < window for side, window in zip(sides, self.shape[1:], strict=True)):
            raise InputError(
                f"{name} has {' x '.join(map(str, sides))} voxels and a window "
                f"{' x '.join(map(str, self.shape[1:]))}: lower --data.size, or remove the file"
            )


def same(spacing: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two spacings are the same but for rounding."""
    return all(abs(one - two) <= TOLERANCE * two for one, two in zip(spacing, other, strict=True))


def resampled(grid: Grid, spacing: tuple[float, ...]) -> Tensor:
    """Values ``(channels, *sides)`` at another spacing, by linear interpolation; the same if it is the same."""
    values = grid.values.float()
    if same(grid.spacing, spacing):
        return values
    sides = [
        max(1, round(side * own / wanted))
        for side, own, wanted in zip(values.shape[1:], grid.spacing, spacing, strict=True)
    ]
    return interpolate(values[None], size=sides, mode="trilinear", align_corners=False)[0]
