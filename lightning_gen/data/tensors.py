"""Your own arrays, saved by numpy or torch."""

from math import prod

import numpy as np
from torch import Tensor

from lightning_gen.data.arrays import read_arrays
from lightning_gen.data.base import ArrayDataset, DataModule, Splits, check_fractions, split_rows
from lightning_gen.data.decoder import MODES
from lightning_gen.data.flatness import flat_channels
from lightning_gen.errors import InputError
from lightning_gen.media import Series, Volumes
from lightning_gen.paths import expanded
from lightning_gen.records import Shape

MOST_CLASSES = 1_000_000
CHECKED_AT_ONCE = 4096  # samples
MEASURED = 10_000  # samples whose scale is measured
LARGE = 10.0  # a standard deviation above which, or below whose inverse, points should be scaled
FLOATS = (np.float16, np.float32, np.float64)


class Tensors(DataModule):
    """Images, points, series or volumes from a file of numpy or torch; files that could run code are refused.

    Images are uint8 ``(n, channels, height, width)`` or grey ones ``(n, height, width)``, or floats in [-1, 1]
    ``(n, channels, height, width)``; volumes the same with three sides; points are floats ``(n, dimensions)``; series,
    where `series` says so, are floats ``(n, channels, length)`` in any units, which models see standardised by the mean
    and the deviation of each channel in the training split. A seeded permutation makes the splits: give windows of one
    recording to SeriesFile, which keeps those that overlap in one split.

    Attributes:
        path: The file: ``.npy`` (read from the disk batch by batch), ``.npz`` with the arrays ``x`` and optionally
            ``labels``, or ``.pt`` with a tensor or a dict of tensors with these keys.
        labels_path: A ``.npy`` or ``.pt`` file of class indices ``(n,)``, or None.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the samples for the validation split, in [0, 1).
        test_fraction: Fraction of the samples for the test split, in [0, 1).
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.
        mirror: Whether training images are flipped horizontally with probability 1/2, anew in each epoch.
        series: Whether the samples are series.

    Raises:
        InputError: A file is missing or has other contents, or an argument is out of range; in ``setup``: floats are
            not finite, or images or volumes are outside of [-1, 1].
    """

    def __init__(
        self,
        path: str,
        labels_path: str | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
        mirror: bool = False,
        series: bool = False,
    ) -> None:
        check_fractions(val_fraction, test_fraction)
        arrays = read_arrays(expanded(path))
        if labels_path is not None:
            arrays["labels"] = read_arrays(expanded(labels_path), "labels_path")["x"]
        x = _samples(arrays["x"], path, series)
        labels = _class_indices(arrays["labels"], len(x), labels_path or path) if "labels" in arrays else None
        self._whole = ArrayDataset(x, labels)
        super().__init__(
            shape=tuple(x.shape[1:]),
            num_classes=None if labels is None else int(labels.max()) + 1,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.path = path
        self.labels_path = labels_path
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.series = series
        if series:
            self.medium = _series(x[self._rows()[0].numpy()], path)
        elif x.ndim == 5:
            self.medium = Volumes()

    def splits(self) -> Splits:
        """Check the values and split."""
        x, labels = self._whole.x, self._whole.labels
        assert isinstance(x, np.ndarray)
        _check_values(x, self.shape, self.medium.bounded, self.path)
        return Splits(*(ArrayDataset(x, labels, part) for part in self._rows()))

    def _rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of each split."""
        count = len(self._whole)
        return split_rows(count, round(count * self.val_fraction), round(count * self.test_fraction), self.seed)

    def contents(self) -> list[str]:
        """Whether the columns of points have scales that are far from 1, or far from each other."""
        x = self._whole.x
        if self.medium.dimensions or not isinstance(x, np.ndarray):
            return []
        deviations = x[:MEASURED].astype(np.float64).std(0)
        if not deviations.any() or (deviations.max() <= LARGE and deviations[deviations > 0].min() >= 1 / LARGE):
            return []
        return [
            f"the columns have standard deviations from {deviations.min():.3g} to {deviations.max():.3g}, and losses "
            "and metrics weigh them by these: save them scaled, (x - x.mean(0)) / x.std(0)"
        ]


def _samples(x: np.ndarray, path: str, series: bool) -> np.ndarray:
    """The samples with a dimension of channels, if their type and number of dimensions are supported."""
    images, floats = x.dtype == np.uint8, x.dtype in FLOATS
    if not x.size:
        raise InputError(
            f"{path} holds an empty array of shape {x.shape}: save one whose first dimension counts samples"
        )
    if series:
        if x.ndim == 3 and floats:
            return x
        raise InputError(
            f"{path} holds {x.dtype} of shape {x.shape} and --data.series is true: save series as float32 "
            "(n, channels, length), or leave the option out"
        )
    if x.ndim == 3 and ((images and x.shape[1] == 1) or floats):
        raise InputError(
            f"{path} holds {x.dtype} of shape {x.shape}, which may be grey images (n, height, width) as well as "
            "series (n, channels, length): save images as (n, channels, height, width), grey ones as x[:, None], and "
            "series as float32, with --data.series true"
        )
    if images and x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[3] in MODES and min(x.shape[1:3]) > max(MODES):
        raise InputError(
            f"{path} holds an array of shape {x.shape}, whose channels seem to come last: save "
            "x.transpose(0, 3, 1, 2), of shape (n, channels, height, width)"
        )
    if (images and x.ndim in (4, 5)) or (floats and x.ndim in (2, 4, 5)):
        return x
    raise InputError(
        f"{path} holds {x.dtype} of shape {x.shape}: save images as uint8 (n, channels, height, width), volumes with "
        "one side more, and points as float32 (n, dimensions)"
    )


def _series(training: np.ndarray, path: str) -> Series:
    """The medium of series ``(n, channels, length)``, with the mean and the deviation of each channel."""
    mean, scale = training.mean((0, 2), dtype=np.float64), training.std((0, 2), dtype=np.float64)
    names = tuple(map(str, range(len(mean))))
    if not np.isfinite(scale).all():
        raise InputError(f"{path} holds values that are not finite: remove the samples with inf or nan")
    flat = flat_channels(scale, np.abs(training).max((0, 2)))
    if len(flat):
        raise InputError(
            f"channel {names[flat[0]]} of {path} is constant in the training split, or nearly so beside values of "
            f"{abs(mean[flat[0]]):.4g}: leave it out, or subtract its mean"
        )
    return Series(names, tuple(mean.tolist()), tuple(scale.tolist()))


def _class_indices(labels: np.ndarray, count: int, path: str) -> np.ndarray:
    integers = labels.shape == (count,) and labels.dtype.kind in "iu"
    if not integers or labels.min() < 0:
        below = f" and go down to {labels.min()}" if integers else ""
        raise InputError(
            f"the labels in {path} are {labels.dtype} of shape {labels.shape}{below}: save one integer from 0 up for "
            f"each of the {count} samples"
        )
    if labels.max() >= MOST_CLASSES:
        raise InputError(
            f"the labels in {path} go up to {labels.max()} and there are {count} samples: number the classes from 0 "
            f"without gaps, below {MOST_CLASSES:,}"
        )
    return labels.astype(np.int64)


def _check_values(x: np.ndarray, shape: Shape, bounded: bool, path: str) -> None:
    if x.dtype == np.uint8:
        return
    for start in range(0, len(x), CHECKED_AT_ONCE):
        largest = np.abs(x[start : start + CHECKED_AT_ONCE]).reshape(-1, prod(shape)).max(1)  # nan stays nan
        if not np.isfinite(largest).all():
            first = start + int(np.argmin(np.isfinite(largest)))
            raise InputError(
                f"{path} holds values that are not finite, first in sample {first}: remove the samples with inf or nan"
            )
        if bounded and largest.max() > 1:
            first = start + int(np.argmax(largest > 1))
            raise InputError(
                f"{path} holds floats outside of [-1, 1], first in sample {first}: save them as uint8, or scale them"
            )
