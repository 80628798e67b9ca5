"""Figures with their protocol: a number can only be compared with one that was made in the same way."""

import json
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number and what it is.

    Attributes:
        name: Its name, with the unit where it has one, such as ``psnr_db``.
        value: The number.
        meaning: What it is, in units and in one line.
    """

    name: str
    value: float
    meaning: str


@dataclass(frozen=True)
class Report:
    """Figures and the card that says how they were made.

    Attributes:
        figures: The numbers, in the order in which they are shown.
        card: The protocol: plain data, by topic.
        omitted: What was not computed, each with the reason.
    """

    figures: tuple[Figure, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: "Report") -> "Report":
        return Report(self.figures + other.figures, self.card | other.card, self.omitted | other.omitted)

    @property
    def not_finite(self) -> dict[str, str]:
        """The figures that no JSON can hold: ``inf``, ``-inf`` or ``nan`` by name."""
        return {figure.name: str(figure.value) for figure in self.figures if not math.isfinite(figure.value)}

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, ``{"figures": {name: value}, "card": {...}}``.

        A figure that is not finite is None, and the card says under ``not_finite`` what it was. The card also holds the
        ``meanings`` of the figures and what was ``omitted``.
        """
        bad = self.not_finite
        return {
            "figures": {figure.name: None if figure.name in bad else figure.value for figure in self.figures},
            "card": {
                **self.card,
                "meanings": {figure.name: figure.meaning for figure in self.figures},
                "omitted": self.omitted,
                "not_finite": bad,
            },
        }

    def to_json(self) -> str:
        """The report as JSON that every reader accepts: without NaN and Infinity."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"

    def to_text(self) -> str:
        """The report for reading: aligned figures, what was omitted, and the card."""
        rows = [(figure.name, f"{figure.value:.5g}", figure.meaning) for figure in self.figures]
        names, numbers = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
        lines = [f"{name:<{names}}  {number:>{numbers}}  {meaning}" for name, number, meaning in rows]
        lines += [f"no {name}: {reason}" for name, reason in self.omitted.items()]
        keys = max((len(key) for key in self.card), default=0)
        lines += ["", *(f"{key:<{keys}}  {compact(value)}" for key, value in self.card.items())]
        return "\n".join(lines)


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
