"""The clock of all sides: it counts updates of torch's optimizers, whichever loop makes them, and waits for turns."""

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Any, TextIO

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True)
class Reading:
    """What a side took in a turn.

    Attributes:
        wall: Seconds of a step, mean.
        processor: The same of all threads of the process, without what other processes took.
        moved: How far the weights of each network have gone so far, in lengths of the vector of them at first; empty
            where nothing trains.
        note: What had to be done to make the side run at all; empty for nothing.
    """

    wall: float
    processor: float
    moved: tuple[float, ...]
    note: str = ""


class Clock:
    """Takes a `Reading` of every turn, and stops the process between turns, inside the loop of whatever trains in it.

    The first turn needs no leave. It is the one in which everything starts.

    Args:
        leaves: A line is read for each further turn; their end ends the process.
        readings: Where readings go, a line each, as JSON.
        ticks: Ticks of a turn: updates of networks, or batches where nothing trains.
        steps: What a turn is divided by.
    """

    def __init__(self, leaves: TextIO, readings: TextIO, ticks: int, steps: int) -> None:
        self.leaves = leaves
        self.readings = readings
        self.ticks = ticks
        self.steps = steps
        self.note = ""
        self._left = ticks
        self._before: dict[Optimizer, torch.Tensor] = {}
        self._since = time.perf_counter(), time.process_time()

    def watch(self) -> RemovableHandle:
        """Tick with every update of any optimizer from now on."""
        return register_optimizer_step_post_hook(self._updated)

    def tick(self) -> None:
        """Count."""
        self._left -= 1
        if self._left == 0:
            wall, processor = time.perf_counter() - self._since[0], time.process_time() - self._since[1]
            reading = Reading(wall / self.steps, processor / self.steps, self._moved(), self.note)
            print(json.dumps(asdict(reading)), file=self.readings, flush=True)
            if not self.leaves.readline():
                os._exit(0)  # what a side does at the end of its run is no part of a step
            self._left = self.ticks
            self._since = time.perf_counter(), time.process_time()

    def _updated(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if optimizer not in self._before:
            self._before[optimizer] = weights(optimizer)
        self.tick()

    def _moved(self) -> tuple[float, ...]:
        return tuple(
            ((weights(optimizer) - before).norm() / before.norm()).item() for optimizer, before in self._before.items()
        )


def weights(optimizer: Optimizer) -> torch.Tensor:
    """All that an optimizer trains, as a vector."""
    return torch.cat([p.detach().flatten() for group in optimizer.param_groups for p in group["params"]])
