"""Images of three stacked images: a thousand modes, of which those that a model drops can be counted."""

from abc import abstractmethod

import torch
from torch import Tensor

from lightning_gen.data.base import BatchedDataset, DataModule, Splits, at_least
from lightning_gen.data.digits import Digits
from lightning_gen.data.loader import Loader, Samples, seeded
from lightning_gen.data.mnist import MNIST
from lightning_gen.memory import require_room
from lightning_gen.records import Batch

CHANNELS = 3
HELD_OUT = 10
"""The ratio of stacks of the training split to those of the validation and test split."""


def stacked_labels(labels: Tensor, num_classes: int) -> Tensor:
    """One class index for three: :math:`100 a + 10 b + c` for ten classes.

    Args:
        labels: Classes of the channels, int64 ``(n, 3)``.
        num_classes: Classes of a single image.

    Returns:
        int64 ``(n,)``, from 0 to `num_classes` ** 3 - 1.
    """
    return labels @ torch.tensor([num_classes**power for power in reversed(range(CHANNELS))])


class Stacks(BatchedDataset):
    """Stacks of single images that are made when they are read: only the single images are in memory.

    Attributes:
        singles: The single images, of one channel and with labels.
        rows: The images of each stack, int64 ``(n, 3)``.
        num_classes: Classes of a single image.
    """

    def __init__(self, singles: Samples, rows: Tensor, num_classes: int) -> None:
        self.singles = singles
        self.rows = rows
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> Batch:
        x, labels = self.singles.__getitems__(self.rows[indices].flatten().tolist())
        assert labels is not None
        x = x.reshape(-1, CHANNELS, *x.shape[2:])
        return Batch(x, stacked_labels(labels.reshape(-1, CHANNELS), self.num_classes))


class StackedImages(DataModule):
    """The base of data whose samples are three random grey images of another data set, as three channels.

    Each split stacks images of the same split, so that validation and test stacks have no training image. The idea is
    from *Unrolled Generative Adversarial Networks* (Metz et al., 2017), https://arxiv.org/abs/1611.02163.

    Attributes:
        singles: The single images, ``(1, height, width)``, with labels.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the choice of stacked images and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    singles: DataModule

    def __init__(self, singles: DataModule, count: int, batch_size: int, seed: int, num_workers: int) -> None:
        at_least(HELD_OUT, "count", count)
        require_room(count * CHANNELS * 8, f"{count:,} stacks", "set a smaller --data.count")
        self.single_classes = singles.num_classes or 1
        super().__init__(
            shape=(CHANNELS, *singles.shape[1:]),
            num_classes=self.single_classes**CHANNELS,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
        )
        self.singles = singles
        self.count = count

    @abstractmethod
    def weights(self, labels: Tensor) -> Tensor:
        """The unnormalized probability of each single image, ``(n,)``, given the labels, int64 ``(n,)``."""

    def prepare_data(self) -> None:
        """Prepare the single images.

        Raises:
            InputError: Their files are missing and cannot be downloaded.
        """
        self.singles.prepare_data()

    def splits(self) -> Splits:
        """Sample the stacks of each split."""
        self.singles.setup()
        parts = (self.singles.train_set, self.singles.val_set, self.singles.test_set)
        counts = (self.count, self.count // HELD_OUT, self.count // HELD_OUT)
        return Splits(
            *(self.stack(part, count, key) for key, (part, count) in enumerate(zip(parts, counts, strict=True)))
        )

    def stack(self, singles: Samples, count: int, key: int) -> Stacks:
        """Sample `count` stacks of single images, with replacement; `key` and the seed determine them."""
        labels = torch.cat([batch.labels for batch in Loader(singles, 4096) if batch.labels is not None])
        generator = seeded(self.seed, key)
        rows = torch.multinomial(self.weights(labels), CHANNELS * count, replacement=True, generator=generator)
        return Stacks(singles, rows.reshape(count, CHANNELS), self.single_classes)


class StackedDigits(StackedImages):
    """Three digits of scikit-learn as three channels; all 1,000 modes are equally likely.

    It stacks `Digits`: 1,437 for training, 180 for validation and 180 for test; nothing is downloaded. The class is
    sampled before the digit, so the modes are balanced in all splits.

    Attributes:
        size: Side of the images in pixels, 8 to 64.
        batch_size: Samples per optimizer step over all devices.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        seed: Seed of the splits, of the choice of stacked digits and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self, size: int = 32, batch_size: int = 64, count: int = 50_000, seed: int = 0, num_workers: int = 0
    ) -> None:
        super().__init__(Digits(size=size, seed=seed), count, batch_size, seed, num_workers)
        self.size = size

    def weights(self, labels: Tensor) -> Tensor:
        """The same total for every class."""
        return 1 / torch.bincount(labels).double()[labels]


class StackedMNIST(StackedImages):
    """Three digits of MNIST as three channels, in 1,000 modes: the published test of dropped modes.

    *PacGAN: The power of two samples in generative adversarial networks* (Lin et al., 2018),
    https://arxiv.org/abs/1712.04086, section 4.2: 128,000 stacks of uniformly sampled digits. The classes of MNIST are
    not quite balanced: the KL divergence of the modes from uniform ones is about 0.005 nats.

    Attributes:
        batch_size: Samples per optimizer step over all devices.
        data_dir: Folder of the files of MNIST; they are downloaded to it.
        download: Whether to download the files if they are missing.
        size: Side of the images in pixels, resized once with an antialiased bicubic filter; None: 28, as published.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        seed: Seed of the splits, of the choice of stacked digits and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range. Later: the files are missing or damaged.
    """

    def __init__(
        self,
        batch_size: int = 64,
        data_dir: str = "data",
        download: bool = True,
        size: int | None = None,
        count: int = 128_000,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        singles = MNIST(data_dir=data_dir, download=download, size=size, seed=seed)
        super().__init__(singles, count, batch_size, seed, num_workers)
        self.data_dir = data_dir
        self.download = download
        self.size = size

    def weights(self, labels: Tensor) -> Tensor:
        """The same for every digit."""
        return torch.ones(len(labels))
