"""Figures with their protocol: a number can only be compared with one that was made in the same way."""

import json
import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

from lightning_gen.metrics.comparison import Comparison, aligned

WIDTH = 120
"""Columns that the text of a report is broken at, where nothing is known of a terminal."""

NARROWEST = 24
"""Columns that a meaning has at least, however narrow the text."""


@dataclass(frozen=True)
class Figure:
    """One number and what it is.

    Attributes:
        name: Its name, with the unit where it has one, such as ``psnr_db``.
        value: The number.
        meaning: What it is, in units and in one line.
        spread: The least and the greatest value, where it is the middle one of several.
    """

    name: str
    value: float
    meaning: str
    spread: tuple[float, float] | None = None

    @property
    def explained(self) -> str:
        """What it is, after what it varied between."""
        if self.spread is None:
            return self.meaning
        least, greatest = self.spread
        return f"({least:.5g} to {greatest:.5g}) {self.meaning}"


@dataclass(frozen=True)
class Report:
    """Figures and the card that says how they were made.

    Attributes:
        figures: The numbers, in the order in which they are shown.
        card: The protocol: plain data, by topic.
        omitted: What was not computed, each with the reason.
        comparison: Which of the figures are shown side by side, in one table.
    """

    figures: tuple[Figure, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.figures + other.figures,
            self.card | other.card,
            self.omitted | other.omitted,
            self.comparison + other.comparison,
        )

    @property
    def not_finite(self) -> dict[str, str]:
        """The figures that no JSON can hold: ``inf``, ``-inf`` or ``nan`` by name."""
        return {figure.name: str(figure.value) for figure in self.figures if not math.isfinite(figure.value)}

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, ``{"figures": {name: value}, "card": {...}}``.

        A figure that is not finite is None, and the card says under ``not_finite`` what it was. The card also holds the
        ``meanings`` of the figures, their ``spreads`` and what was ``omitted``.
        """
        bad = self.not_finite
        return {
            "figures": {figure.name: None if figure.name in bad else figure.value for figure in self.figures},
            "card": {
                **self.card,
                "meanings": {figure.name: figure.meaning for figure in self.figures},
                "spreads": {figure.name: list(figure.spread) for figure in self.figures if figure.spread is not None},
                "omitted": self.omitted,
                "not_finite": bad,
            },
        }

    def to_json(self) -> str:
        """The report as JSON that every reader accepts: without NaN and Infinity."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"

    def to_text(self, width: int = WIDTH) -> str:
        """The report for reading: what is compared in one table, other figures, what was omitted, and the card.

        Args:
            width: Columns that it is broken at; words and numbers stay whole.
        """
        numbers = {figure.name: f"{figure.value:.5g}" for figure in self.figures}
        parts = [
            self.comparison.to_text(numbers, width),
            defined(self._legend(), width),
            defined(self._others(numbers), width) + self._omissions(width),
            defined({key: compact(value) for key, value in self.card.items()}, width),
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines)

    def _omissions(self, width: int) -> list[str]:
        """What was not computed, and why."""
        lines = [wrapped(f"no {name}: {reason}", width) for name, reason in self.omitted.items()]
        return [line for each in lines for line in each]

    def _legend(self) -> dict[str, str]:
        """What the columns of the table mean."""
        meanings = {figure.name: figure.meaning for figure in self.figures}
        known = {
            column: [meanings[name] for name in self.comparison.names(column) if name in meanings]
            for column in self.comparison.columns
        }
        return {column: found[0] for column, found in known.items() if found}

    def _others(self, numbers: dict[str, str]) -> dict[str, str]:
        """The figures that stand in no table, aligned, with what they mean."""
        compared = {name for column in self.comparison.columns for name in self.comparison.names(column)}
        others = [figure for figure in self.figures if figure.name not in compared]
        heads = aligned([[figure.name, numbers[figure.name]] for figure in others])
        return {head: figure.explained for head, figure in zip(heads, others, strict=True)}


def defined(meanings: dict[str, str], width: int = WIDTH) -> list[str]:
    """Names and what is said of them, in two columns broken at a width.

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
    """Lines of at most so many columns; words stay whole."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def compact(value: Any) -> str:
    """Plain data on one line; a described part as ``Name(argument=value)``.

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
