"""What is known about the distribution of synthetic data; metrics compare models with it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KnownFactors:
    """The factors of variation of a data set.

    Attributes:
        names: Names of the factors.
        sizes: Number of values of each factor.
        combinations: Every combination of values, ``(n, factors)`` int64, as indices from 0.
        draw: Makes the samples of rows of `combinations`, as stored values.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    combinations: Tensor
    draw: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians with equal weights.

    Attributes:
        centres: The means, ``(modes, dimensions)``.
        scale: The standard deviation of every Gaussian, which is isotropic.
    """

    centres: Tensor
    scale: float
