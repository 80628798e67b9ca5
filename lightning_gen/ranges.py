"""The ranges of numbers that a user may set, and the sentence that is said of a number outside.

A number that is not finite lies in none of them: NaN is neither below nor above a bound, so that no check that looks
for numbers beyond its bounds finds it.
"""

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

from lightning_gen.errors import InputError


@dataclass(frozen=True)
class Range:
    """Finite numbers between two bounds; ``value in range`` asks.

    Attributes:
        words: How it is said of a number, such as "above 0".
        low: Least number.
        high: Largest number.
        above: Whether the least number itself is outside.
        below: Whether the largest number itself is outside.
        whole: Whether only whole numbers are in it.
    """

    words: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        if not (isinstance(value, Integral) or (math.isfinite(value) and not self.whole)):
            return False
        low = self.low < value if self.above else self.low <= value
        return low and (value < self.high if self.below else value <= self.high)


FINITE = Range("that is finite")
ABOVE_0 = Range("above 0", low=0, above=True)
FROM_0 = Range("of at least 0", low=0)
SHARE = Range("from 0 to 1", low=0, high=1)
BELOW_1 = Range("from 0 to below 1", low=0, high=1, below=True)
COUNT = Range("of at least 1", low=1, whole=True)
COUNT_FROM_0 = Range("of at least 0", low=0, whole=True)


class Moving(Protocol):
    """A number that changes, and the numbers between which it does."""

    @property
    def ends(self) -> tuple[float, ...]:
        """They; empty where they are not known."""


def require(part: object, name: str, value: float | Moving, allowed: Range, what: str = "a number") -> None:
    """Check an argument of a part.

    Args:
        part: The part, for its name.
        name: The argument.
        value: What it was given: a number, or a schedule of one, both ends of which must lie there.
        allowed: Where it may lie.
        what: What the number is, for the sentence.

    Raises:
        InputError: It lies outside.
    """
    ends: tuple[Any, ...] = (value,)
    for number in getattr(value, "ends", ends):
        if number not in allowed:
            raise InputError(f"{type(part).__name__} cannot have {name} {number}: give {what} {allowed.words}")
