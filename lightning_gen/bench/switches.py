"""Options of ``fit`` that make some recipes faster on some machines, tried on the library's side."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_gen.bench.records import Run, Setting
from lightning_gen.metrics import Figure, Report

HELPS = 1.03
"""From how many times as fast on a switch is said to help: what is less may be the machine."""


@dataclass(frozen=True)
class Switch:
    """An option that changes how fast a step is, and little else.

    Attributes:
        name: What its figure is called.
        option: What is typed.
        value: What is typed after it.
        numbers: What it does to them.
    """

    name: str
    option: str
    value: str
    numbers: str

    @property
    def words(self) -> tuple[str, str]:
        """The words of the command."""
        return f"--{self.option}", self.value

    @property
    def typed(self) -> str:
        """What is typed."""
        return " ".join(self.words)


def applicable(setting: Setting, words: Sequence[str]) -> Iterator[Switch]:
    """What could be switched in a run.

    Args:
        setting: What the run was made with.
        words: Its command; what the user has chosen there is not tried otherwise.
    """
    other = {"contiguous": "true", "channels_last": "false"}
    rounding = "sums are added in another order, so that numbers differ in the last digits"
    found = [Switch("compile", "compile", "true", f"{rounding}; the first step waits for the compiler")]
    if setting.precision == "32-true":
        narrow = "products are rounded to three digits"
        found.insert(0, Switch("bf16", "trainer.precision", "bf16-mixed", narrow))
    if setting.memory_format is not None:
        found.insert(0, Switch("channels_last", "channels_last", other[setting.memory_format], rounding))
    return (switch for switch in found if not chosen(switch.option, words))


def chosen(option: str, words: Sequence[str]) -> bool:
    """Whether a command says what an option is."""
    return any(re.match(rf"--{re.escape(option)}(=|$)", word) for word in words)


def verdict(switch: Switch, run: Run, base: float) -> Report:
    """What a switch brings.

    Args:
        switch: The switch.
        run: A run with it.
        base: Seconds of a step without.
    """
    speedup = base / run.library.wall
    step = f"{1e3 * run.library.wall:.4g} ms a step"
    meaning = f"{switch.typed} does not help here ({step})"
    if speedup >= HELPS:
        waits = f"; {run.first_step:.3g} s to the first step"
        meaning = f"times as fast with {switch.typed} ({step}); {switch.numbers}{waits}"
    return Report((Figure(f"{switch.name}_speedup", speedup, meaning),))
