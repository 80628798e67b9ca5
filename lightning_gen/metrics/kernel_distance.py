"""The kernel distance between two sets of features, KID where they are Inception's: unbiased for any number."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError

SUBSETS, SUBSET_SIZE = 100, 1000
"""Number of pairs of subsets that are compared, and the largest number of samples in each."""

SEED = 2020
"""Seed of the subsets, torch-fidelity's."""


@dataclass(frozen=True)
class KernelDistance:
    """The result of `kernel_distance`.

    Attributes:
        mean: Mean over the subsets; slightly below 0 is possible where both sets are alike.
        deviation: Standard deviation over the subsets.
        least: The least value of a subset.
        greatest: The greatest one.
        subset_size: Samples in each subset.
    """

    mean: float
    deviation: float
    least: float
    greatest: float
    subset_size: int


def kernel_distance(fake: Tensor, real: Tensor, subsets: int = SUBSETS, seed: int = SEED) -> KernelDistance:
    r"""Squared maximum mean discrepancy with the kernel :math:`(x^T y / d + 1)^3`, over random pairs of subsets.

    Demystifying MMD GANs, Binkowski et al. 2018 (https://arxiv.org/abs/1801.01401), section 4, where it is KID of
    Inception's features. The estimator is unbiased, so its mean does not depend on the number of samples. With at least
    1,000 of both kinds the subsets are those of torch-fidelity; with fewer, each has half of the smaller number.

    Args:
        fake: Features of generated samples, ``(n, dimensions)``.
        real: Features of real ones, ``(m, dimensions)``.
        subsets: Number of pairs of subsets.
        seed: Seed of the subsets; the global random state is unchanged.

    Raises:
        InputError: There are fewer than four features of a kind, they differ in dimensions, or some are not finite.
    """
    fewest = min(len(fake), len(real))
    if fewest < 4 or fake.shape[1:] != real.shape[1:] or not (fake.isfinite().all() and real.isfinite().all()):
        raise InputError(
            f"features of shapes {tuple(fake.shape)} and {tuple(real.shape)} have no kernel distance: give finite "
            "features (n, dimensions) of one extractor, at least four of each"
        )
    size = SUBSET_SIZE if fewest >= SUBSET_SIZE else fewest // 2
    rng = np.random.RandomState(seed)
    fake, real = fake.double(), real.double()
    values = []
    for _ in range(subsets):
        x, y = (each[torch.from_numpy(rng.choice(len(each), size, replace=False))] for each in (fake, real))
        values.append(squared_discrepancy(x, y).item())
    found = np.array(values)
    return KernelDistance(found.mean().item(), found.std().item(), min(values), max(values), size)


def squared_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate from ``(n, dimensions)`` and as many others, a scalar; pairs of one sample are left out."""
    count = len(x)
    own = sum((kernel(each, each).sum() - kernel_of_itself(each).sum()) for each in (x, y))
    return own / (count * (count - 1)) - 2 * kernel(x, y).mean()


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """The kernel of all pairs, ``(n, m)``."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_of_itself(x: Tensor) -> Tensor:
    """The kernel of each sample with itself, ``(n,)``."""
    return (x.square().mean(dim=1) + 1) ** 3
