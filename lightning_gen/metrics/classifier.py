"""A small classifier of a data set's own classes; it trains in seconds to minutes on one core, without a download."""

from collections.abc import Callable, Iterator
from itertools import islice
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from lightning_gen.data import Loader, Samples
from lightning_gen.errors import InputError
from lightning_gen.networks.layers import layers_for
from lightning_gen.records import Batch, Shape

VERSION = 1
"""Version of the network and its training; raise it when the same data would train another classifier."""

WIDTHS, FEATURES = (16, 32, 64), 128
"""Channels of the convolutions, and number of features."""

READ_AT = 32
"""The first convolution has a stride on larger images, so that its output has about this many pixels a side."""

SMALLEST_MAP = 4
"""Maps are halved until they have at most this many pixels a side."""

IMAGES, MOST_EPOCHS = 165_000, 12
"""Number of training images seen, and the largest number of epochs."""

BATCH, LEARNING_RATE = 64, 2e-3

Augment: TypeAlias = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Changes images ``(n, *shape)`` in [-1, 1] with their classes ``(n,)`` by random numbers of a generator; it returns
images with classes, or with probabilities of classes ``(n, num_classes)``."""


ToModel: TypeAlias = Callable[[Tensor, torch.dtype], Tensor]
"""Scales stored values to those of a type, as `lightning_gen.media.Medium.to_model`."""


class ConvClassifier(nn.Module):
    """Three convolutions and a layer of features, each with BatchNorm and ReLU, then a linear layer for the classes.

    Args:
        shape: Shape of one image, ``(channels, height, width)``, or of a signal or volume, of any size.
        num_classes: Number of classes.
        num_features: Number of features.
    """

    def __init__(self, shape: Shape, num_classes: int, num_features: int = FEATURES) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.num_classes = num_classes
        self.num_features = num_features
        layers = layers_for(self, shape)
        channels, *sides = shape
        stride = max(1, min(sides) // READ_AT)
        sides = [side // stride for side in sides]
        blocks: list[nn.Module] = []
        for index, wider in enumerate(WIDTHS):
            patch = (stride + 2, stride, 1) if index == 0 else (3, 1, 1)
            blocks += [layers.conv(channels, wider, *patch, bias=False), layers.batch_norm(wider), nn.ReLU()]
            channels = wider
            if max(sides) > SMALLEST_MAP:
                blocks.append(layers.max_pool(2, ceil_mode=True))
                sides = [(side + 1) // 2 for side in sides]
        flat = nn.Linear(channels * prod(sides), num_features, bias=False)
        self.body = nn.Sequential(*blocks, nn.Flatten(), flat, nn.BatchNorm1d(num_features), nn.ReLU())
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The features that the last layer reads, ``(n, num_features)``, of images ``(n, *shape)`` in [-1, 1]."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, ``(n, num_classes)``, of images ``(n, *shape)`` in [-1, 1]."""
        return self.head(self.features(x))


def training_steps(samples: int) -> int:
    """Number of training steps on a data set of that many samples."""
    return min(IMAGES, MOST_EPOCHS * samples) // BATCH


@torch.enable_grad()
def fit_classifier(
    samples: Samples,
    shape: Shape,
    num_classes: int,
    seed: int = 0,
    steps: int | None = None,
    augment: Augment | None = None,
    to_model: ToModel | None = None,
) -> ConvClassifier:
    """Train a classifier on the CPU; the same images, seed and number of threads give the same weights, bit for bit.

    AdamW with one cycle of the learning rate.

    Args:
        samples: Images with labels, at least 64.
        shape: Shape of one image, ``(channels, height, width)``.
        num_classes: Number of classes.
        seed: Seed of the initial weights, of the order of the images and of the augmentation; the global random state
            is unchanged.
        steps: Number of updates, at least 1; None for `training_steps`.
        augment: Changes each batch before it is read; None for no augmentation.
        to_model: Scales stored values, see `Batch.of`.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        InputError: There are fewer than 64 images.
    """
    if len(samples) < BATCH:
        raise InputError(f"a classifier needs at least {BATCH} training images and there are {len(samples)}: add some")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)  # torch.manual_seed would seed all devices
        network = ConvClassifier(shape, num_classes)
    steps = training_steps(len(samples)) if steps is None else steps
    generator = torch.Generator().manual_seed(seed)
    optimizer = AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    scheduler = OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for x, labels in islice(_endless(Loader(samples, BATCH, shuffle=True, drop_last=True, seed=seed), to_model), steps):
        assert labels is not None
        x, targets = (x, labels) if augment is None else augment(x, labels, generator)
        optimizer.zero_grad()
        cross_entropy(network(x), targets).backward()
        optimizer.step()
        scheduler.step()
    return network.eval().requires_grad_(False)


def _endless(loader: Loader, to_model: ToModel | None) -> Iterator[Batch]:
    while True:
        for batch in loader:
            yield Batch.of(batch, to_model=to_model)
