"""Three pictures as the channels of one: a thousand kinds that can be counted, to see which of them a model lost."""

from abc import abstractmethod

import torch
from torch import Tensor

from lightning_gen.data.base import BatchedDataset, DataModule, Splits, at_least
from lightning_gen.data.digits import Digits
from lightning_gen.data.loader import Loader, Samples, seeded
from lightning_gen.data.mnist import MNIST
from lightning_gen.records import Batch

CHANNELS = 3
HELD_OUT = 10
"""Validation and test split hold one stack for so many of the training split."""


def stacked_labels(labels: Tensor, num_classes: int) -> Tensor:
    """One class for three: :math:`100 a + 10 b + c` for ten classes.

    Args:
        labels: Classes of the channels, int64 ``(n, 3)``.
        num_classes: Classes of a single picture.

    Returns:
        int64 ``(n,)``, from 0 to `num_classes` ** 3 - 1.
    """
    return labels @ torch.tensor([num_classes**power for power in reversed(range(CHANNELS))])


class Stacks(BatchedDataset):
    """Stacks of single pictures, put together when they are read: only the single ones are in memory.

    Attributes:
        singles: The single pictures, of one channel and with labels.
        rows: Which of them make up each stack, int64 ``(n, 3)``.
        num_classes: Classes of a single picture.
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
    """Base of data whose samples are three grey pictures of another data set, drawn at random, as three channels.

    Each split stacks pictures of the same split, so that held-out stacks show nothing that was trained on. The idea is
    that of *Unrolled Generative Adversarial Networks* (Metz et al., 2017), https://arxiv.org/abs/1611.02163.

    Attributes:
        singles: The single pictures, ``(1, height, width)``, with labels.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        batch_size: Samples per optimizer step over all devices.
        seed: Seeds which pictures are stacked and the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    singles: DataModule

    def __init__(self, singles: DataModule, count: int, batch_size: int, seed: int, num_workers: int) -> None:
        at_least(HELD_OUT, "count", count)
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
        """How likely each single picture is to be drawn, ``(n,)`` up to a factor, from their labels, int64 ``(n,)``."""

    def prepare_data(self) -> None:
        """Get the single pictures, if they have to be got.

        Raises:
            InputError: They cannot be.
        """
        self.singles.prepare_data()

    def splits(self) -> Splits:
        """Draw what is stacked in each split."""
        self.singles.setup()
        parts = (self.singles.train_set, self.singles.val_set, self.singles.test_set)
        counts = (self.count, self.count // HELD_OUT, self.count // HELD_OUT)
        return Splits(
            *(self.stack(part, count, key) for key, (part, count) in enumerate(zip(parts, counts, strict=True)))
        )

    def stack(self, singles: Samples, count: int, key: int) -> Stacks:
        """Draw `count` stacks of single pictures, with repetition; the same `key` and `seed` draw the same."""
        labels = torch.cat([batch.labels for batch in Loader(singles, 4096) if batch.labels is not None])
        generator = seeded(self.seed, key)
        rows = torch.multinomial(self.weights(labels), CHANNELS * count, replacement=True, generator=generator)
        return Stacks(singles, rows.reshape(count, CHANNELS), self.single_classes)


class StackedDigits(StackedImages):
    """Three of the digits that come with scikit-learn as three channels; each of the 1,000 modes is equally likely.

    Made of `Digits`: 1,437 digits for training, 180 for validation and 180 for test; nothing is downloaded. Classes are
    drawn before digits, so the modes are balanced in all splits.

    Attributes:
        size: Side of the images in pixels, 8 to 64.
        batch_size: Samples per optimizer step over all devices.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        seed: Seeds the splits, which digits are stacked and the order of the training samples.
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
        """The same for every class."""
        return 1 / torch.bincount(labels).double()[labels]


class StackedMNIST(StackedImages):
    """Three digits of MNIST as three channels, in 1,000 modes: the published test of which modes a GAN drops.

    *PacGAN: The power of two samples in generative adversarial networks* (Lin et al., 2018),
    https://arxiv.org/abs/1712.04086, section 4.2: 128,000 stacks of digits drawn at random, each digit as likely as any
    other. MNIST's classes are not quite balanced, which puts about 0.005 nats between these modes and uniform ones.

    Attributes:
        batch_size: Samples per optimizer step over all devices.
        data_dir: Folder that MNIST's files are in or are downloaded to.
        download: Whether to download the files if they are missing.
        size: Side of the images in pixels, resized once by an antialiased bicubic filter; None: 28, as published.
        count: Stacks of the training split; validation and test split hold a tenth of that each.
        seed: Seeds the splits, which digits are stacked and the order of the training samples.
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
