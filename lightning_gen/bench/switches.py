"""Options of ``fit`` that make some recipes faster on some machines, tried on the library's side."""

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_gen.bench.figures import middle
from lightning_gen.bench.records import Run, Setting
from lightning_gen.bench.run import measured
from lightning_gen.metrics import Figure, Report
from lightning_gen.terminal import say

HELPS = 1.03
"""From how many times as fast on a switch is said to help: what is less may be the machine."""


@dataclass(frozen=True)
class Switch:
    """An option that changes how fast a step is, and what is learned little or not at all.

    Attributes:
        figure: What its figure is called.
        option: What is typed.
        value: What is typed after it.
        numbers: What it does to them.
    """

    figure: str
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
    rounding = "sums are added in another order, numbers differ in the last digits"
    found = [] if setting.compiled else [Switch("compile_speedup", "compile", "true", rounding)]
    if setting.precision == "32-true":
        narrow = "products are rounded to three digits"
        found.insert(0, Switch("bf16_speedup", "trainer.precision", "bf16-mixed", narrow))
    if setting.memory_format is not None:
        found.insert(0, Switch("channels_last_speedup", "channels_last", other[setting.memory_format], rounding))
    if setting.redraws:
        shared = "both players see the same samples, another course of training to the same end"
        found.append(Switch("shared_samples_speedup", "model.shared_samples", "true", shared))
    return (switch for switch in found if not chosen(switch.option, words))


def chosen(option: str, words: Sequence[str]) -> bool:
    """Whether a command says what an option is."""
    return any(re.match(rf"--{re.escape(option)}(=|$)", word) for word in words)


class Trials:
    """Tries each switch that there is, round after round, beside a run without any.

    Args:
        words: What ``fit`` is told.
        warm_up: Steps of a run that are not timed.
        steps: Steps that are.
    """

    def __init__(self, words: Sequence[str], warm_up: int, steps: int) -> None:
        self.words = words
        self.warm_up = warm_up
        self.steps = steps
        self._plain: list[Run] = []
        self._switched: dict[Switch, list[Run]] = {}
        self._failed: dict[Switch, str] = {}

    def take_round(self) -> None:
        """Try each once; one that fails is not tried again."""
        self._plain.append(measured(self.words, self.warm_up, self.steps, beside=False))
        for switch in applicable(self._plain[0].setting, self.words):
            if switch in self._failed:
                continue
            say(f"trying {switch.typed}", sys.stderr)
            try:
                run = measured([*self.words, *switch.words], self.warm_up, self.steps, beside=False)
            except Exception as error:  # whatever a compiler may raise: the other figures are worth more
                self._switched.pop(switch, None)
                self._failed[switch] = str(error).strip().partition("\n")[0] or type(error).__name__
            else:
                self._switched.setdefault(switch, []).append(run)

    def report(self) -> Report:
        """What each switch brings."""
        found = tuple(verdict(switch, self._plain, runs) for switch, runs in self._switched.items())
        omitted = {switch.figure: f"with {switch.typed}: {why}" for switch, why in self._failed.items()}
        return Report(found, omitted=omitted)


def verdict(switch: Switch, plain: Sequence[Run], switched: Sequence[Run]) -> Figure:
    """What a switch brings: how many times as fast a step is with it, in rounds of a run without and one with it."""
    speedups = [before.library.wall / after.library.wall for before, after in zip(plain, switched, strict=True)]
    step = f"{1e3 * statistics.median(run.library.wall for run in switched):.4g} ms a step"
    meaning = f"{switch.typed} does not help here ({step})"
    if statistics.median(speedups) >= HELPS:
        waits = f"{switched[0].first_step:.3g} s to the first step"
        meaning = f"times as fast with {switch.typed} ({step}, {waits}): {switch.numbers}"
    return middle(switch.figure, speedups, meaning)
