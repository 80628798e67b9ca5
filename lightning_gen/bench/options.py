"""Options of ``fit`` that make some recipes faster on some machines, tried one by one."""

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_gen.bench.metrics import middle
from lightning_gen.bench.records import Run, Setting
from lightning_gen.bench.run import Fit, measured
from lightning_gen.metrics import Measurement, Report
from lightning_gen.terminal import say

HELPS = 1.03
"""Speedup from which an option is reported to help; a smaller one may be noise."""


@dataclass(frozen=True)
class Option:
    """An option that changes the speed of a step, and hardly what is learned.

    Attributes:
        metric: Name of its metric.
        name: Name of the option, without dashes.
        value: Its value.
        effect: Its effect on the results, in words.
    """

    metric: str
    name: str
    value: str
    effect: str

    @property
    def argv(self) -> tuple[str, str]:
        """The option and its value on the command line."""
        return f"--{self.name}", self.value

    @property
    def typed(self) -> str:
        """The option as a user types it."""
        return " ".join(self.argv)


def applicable(setting: Setting, argv: Sequence[str]) -> Iterator[Option]:
    """The options that can be tried in a run.

    Args:
        setting: The setting of the run.
        argv: Its command line; options that the user has set there are not tried.
    """
    other = {"contiguous": "true", "channels_last": "false"}
    rounding = "sums are added in another order, results differ in the last digits"
    found = [] if setting.compiled else [Option("compile_speedup", "compile", "true", rounding)]
    if setting.precision == "32-true":
        narrow = "products are rounded to three digits"
        found.insert(0, Option("bf16_speedup", "trainer.precision", "bf16-mixed", narrow))
    if setting.memory_format is not None:
        found.insert(0, Option("channels_last_speedup", "channels_last", other[setting.memory_format], rounding))
    if setting.redraws:
        shared = "both networks train on the same samples, which changes the training but not its goal"
        found.append(Option("shared_samples_speedup", "model.shared_samples", "true", shared))
    return (option for option in found if not chosen(option.name, argv))


def chosen(option: str, argv: Sequence[str]) -> bool:
    """Whether a command sets an option."""
    return any(re.match(rf"--{re.escape(option)}(=|$)", word) for word in argv)


class Trials:
    """Runs each option, round after round, beside a run without any.

    Args:
        fit: Runs ``fit``; see `measured`.
        argv: The command line after ``fit``.
        warm_up: Steps of a run that are not timed.
        steps: Steps of a run that are timed.
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
        """Run each option once; one that fails is not tried again."""
        self._plain.append(measured(self.fit, self.argv, self.warm_up, self.steps, beside=False))
        for option in applicable(self._plain[0].setting, self.argv):
            if option in self._failed:
                continue
            say(f"trying {option.typed}", sys.stderr)
            try:
                run = measured(self.fit, [*self.argv, *option.argv], self.warm_up, self.steps, beside=False)
            except Exception as error:  # a compiler may raise anything: the other metrics are still reported
                self._tried.pop(option, None)
                self._failed[option] = str(error).strip().partition("\n")[0] or type(error).__name__
            else:
                self._tried.setdefault(option, []).append(run)

    def report(self) -> Report:
        """The speedup by each option."""
        found = tuple(verdict(option, self._plain, runs) for option, runs in self._tried.items())
        omitted = {option.metric: f"with {option.typed}: {why}" for option, why in self._failed.items()}
        return Report(found, omitted=omitted)


def verdict(option: Option, plain: Sequence[Run], tried: Sequence[Run]) -> Measurement:
    """The speedup of a step by an option, in rounds of a run without it and a run with it."""
    speedups = [before.library.wall / after.library.wall for before, after in zip(plain, tried, strict=True)]
    step = f"{1e3 * statistics.median(run.library.wall for run in tried):.4g} ms a step"
    meaning = f"{option.typed} does not help here ({step})"
    if statistics.median(speedups) >= HELPS:
        waits = f"{tried[0].first_step:.3g} s to the first step"
        meaning = f"times as fast with {option.typed} ({step}, {waits}): {option.effect}"
    return middle(option.metric, speedups, meaning)
