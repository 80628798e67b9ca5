"""A folder of images as a data set: flat, with a sub-folder for each class, or for each split."""

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.cache import DecodedImages, OnError, decode
from lightning_gen.data.decoder import MODES, extensions
from lightning_gen.data.layout import Layout, listed
from lightning_gen.data.listing import Listing, list_files
from lightning_gen.errors import InputError
from lightning_gen.paths import expanded


class ImageFolder(DataModule):
    """The images in a folder and its sub-folders, decoded once into a cache outside of it.

    Images may have any size and any kind that Pillow reads: PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000 or PPM;
    grey, colour, palette, 1 or 16 bits, CMYK, with transparency, turned by EXIF; of an animation, the first frame.
    Hidden files are ignored; other files without the extension of such an image are left out and counted in a line at
    the start of a run. A file that links in the folder point to is read once. If *all* images are in sub-folders, the
    sub-folders of the first level are the classes, sorted by name; sub-folders without images are ignored. A seeded
    permutation of the images makes the splits.

    If all images are in ``train`` and one or both of ``val`` and ``test`` (or ``training``, ``valid``, ``validation``,
    ``testing``), these are the splits, and the sub-folders below them are the classes of all of them. A split without
    a folder is split off ``train``; a split has no labels if some of its images are in no sub-folder of a class.

    Attributes:
        folder: Path of the folder.
        size: Side of the square images in pixels, or ``(height, width)``.
        channels: 1 (grey), 3 (RGB, transparency is composited over white) or 4 (RGBA).
        pad: False fits the short side and crops the centre of the long one; True fits the long side and pads the short
            one with black (transparent black in RGBA).
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the images for the validation split, in [0, 1); at least one image unless 0. Ignored
            if the split has a folder.
        test_fraction: Fraction of the images for the test split, likewise.
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.
        cache_dir: Folder of the cache, about channels * height * width bytes for each image; None:
            ``$XDG_CACHE_HOME/lightning_gen`` or ``~/.cache/lightning_gen``. It may be deleted at any time between runs.
        on_error: What happens if images cannot be decoded: "raise" raises an error that names them, after all others
            were decoded; "skip" leaves them out and warns.
        mirror: Whether training images are flipped horizontally with probability 1/2, anew in each epoch.
        reasons: The images that were left out, each with the reason, after ``setup``.

    Raises:
        InputError: `size`, `channels` or a fraction is out of range. Later: the folder is missing or has no image,
            there are images beside its splits, an image cannot be decoded, or the cache cannot be written.
    """

    def __init__(
        self,
        folder: str,
        size: int | tuple[int, int] = 64,
        channels: int = 3,
        pad: bool = False,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
        cache_dir: str | None = None,
        on_error: OnError = "raise",
        mirror: bool = False,
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        at_least(1, "size", min(height, width))
        if channels not in MODES:
            raise InputError(f"images cannot have {channels} channels: set --data.channels to 1, 3 or 4")
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(channels, height, width),
            num_classes=None,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.folder = folder
        self.size = size
        self.channels = channels
        self.pad = pad
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.cache_dir = cache_dir
        self.on_error = on_error
        self.reasons: dict[str, str] = {}
        self._decoded_names: list[str] = []

    @property
    def skipped(self) -> list[str]:
        """Names of the images that were left out, after ``setup``."""
        return list(self.reasons)

    @cached_property
    def names(self) -> list[str]:
        """Paths of the images relative to the folder, sorted."""
        return self.listing.names

    @cached_property
    def listing(self) -> "Listing":
        """The images and the other files in the folder."""
        return list_images(expanded(self.folder))

    @cached_property
    def layout(self) -> Layout:
        """The splits and classes of the images by their sub-folders.

        Raises:
            InputError: There are images beside the splits.
        """
        return Layout.of(self.names, self.folder)

    @property
    def classes(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """Names of the class sub-folders, sorted; None if some training image is in none."""
        return tuple(self.layout.classes) or None

    @property
    def num_classes(self) -> int | None:
        """Number of class sub-folders, by listing the folder; None if there are none."""
        return len(self.layout.classes) or None

    @num_classes.setter
    def num_classes(self, value: int | None) -> None:
        """Ignored: the folder determines it."""

    def prepare_data(self) -> None:
        """Decode the images, unless they are in the cache."""
        _ = self.layout  # raises InputError before hours of decoding
        self._decode()

    def splits(self) -> Splits:
        """Map the cache and split it."""
        images = self._decode()
        self.reasons = images.skipped
        self._decoded_names = [self.names[index] for index in images.indices]
        if self.skipped:
            rank_zero_warn(
                f"left out {len(self.skipped)} of {len(self.names)} images that cannot be decoded, such as "
                f"{self.skipped[0]} ({images.skipped[self.skipped[0]]})"
            )
        rows = self._split([self.layout.places[row].split for row in images.indices])
        index = {name: label for label, name in enumerate(self.layout.classes)}
        labels = torch.tensor([index.get(self.layout.places[row].label or "", -1) for row in images.indices])
        return Splits(
            *(
                ArrayDataset(images.pixels, labels if self.layout.has_labels(split) else None, part)
                for split, part in zip(Splits._fields, rows, strict=True)
            )
        )

    def _split(self, sources: Sequence[str]) -> list[Tensor]:
        """The rows of the training, validation and test split, each in random order."""
        if "train" not in sources:
            raise InputError(f"no training image in {self.folder} can be decoded: look at them, or name another folder")
        folders = self.layout.folders
        return rows_of_splits(sources, folders, self.val_fraction, self.test_fraction, self.seed)

    def sample_names(self, split: str) -> list[str]:
        """Paths of the images of a split relative to the folder, in its order; after ``setup``."""
        rows = getattr(self, f"{split}_set").rows
        return [self._decoded_names[row] for row in rows.tolist()]

    def contents(self) -> list[str]:
        """The origin and size of the splits, the number of training samples of each class, and other files."""
        sizes = (("val", "validation", self.val_set), ("test", "test", self.test_set))
        lines = [
            ", ".join(
                f"{len(samples):,} for {title}, {'of its own folder' if split in self.layout.folders else 'split off'}"
                for split, title, samples in sizes
            )
        ]
        train = self.train_set
        if isinstance(train, ArrayDataset) and train.labels is not None and train.rows is not None:
            counts = torch.bincount(train.labels[train.rows], minlength=len(self.layout.classes))
            lines.append(listed(Counter(dict(zip(self.layout.classes, counts.tolist(), strict=True)))))
        if self.listing.others:
            lines.append(f"left out, with other extensions than those of images: {self.listing.counts}")
        return lines

    def _decode(self) -> DecodedImages:
        return decode(
            expanded(self.folder),
            self.names,
            self.shape,
            pad=self.pad,
            on_error=self.on_error,
            cache_dir=self.cache_dir,
        )


def split_sizes(count: int, val_fraction: float, test_fraction: float) -> list[int]:
    """Sizes of the training, validation and test split.

    A split whose fraction is not 0 has at least one sample if there are enough; training comes first, then validation.

    >>> split_sizes(1000, 0.1, 0.1), split_sizes(5, 0.1, 0.1), split_sizes(2, 0.1, 0.1)
    ([800, 100, 100], [3, 1, 1], [1, 1, 0])
    """
    val, test = (max(1, round(count * fraction)) if fraction else 0 for fraction in (val_fraction, test_fraction))
    rest = min(val + test, count - 1)
    val = min(val, max(1, rest - test), rest)
    test = rest - val
    return [count - rest, val, test]


def rows_of_splits(
    sources: Sequence[str], folders: Collection[str], val_fraction: float, test_fraction: float, seed: int
) -> list[Tensor]:
    """The rows of the training, validation and test split, each in random order.

    Args:
        sources: The split in whose folder each sample is, some of which are "train".
        folders: The splits that have a folder; the others are split off the samples of "train".
        val_fraction: Fraction for validation, unless it has a folder.
        test_fraction: Fraction for test, unless it has a folder.
        seed: Seed of the permutations.
    """
    own = {split: _positions(split, sources) for split in Splits._fields}
    val, test = (
        0 if split in folders else fraction for split, fraction in (("val", val_fraction), ("test", test_fraction))
    )
    _, val_size, test_size = split_sizes(len(own["train"]), val, test)
    dealt = split_rows(len(own["train"]), val_size, test_size, seed)
    found = []
    for split, rows in zip(Splits._fields, dealt, strict=True):
        source = split if split in folders else "train"
        order = rows if source == "train" else split_rows(len(own[source]), 0, 0, seed)[0]
        found.append(own[source][order])
    return found


def _positions(split: str, sources: Sequence[str]) -> Tensor:
    return torch.tensor([row for row, source in enumerate(sources) if source == split], dtype=torch.int64)


def list_images(folder: Path, name_it: str = "set --data.folder to") -> Listing:
    """List the images in a folder and its sub-folders; see `list_files`."""
    return list_files(folder, extensions(), "image", name_it)
