"""The content of a folder of images: files, sizes, kinds of pixels, splits, classes and copies."""

import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lightning_gen.data import ArrayDataset, ImageFolder, Splits
from lightning_gen.data.cache import progress, read_ahead
from lightning_gen.data.folder import list_images
from lightning_gen.data.headers import Header, read_header
from lightning_gen.inspection.duplicates import Pair
from lightning_gen.inspection.pixels import Pixels, inspect_pixels
from lightning_gen.paths import expanded

DEFAULT_SIDE = 64
"""Side in pixels of the images of a run, unless most are smaller."""
LEAST_SIDE = 8
"""The smallest side that the networks take."""
STEP = 4
"""Sides are multiples of this, so that networks that halve them twice give the same size back."""
SMALL_SHARE = 0.2
"""Share of the images that may be smaller than those of the run."""
LONG = 1.5
"""Aspect from which cropping to a square loses a third of an image."""
FEW = 50
"""Training images below which a class is too small to be drawn well."""


@dataclass(frozen=True)
class Survey:
    """The content of a folder of images, as a run would read it.

    Attributes:
        data: The images, decoded and split.
        headers: The headers of all files of images in the order of their names; None where one cannot be read.
        pixels: What the pixels of the decoded images say.
    """

    data: ImageFolder
    headers: Sequence[Header | None]
    pixels: Pixels

    @classmethod
    def of(cls, folder: str, size: int | None = None) -> "Survey":
        """Read a folder; each file is decoded once, into the cache from which a run reads.

        Args:
            folder: The folder.
            size: Side of the images of a run in pixels, at least `LEAST_SIDE`; None for one that suits the images.

        Raises:
            InputError: The folder does not exist, cannot be read, has no image, has images beside its splits, or none
                of its images can be decoded.
        """
        place = expanded(folder)
        names = list_images(place, "give").names
        with closing(read_ahead(read_header, [place / name for name in names])) as found:
            headers = list(progress(found, len(names), "reading the headers of images", calm=True))
        known = [header for header in headers if header is not None]
        grey = bool(known) and all(header.grey for header in known)
        data = decoded(folder, size or suitable_side(known), 1 if grey else 3, padding_suits(known))
        pixels = inspect_pixels(images(data))
        if not grey and pixels.near_grey.all():
            data = decoded(folder, data.shape[-1], 1, data.pad)
        return cls(data, headers, pixels)

    @property
    def folder(self) -> Path:
        """The folder."""
        return expanded(self.data.folder).resolve()

    @cached_property
    def names(self) -> list[str]:
        """The names of the images that can be decoded."""
        broken = set(self.data.skipped)
        return [name for name in self.data.names if name not in broken]

    @cached_property
    def known(self) -> list[Header]:
        """The headers of the images that can be decoded."""
        broken = set(self.data.skipped)
        pairs = zip(self.data.names, self.headers, strict=True)
        return [header for name, header in pairs if header is not None and name not in broken]

    @cached_property
    def splits(self) -> list[str]:
        """The split of each image that can be decoded: ``train``, ``val`` or ``test``."""
        found = np.empty(len(self.names), dtype=object)
        for split in Splits._fields:
            found[rows(self.data, split)] = split
        return found.tolist()

    @cached_property
    def counts(self) -> dict[str, Counter[str]]:
        """The number of images of each class, by split; without classes, of the class ``""``."""
        place = dict(zip(self.data.names, self.data.layout.places, strict=True))
        found: dict[str, Counter[str]] = {split: Counter() for split in Splits._fields}
        for name, split in zip(self.names, self.splits, strict=True):
            found[split][(self.data.classes and place[name].label) or ""] += 1
        return found

    @cached_property
    def leaks(self) -> list[Pair]:
        """Images of the validation and test split with a copy in another split; see `Copies.between`."""
        return self.pixels.copies.between(self.splits)

    @property
    def training(self) -> int:
        """The number of training images."""
        return self.counts["train"].total()

    @property
    def classes(self) -> dict[str, int]:
        """The number of training images of each class; empty without classes."""
        return {name: self.counts["train"][name] for name in self.data.classes or ()}

    @property
    def small_classes(self) -> dict[str, int]:
        """The classes of fewer than `FEW` training images."""
        return {name: count for name, count in self.classes.items() if count < FEW}

    @property
    def side(self) -> int:
        """The side of the images of a run in pixels."""
        return self.data.shape[-1]

    @property
    def smaller(self) -> int:
        """The number of images whose short side is smaller than `side`."""
        return sum(header.short_side < self.side for header in self.known)

    @property
    def long(self) -> int:
        """The number of images that are at least `LONG` times as long as they are wide, or as wide as they are long."""
        return sum(header.aspect >= LONG for header in self.known)

    @property
    def grey_share(self) -> float:
        """The share of images without a colour that one sees."""
        return float(self.pixels.near_grey.mean())

    def kind(self, kind: str) -> int:
        """The number of images of a kind of pixels; see `Header`."""
        return sum(header.kind == kind for header in self.known)

    @property
    def alpha(self) -> int:
        """The number of images with an alpha channel or a transparent colour."""
        return sum(header.alpha for header in self.known)

    @property
    def animated(self) -> int:
        """The number of animations."""
        return sum(header.animated for header in self.known)


def suitable_side(headers: Sequence[Header]) -> int:
    """The side of a run's images: `DEFAULT_SIDE`, or the size of the images if more than a few are smaller."""
    sides = sorted(header.short_side for header in headers)
    reached = sides[int(SMALL_SHARE * len(sides))] if sides else DEFAULT_SIDE
    return max(LEAST_SIDE, min(DEFAULT_SIDE, reached // STEP * STEP))


def padding_suits(headers: Sequence[Header]) -> bool:
    """Whether cropping would lose a third of every second image."""
    return bool(headers) and statistics.median(header.aspect for header in headers) >= LONG


def decoded(folder: str, side: int, channels: int, pad: bool) -> ImageFolder:
    """The images of a folder, decoded into the cache and split; broken ones are left out."""
    data = ImageFolder(folder, size=side, channels=channels, pad=pad, on_error="skip")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "left out .* that cannot be decoded")  # the report names them
        data.prepare_data()
        data.setup()
    return data


def split_of(data: ImageFolder, split: str) -> ArrayDataset:
    """One of the three splits of decoded images."""
    found = {"train": data.train_set, "val": data.val_set, "test": data.test_set}[split]
    assert isinstance(found, ArrayDataset)
    return found


def rows(data: ImageFolder, split: str) -> np.ndarray:
    """The rows of the array of images that belong to a split."""
    found = split_of(data, split).rows
    assert found is not None
    return found.numpy()


def images(data: ImageFolder) -> np.ndarray:
    """All decoded images, ``(n, channels, height, width)``."""
    return np.asarray(split_of(data, "train").x)
