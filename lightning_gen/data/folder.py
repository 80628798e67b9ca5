"""A folder of images as a data set: flat, with a sub-folder for each class, or for each split."""

from functools import cached_property
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from lightning_gen.data.base import DataModule, Splits, at_least, check_fractions
from lightning_gen.data.cache import DecodedImages, OnError, decode
from lightning_gen.data.decoder import MODES, extensions
from lightning_gen.data.layout import Layout
from lightning_gen.data.listing import Listing, list_files
from lightning_gen.data.sorted_files import SortedFiles
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
    def files(self) -> SortedFiles:
        """The images of the folder, by split and class."""
        return SortedFiles(self.folder, extensions(), "image")

    @property
    def names(self) -> list[str]:
        """Paths of the images relative to the folder, sorted."""
        return self.listing.names

    @property
    def listing(self) -> Listing:
        """The images and the other files in the folder."""
        return self.files.listing

    @property
    def layout(self) -> Layout:
        """The splits and classes of the images by their sub-folders.

        Raises:
            InputError: There are images beside the splits.
        """
        return self.files.layout

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
        if not any(self.layout.places[index].split == "train" for index in images.indices):
            raise InputError(f"no training image in {self.folder} can be decoded: look at them, or name another folder")
        decoded = set(images.indices)
        counts = [int(index in decoded) for index in range(len(self.names))]
        return self.files.deal(images.pixels, counts, self.val_fraction, self.test_fraction, self.seed)

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
        return [*lines, *self.files.classes_of(self.train_set), *self.files.others()]

    def _decode(self) -> DecodedImages:
        return decode(
            expanded(self.folder),
            self.names,
            self.shape,
            pad=self.pad,
            on_error=self.on_error,
            cache_dir=self.cache_dir,
        )


def list_images(folder: Path, name_it: str = "set --data.folder to") -> Listing:
    """List the images in a folder and its sub-folders; see `list_files`."""
    return list_files(folder, extensions(), "image", name_it)
