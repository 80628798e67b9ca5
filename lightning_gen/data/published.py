"""Published data sets: read from the disk, or downloaded atomically."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, split_rows
from lightning_gen.data.resizing import resized
from lightning_gen.errors import InputError
from lightning_gen.paths import expanded
from lightning_gen.records import Shape

DEFAULT_VAL_SIZE = 5000


class PublishedData(DataModule):
    """A published data set with known file names.

    A subclass sets the class attributes and implements `fetch`. Its constructor sets `data_dir` and `download`.

    Attributes:
        title: Its name in messages.
        link: Its web page.
        files: Names of the required files, relative to one of `places`.
        data_dir: Folder of the files; they are downloaded to it.
        download: Whether to download the files if they are missing.
    """

    title: str
    link: str
    files: tuple[str, ...]
    data_dir: str
    download: bool

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Download the files to an empty folder, in the layout of the first of `places`; any exception is handled."""

    def places(self) -> list[Path]:
        """Folders that are searched for the files; the first that has all of them is read."""
        return [expanded(self.data_dir)]

    def has(self, place: Path, name: str) -> bool:
        """Whether the file `name` is in the folder `place`."""
        return (place / name).exists()

    def remedy(self) -> str:
        """How to get the files, as the end of a sentence."""
        return f"put the files from {self.link} there, or set --data.data_dir to the folder that they are in"

    def place(self) -> Path:
        """The folder that has all files.

        Raises:
            InputError: No folder has them.
        """
        for place in self.places():
            if all(self.has(place, name) for name in self.files):
                return place
        raise self._absent("" if self.download else " and --data.download is false")

    def prepare_data(self) -> None:
        """Download the files if they are missing.

        Raises:
            InputError: They are missing and `download` is False, or the download failed.
        """
        try:
            self.place()
        except InputError:
            if not self.download:
                raise
            self._download()
            self.place()

    def _download(self) -> None:
        try:
            with _atomic_download(expanded(self.data_dir)) as folder:
                self.fetch(folder)
        except Exception as error:  # failed downloads raise errors of many classes
            reason = str(error).strip().rpartition("\n")[2].rstrip(".") or type(error).__name__
            raise self._absent(f" and could not be downloaded ({reason})") from error

    def _absent(self, why: str) -> InputError:
        place = self.places()[0]
        name = next(name for name in self.files if not self.has(place, name))
        return InputError(f"{self.title} is not in {place} ({name} is missing){why}: {self.remedy()}")


class PublishedImages(PublishedData):
    """Published square images that fit into memory, with a training and a test part.

    A seeded permutation splits the validation split off the training part; the test split is the published one.

    Attributes:
        native_shape: Shape of one image as published.
        native_classes: Number of classes.
        batch_size: Samples per optimizer step over all devices.
        data_dir: Folder of the files; they are downloaded to it.
        download: Whether to download the files if they are missing.
        size: Side of the images in pixels, resized once with an antialiased bicubic filter; None: as published.
        val_size: Number of validation images; None: 5,000, or a tenth of a training part below 50,000.
        seed: Seed of the validation split and of the order of the training samples.
        num_workers: Processes that load batches.
        mirror: Whether training images are flipped horizontally with probability 1/2, anew in each epoch.

    Raises:
        InputError: An argument is out of range. Later: the files are missing or damaged.
    """

    native_shape: Shape
    native_classes: int

    def __init__(
        self,
        batch_size: int = 64,
        data_dir: str = "data",
        download: bool = True,
        size: int | None = None,
        val_size: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        mirror: bool = False,
    ) -> None:
        at_least(1, "size", 1 if size is None else size)
        at_least(0, "val_size", val_size or 0)
        super().__init__(
            shape=self.native_shape if size is None else (self.native_shape[0], size, size),
            num_classes=self.native_classes,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.data_dir = data_dir
        self.download = download
        self.size = size
        self.val_size = val_size

    @abstractmethod
    def read(self, place: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Read the training or the test part from its folder: uint8 ``(n, *native_shape)`` and labels ``(n,)``."""

    def splits(self) -> Splits:
        """Read the files, resize the images, and split."""
        self.prepare_data()
        x, labels = self._part(train=True)
        val = min(DEFAULT_VAL_SIZE, len(x) // 10) if self.val_size is None else self.val_size
        if val >= len(x):
            raise InputError(f"{self.title} has {len(x)} images to train on: set --data.val_size below that, not {val}")
        train_rows, val_rows, _ = split_rows(len(x), val, 0, self.seed)
        test_set = ArrayDataset(*self._part(train=False))
        return Splits(ArrayDataset(x, labels, train_rows), ArrayDataset(x, labels, val_rows), test_set)

    def _part(self, train: bool) -> tuple[Tensor, Tensor]:
        place = self.place()
        try:
            x, labels = self.read(place, train)
        except RuntimeError as error:
            raise InputError(
                f"{self.title} in {place} is damaged: delete its files there and get them again"
            ) from error
        if tuple(x.shape[1:]) != self.native_shape or len(x) != len(labels):
            raise InputError(
                f"{place} holds {len(x)} images of shape {tuple(x.shape[1:])} and {len(labels)} labels, which is not "
                f"{self.title}: {self.remedy()}"
            )
        return (x if self.size is None else resized(x, self.size)), labels.to(torch.int64)


@contextmanager
def _atomic_download(folder: Path) -> Iterator[Path]:
    """Yield an empty folder on the same disk; its files are moved to `folder`, or removed after an exception."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            yield Path(temporary)
            for path in [path for path in Path(temporary).rglob("*") if path.is_file()]:
                target = folder / path.relative_to(temporary)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        for path in new:
            with suppress(OSError):  # it is not empty: keep it
                path.rmdir()
