"""The handwritten digits of scikit-learn: the default data set."""

import torch

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, check_fractions, split_rows
from lightning_gen.data.resizing import resized
from lightning_gen.errors import InputError

COUNT = 1797
FULL_INK = 16


class Digits(DataModule):
    """1,797 handwritten digits of 8x8 pixels in 17 grey levels, resized by a bicubic filter; nothing is downloaded.

    They are the test set of *Optical Recognition of Handwritten Digits* (Alpaydin and Kaynak, 1998),
    https://archive.ics.uci.edu/dataset/80, embedded in scikit-learn. Classes are nearly balanced, 174 to 183 each.
    The defaults make splits of 1,437, 180 and 180 digits.

    Attributes:
        size: Side of the images in pixels, 8 to 64.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the digits for the validation split, in [0, 1).
        test_fraction: Fraction of the digits for the test split, in [0, 1).
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.
        mirror: Whether training images are flipped horizontally with probability 1/2, anew in each epoch.

    Raises:
        InputError: An argument is out of range.
    """

    classes = tuple("0123456789")

    def __init__(
        self,
        size: int = 32,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
        mirror: bool = False,
    ) -> None:
        if not 8 <= size <= 64:
            raise InputError(f"the digits have 8x8 pixels and cannot be shown at {size}: set --data.size to 8 ... 64")
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(1, size, size),
            num_classes=10,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.size = size
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction

    def splits(self) -> Splits:
        """Enlarge the digits and split them."""
        from sklearn.datasets import load_digits  # here: it takes long to import

        digits, labels = load_digits(return_X_y=True)
        ink = torch.from_numpy(digits).reshape(-1, 1, 8, 8)
        images = resized((ink * (255 / FULL_INK)).round().to(torch.uint8), self.size)
        rows = split_rows(COUNT, round(COUNT * self.val_fraction), round(COUNT * self.test_fraction), self.seed)
        return Splits(*(ArrayDataset(images, labels, part) for part in rows))
