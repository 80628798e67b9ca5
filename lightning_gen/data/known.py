"""What is known of how data were made, by which models of them are measured."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KnownFactors:
    """The factors of variation that data are drawn from.

    Attributes:
        names: What they are called.
        sizes: Number of values of each.
        combinations: Every combination of them, ``(n, factors)`` int64: which of its values each factor has, from 0.
        draw: Draws the samples of rows of `combinations`, as they are stored.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    combinations: Tensor
    draw: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians of equal shares.

    Attributes:
        centres: The means, ``(modes, dimensions)``.
        scale: The standard deviation of each, in all directions.
    """

    centres: Tensor
    scale: float
