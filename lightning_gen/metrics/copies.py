"""Copies of training images among samples: which lie closest, how many are no copies, which are equal."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.metrics.precision_recall import CHUNK, Balls, distances


@dataclass(frozen=True)
class Neighbours:
    """The nearest training image of each sample.

    Attributes:
        rows: Its row among the training features, int64 ``(n,)``.
        ratios: The distance from the sample to it, divided by the distance from it to the training image nearest to
            it, float64 ``(n,)``: well below 1 for a copy.
    """

    rows: Tensor
    ratios: Tensor

    @property
    def authenticity(self) -> float:
        """Share of samples whose ratio is above 1, in [0, 1]."""
        return (self.ratios > 1).double().mean().item()

    def closest(self, count: int) -> Tensor:
        """The samples with the smallest ratios, int64 ``(count,)``, the smallest first."""
        return self.ratios.argsort(stable=True)[:count]


def neighbours(samples: Tensor, training: Tensor) -> Neighbours:
    """Find the nearest training image of each sample, and compare distances.

    How Faithful is your Synthetic Data?, Alaa et al. 2022 (https://arxiv.org/abs/2102.08921), section 3.3: a sample is
    authentic if it is farther from its nearest training sample than that one is from all others.

    Args:
        samples: Features of samples, ``(n, dimensions)``.
        training: Features of training images, ``(m, dimensions)``, at least two.

    Raises:
        InputError: There are too few features, or some are not finite.
    """
    balls = Balls.about(training, 1)
    parts = [distances(part, balls.centres).min(dim=1) for part in samples.double().split(CHUNK)]
    nearest, rows = torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])
    radii = balls.radii[rows]
    # a training image that is there twice has radius 0: only what equals it is a copy of it
    ratios = torch.where(radii > 0, nearest / radii, torch.where(nearest > 0, torch.inf, 0.0))
    return Neighbours(rows, ratios)


def digests(batches: Iterable[Tensor]) -> list[int]:
    """A number for each sample of uint8 batches ``(n, *shape)``, equal for equal samples alone (64 bits of BLAKE2)."""
    hashes = (hashlib.blake2b(sample.numpy().tobytes(), digest_size=8) for batch in batches for sample in batch)
    return [int.from_bytes(each.digest(), "big") for each in hashes]
