"""Any folder of pictures as a data set: flat, or with one sub-folder a class."""

import difflib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_warn

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.cache import DecodedImages, OnError, decode
from lightning_gen.data.decoder import MODES
from lightning_gen.errors import InputError

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What names of pictures end in, in small or capital letters."""


class ImageFolder(DataModule):
    """The pictures in a folder and its sub-folders, decoded once into a cache outside of it.

    Pictures may be of any size and of any kind that Pillow reads: grey, colour, palette, 1 or 16 bits, CMYK, with
    transparency, turned by EXIF. Hidden files, and files without a picture's extension, are left alone. Where *all*
    pictures lie in sub-folders, the sub-folders of the first level are the classes, in the order of their names;
    sub-folders without pictures do not count. A seeded permutation of the pictures makes the splits.

    Attributes:
        folder: Path of the folder.
        size: Side of the square pictures in pixels, or ``(height, width)``.
        channels: 1 (grey), 3 (RGB, transparency is laid over white) or 4 (RGBA).
        pad: False fits the short side and crops the centre of the long one; True fits the long side and pads the short
            one with black (transparent black in RGBA).
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Part of the pictures that is the validation split, in [0, 1); at least one picture unless 0.
        test_fraction: Part of the pictures that is the test split, likewise.
        seed: Seeds the splits and the order of the training samples.
        num_workers: Processes that load batches.
        cache_dir: Folder of the cache, about channels * height * width bytes a picture; None:
            ``$XDG_CACHE_HOME/lightning_gen`` or ``~/.cache/lightning_gen``. It may be deleted at any time between runs.
        on_error: What to do about a picture that cannot be decoded: "raise" ends the run and names it, "skip" leaves
            it out and warns.
        skipped: Names of the pictures that were left out, after ``setup``.

    Raises:
        InputError: `size`, `channels` or a fraction is out of range. Later: the folder is missing or holds no picture,
            a picture cannot be decoded, or the cache cannot be written.
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
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        at_least(1, "size", min(height, width))
        if channels not in MODES:
            raise InputError(f"pictures cannot have {channels} channels: set --data.channels to 1, 3 or 4")
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(channels, height, width),
            num_classes=None,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
        )
        self.folder = folder
        self.size = size
        self.channels = channels
        self.pad = pad
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.cache_dir = cache_dir
        self.on_error = on_error
        self.skipped: list[str] = []

    @cached_property
    def names(self) -> list[str]:
        """Paths of the pictures relative to the folder, sorted."""
        return list_pictures(Path(self.folder).expanduser())

    @cached_property
    def classes(self) -> list[str]:
        """Names of the class sub-folders, sorted; empty if some picture lies in none."""
        first = {name.split("/")[0] if "/" in name else "" for name in self.names}
        return [] if "" in first else sorted(first)

    @property
    def num_classes(self) -> int | None:
        """Number of class sub-folders, found by listing the folder; None where there are none."""
        return len(self.classes) or None

    @num_classes.setter
    def num_classes(self, value: int | None) -> None:
        """Ignored: the folder says it."""

    def prepare_data(self) -> None:
        """Decode the pictures, unless the cache holds them."""
        self._decode()

    def splits(self) -> Splits:
        """Map the cache and split it."""
        images = self._decode()
        self.skipped = list(images.skipped)
        if self.skipped:
            rank_zero_warn(
                f"left out {len(self.skipped)} of {len(self.names)} pictures that cannot be decoded, such as "
                f"{self.skipped[0]} ({images.skipped[self.skipped[0]]})"
            )
        labels = self._labels(images.kept) if self.classes else None
        _, val, test = split_sizes(len(images.kept), self.val_fraction, self.test_fraction)
        rows = split_rows(len(images.kept), val, test, self.seed)
        return Splits(*(ArrayDataset(images.pixels, labels, part) for part in rows))

    def _decode(self) -> DecodedImages:
        return decode(
            Path(self.folder).expanduser(),
            self.names,
            self.shape,
            pad=self.pad,
            on_error=self.on_error,
            cache_dir=self.cache_dir,
        )

    def _labels(self, kept: list[int]) -> torch.Tensor:
        index = {name: label for label, name in enumerate(self.classes)}
        return torch.tensor([index[self.names[row].split("/")[0]] for row in kept])


def split_sizes(count: int, val_fraction: float, test_fraction: float) -> list[int]:
    """Sizes of the training, validation and test split.

    A split whose fraction is not 0 has at least one sample, as far as they last: training first, then validation.

    >>> split_sizes(1000, 0.1, 0.1), split_sizes(5, 0.1, 0.1), split_sizes(2, 0.1, 0.1)
    ([800, 100, 100], [3, 1, 1], [1, 1, 0])
    """
    val, test = (max(1, round(count * fraction)) if fraction else 0 for fraction in (val_fraction, test_fraction))
    rest = min(val + test, count - 1)
    val = min(val, max(1, rest - test), rest)
    test = rest - val
    return [count - rest, val, test]


def list_pictures(folder: Path) -> list[str]:
    """Find the pictures in a folder and its sub-folders; their paths relative to it, with ``/``, sorted.

    Links are followed; a folder that several lead to is taken once.

    Raises:
        InputError: The folder is missing, cannot be read, or holds no picture.
    """
    if not folder.is_dir():
        raise _no_folder(folder)
    files = sorted(_visible_files(folder))
    pictures = [name for name in files if name.lower().endswith(EXTENSIONS)]
    if not pictures:
        found = f"only {len(files)} other files such as {files[0]}" if files else "no file at all"
        raise InputError(
            f"there is no picture in {folder}, {found}: set --data.folder to a folder with files that end in "
            f"{', '.join(EXTENSIONS)}"
        )
    return pictures


def _visible_files(folder: Path) -> Iterator[str]:
    seen = {folder.resolve()}  # links may lead in circles
    for directory, subfolders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        here = Path(directory)
        places = {name: (here / name).resolve() for name in sorted(subfolders) if not name.startswith(".")}
        subfolders[:] = [name for name, place in places.items() if place not in seen]
        seen.update(places.values())
        yield from ((here / name).relative_to(folder).as_posix() for name in files if not name.startswith("."))


def _unreadable(error: OSError) -> None:
    raise InputError(f"the folder {error.filename} cannot be read ({error.strerror}): allow it, or remove it")


def _no_folder(folder: Path) -> InputError:
    if folder.exists():
        return InputError(f"{folder} is a file: set --data.folder to the folder that your pictures are in")
    parent = folder.absolute().parent
    beside = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f" (did you mean {folder.parent / near[0]}?)" if near else ""
    return InputError(f"there is no folder {folder}{hint}: set --data.folder to the folder that your pictures are in")
