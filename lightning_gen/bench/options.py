"""Options of ``fit`` that make some recipes faster on some machines, tried on the library's side."""

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_gen.bench.figures import middle
from lightning_gen.bench.records import Run, Setting
from lightning_gen.bench.run import Fit, measured
from lightning_gen.metrics import Measurement, Report
from lightning_gen.terminal import say

HELPS = 1.03
"""From how many times as fast on an option is said to help: what is less may be the machine."""


@dataclass(frozen=True)
class Option:
    """An option that changes how fast a step is, and what is learned little or not at all.

    Attributes:
        figure: What its figure is called.
        name: What is typed, without dashes.
        value: What is typed after it.
        numbers: What it does to them.
    """

    figure: str
    name: str
    value: str
    numbers: str

    @property
    def words(self) -> tuple[str, str]:
        """The words of the command line."""
        return f"--{self.name}", self.value

    @property
    def typed(self) -> str:
        """What is typed."""
        return " ".join(self.words)


def applicable(setting: Setting, argv: Sequence[str]) -> Iterator[Option]:
    """The options that could be tried in a run.

    Args:
        setting: What the run was made with.
        argv: Its command line; what the user has chosen there is not tried otherwise.
    """
    other = {"contiguous": "true", "channels_last": "false"}
    rounding = "sums are added in another order, numbers differ in the last digits"
    found = [] if setting.compiled else [Option("compile_speedup", "compile", "true", rounding)]
    if setting.precision == "32-true":
        narrow = "products are rounded to three digits"
        found.insert(0, Option("bf16_speedup", "trainer.precision", "bf16-mixed", narrow))
    if setting.memory_format is not None:
        found.insert(0, Option("channels_last_speedup", "channels_last", other[setting.memory_format], rounding))
    if setting.redraws:
        shared = "both players see the same samples, another course of training to the same end"
        found.append(Option("shared_samples_speedup", "model.shared_samples", "true", shared))
    return (option for option in found if not chosen(option.name, argv))


def chosen(option: str, argv: Sequence[str]) -> bool:
    """Whether a command says what an option is."""
    return any(re.match(rf"--{re.escape(option)}(=|$)", word) for word in argv)


class Trials:
    """Tries each option that there is, round after round, beside a run without any.

    Args:
        fit: Runs ``fit``; see `measured`.
        argv: The command line after ``fit``.
        warm_up: Steps of a run that are not timed.
        steps: Steps that are.
    """

    def __init__(self, fit: Fit, argv: Sequence[str], warm_up: int, steps: int) -> None:
        self.fit = fit
        self.argv = argv
        self.warm_up = warm_up
        self.steps = steps
        self._plain: list[Run] = []
        self._tried: dict[Option, list[Run]] = {}
        self._failed: dict[Option, str] = {}

    def take_round(self) -> None:
        """Try each once; one that fails is not tried again."""
        self._plain.append(measured(self.fit, self.argv, self.warm_up, self.steps, beside=False))
        for option in applicable(self._plain[0].setting, self.argv):
            if option in self._failed:
                continue
            say(f"trying {option.typed}", sys.stderr)
            try:
                run = measured(self.fit, [*self.argv, *option.words], self.warm_up, self.steps, beside=False)
            except Exception as error:  # whatever a compiler may raise: the other figures are worth more
                self._tried.pop(option, None)
                self._failed[option] = str(error).strip().partition("\n")[0] or type(error).__name__
            else:
                self._tried.setdefault(option, []).append(run)

    def report(self) -> Report:
        """What each option brings."""
        found = tuple(verdict(option, self._plain, runs) for option, runs in self._tried.items())
        omitted = {option.figure: f"with {option.typed}: {why}" for option, why in self._failed.items()}
        return Report(found, omitted=omitted)


def verdict(option: Option, plain: Sequence[Run], tried: Sequence[Run]) -> Measurement:
    """What an option brings: how many times as fast a step is with it, in rounds of a run without and one with it."""
    speedups = [before.library.wall / after.library.wall for before, after in zip(plain, tried, strict=True)]
    step = f"{1e3 * statistics.median(run.library.wall for run in tried):.4g} ms a step"
    meaning = f"{option.typed} does not help here ({step})"
    if statistics.median(speedups) >= HELPS:
        waits = f"{tried[0].first_step:.3g} s to the first step"
        meaning = f"times as fast with {option.typed} ({step}, {waits}): {option.numbers}"
    return middle(option.figure, speedups, meaning)
