"""Measurements with their protocol: numbers can only be compared if they were measured in the same way."""

import json
import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from lightning_gen.deprecation import FormerNames, accepts_former
from lightning_gen.metrics.comparison import Comparison, aligned
from lightning_gen.upgrades import ARGUMENTS

WIDTH = 120
"""Width in columns of the text of a report, if the width of the terminal is unknown."""

NARROWEST = 24
"""Least width in columns of the text of a meaning, however narrow the report."""


@dataclass(frozen=True)
class Measurement:
    """One number with its name and meaning.

    Attributes:
        name: Its name, with the unit if it has one, such as ``psnr_db``.
        value: The number.
        meaning: What it measures, with units, in one line.
        spread: The least and the greatest value, if the number is the median or mean of several; else None.
    """

    name: str
    value: float
    meaning: str
    spread: tuple[float, float] | None = None

    @property
    def explained(self) -> str:
        """The meaning, after the spread if there is one."""
        if self.spread is None:
            return self.meaning
        least, greatest = self.spread
        return f"({least:.5g} to {greatest:.5g}) {self.meaning}"


class Measured(FormerNames, ABC):
    """The result of a metric."""

    former_names: ClassVar[Mapping[str, str]] = {"figures": "measurements"}

    @abstractmethod
    def measurements(self) -> tuple[Measurement, ...]:
        """The numbers with their meanings."""


@dataclass(frozen=True)
class Report(FormerNames):
    """Measurements and their protocol.

    Attributes:
        measurements: The numbers, in the order in which they are shown.
        card: The protocol: plain data, by topic.
        omitted: Names of what was not computed, each with the reason.
        comparison: Which of the measurements are shown together, in one table.
        pictures: Images that belong to the measurements, uint8 ``(1 or 3, height, width)``, by name; they are in
            neither the text nor the JSON.
    """

    measurements: tuple[Measurement, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    pictures: dict[str, Tensor] = field(default_factory=dict)

    former_names: ClassVar[Mapping[str, str]] = ARGUMENTS["lightning_gen.metrics.Report"]

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.measurements + other.measurements,
            self.card | other.card,
            self.omitted | other.omitted,
            self.comparison + other.comparison,
            self.pictures | other.pictures,
        )

    @property
    def not_finite(self) -> dict[str, str]:
        """The values that JSON cannot hold, ``inf``, ``-inf`` or ``nan``, by name."""
        return {each.name: str(each.value) for each in self.measurements if not math.isfinite(each.value)}

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, ``{"figures": {name: value}, "card": {...}}``.

        A value that is not finite is None, and the card has it under ``not_finite``. The card also has the ``meanings``
        of the measurements, their ``spreads``, and what was ``omitted``.
        """
        bad = self.not_finite
        return {
            "figures": {each.name: None if each.name in bad else each.value for each in self.measurements},
            "card": {
                **self.card,
                "meanings": {each.name: each.meaning for each in self.measurements},
                "spreads": {each.name: list(each.spread) for each in self.measurements if each.spread is not None},
                "omitted": self.omitted,
                "not_finite": bad,
            },
        }

    def to_json(self) -> str:
        """The report as standard JSON, without NaN and Infinity."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"

    def to_text(self, width: int = WIDTH) -> str:
        """The report as text: the table of the comparison, other measurements, what was omitted, and the protocol.

        Args:
            width: Width in columns; lines are not broken within words and numbers.
        """
        numbers = {each.name: f"{each.value:.5g}" for each in self.measurements}
        parts = [
            self.comparison.to_text(numbers, width),
            defined(self._legend(), width),
            defined(self._others(numbers), width) + self._omissions(width),
            defined({key: compact(value) for key, value in self.card.items()}, width),
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines)

    def _omissions(self, width: int) -> list[str]:
        """Lines that name what was not computed, and why."""
        lines = [wrapped(f"no {name}: {reason}", width) for name, reason in self.omitted.items()]
        return [line for each in lines for line in each]

    def _legend(self) -> dict[str, str]:
        """The meanings of the table's columns."""
        meanings = {each.name: each.meaning for each in self.measurements}
        known = {
            column: [meanings[name] for name in self.comparison.names(column) if name in meanings]
            for column in self.comparison.columns
        }
        return {column: found[0] for column, found in known.items() if found}

    def _others(self, numbers: dict[str, str]) -> dict[str, str]:
        """The measurements that are in no table, aligned, with their meanings."""
        compared = {name for column in self.comparison.columns for name in self.comparison.names(column)}
        others = [each for each in self.measurements if each.name not in compared]
        heads = aligned([[each.name, numbers[each.name]] for each in others])
        return {head: each.explained for head, each in zip(heads, others, strict=True)}


Report.__init__ = accepts_former(ARGUMENTS["lightning_gen.metrics.Report"])(Report.__init__)  # type: ignore[method-assign]


def defined(meanings: dict[str, str], width: int = WIDTH) -> list[str]:
    """Names and their meanings, in two columns, wrapped to a width.

    >>> defined({"mse": "error", "seed": "0"})
    ['mse   error', 'seed  0']
    """
    names = max((len(name) for name in meanings), default=0)
    lines: list[str] = []
    for name, meaning in meanings.items():
        words = wrapped(meaning, max(width - names - 2, NARROWEST))
        heads = [f"{name:<{names}}", *[" " * names] * (len(words) - 1)]
        lines += ["  ".join(line).rstrip() for line in zip(heads, words or [""], strict=True)]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; words are not broken."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def compact(value: Any) -> str:
    """Plain data on one line; the description of an object as ``Name(argument=value)``.

    >>> compact({"train": 1437, "test": 180})
    'train 1437, test 180'
    >>> compact({"class_path": "lightning_gen.data.digits.Digits", "init_args": {"size": 28}})
    'Digits(size=28)'
    """
    if isinstance(value, dict) and "class_path" in value:
        arguments = (f"{name}={compact(item)}" for name, item in value.get("init_args", {}).items())
        return f"{value['class_path'].rsplit('.')[-1]}({', '.join(arguments)})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {compact(item)}" for name, item in value.items())
    return str(value)
