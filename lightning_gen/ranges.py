"""Ranges of numbers that a user may set, and the message for a number outside of its range.

A number that is not finite is in no range. Comparisons with a bound alone would not find NaN, which is neither below
nor above it.
"""

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

from lightning_gen.errors import InputError


@dataclass(frozen=True)
class Range:
    """Finite numbers between two bounds, for ``value in range``.

    Attributes:
        words: The range in words that follow a noun, such as "above 0".
        low: Lower bound.
        high: Upper bound.
        above: Whether the lower bound is excluded.
        below: Whether the upper bound is excluded.
        whole: Whether the range has only whole numbers.
    """

    words: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: float | None) -> bool:
        if value is None or not (isinstance(value, Integral) or (math.isfinite(value) and not self.whole)):
            return False
        low = self.low < value if self.above else self.low <= value
        return low and (value < self.high if self.below else value <= self.high)


FINITE = Range("that is finite")
ABOVE_0 = Range("above 0", low=0, above=True)
FROM_0 = Range("of at least 0", low=0)
SHARE = Range("from 0 to 1", low=0, high=1)
SHARE_ABOVE_0 = Range("above 0 and up to 1", low=0, high=1, above=True)
BELOW_1 = Range("from 0 to below 1", low=0, high=1, below=True)
COUNT = Range("of at least 1", low=1, whole=True)
COUNT_FROM_0 = Range("of at least 0", low=0, whole=True)


class Moving(Protocol):
    """A number that changes between some numbers, such as a schedule."""

    @property
    def ends(self) -> tuple[float, ...]:
        """The numbers between which it changes; empty if they are unknown."""


def require(part: object, name: str, value: float | Moving, allowed: Range, what: str = "a number") -> None:
    """Check that an argument of a part is in a range.

    Args:
        part: The part; the message has the name of its class.
        name: Name of the argument.
        value: The number, or a schedule, all ends of which must be in the range.
        allowed: The range.
        what: A noun for the number, for the message.

    Raises:
        InputError: It is outside.
    """
    ends: tuple[Any, ...] = (value,)
    for number in getattr(value, "ends", ends):
        if number not in allowed:
            raise InputError(f"{type(part).__name__} cannot have {name} {number}: give {what} {allowed.words}")
