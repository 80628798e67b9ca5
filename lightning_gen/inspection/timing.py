"""Measures what a run of ``fit`` costs on this machine, by its first seconds."""

import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen.bench.clock import Clock
from lightning_gen.bench.run import Fit, quiet
from lightning_gen.callbacks import SampleGrid
from lightning_gen.callbacks.lengths import counted
from lightning_gen.environment import BEGUN
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.records import Shape
from lightning_gen.reflection import class_path
from lightning_gen.samplers import LatentSampler

WARM_UP = 3
"""Steps that are not timed."""
STARTUP = min(time.perf_counter() - BEGUN, 60.0)
"""Seconds in which this process has imported the package, as a run does."""
UPDATES = 16
"""Updates of a sampler that are timed, after as many that are not."""
ENDLESS = 10**12
"""More images than any timed run sees."""


@dataclass(frozen=True)
class Cost:
    """What a run costs.

    Attributes:
        start: Seconds from the command to its first step.
        step: Seconds of a step, means over the timed ones; with loading, logging and callbacks.
        validation: Seconds at the end of an epoch: validation, the best checkpoint and the next start of the loader.
        end: Seconds at the end of the run: a grid of samples, the last checkpoint and one more validation.
        images: Training images of a step.
        steps: Steps of an epoch.
        grid_images: Training images between two grids of samples; None for one at the end alone.
        update: Seconds of an update of the sampler that is fitted when training has ended; 0 without one.
    """

    start: float
    step: float
    validation: float
    end: float
    images: int
    steps: int
    grid_images: int | None
    update: float = 0.0

    @property
    def fixed(self) -> float:
        """Seconds that do not depend on the length of a run."""
        return self.start + self.end

    @property
    def of_image(self) -> float:
        """Seconds for each training image, with its share of validation and of grids."""
        grids = 0.0 if self.grid_images is None else max(0.0, self.end - self.validation) / self.grid_images
        return (self.step + self.validation / self.steps) / self.images + grids

    def seconds(self, images: int, updates: int = 0) -> float:
        """Seconds of a run of a number of training images, and of updates of a sampler, from the command to its end.

        A sampler's codes are not counted: encoding the training split takes seconds to a minute.
        """
        return self.fixed + images * self.of_image + updates * self.update

    def images_in(self, seconds: float) -> int:
        """The largest round number of training images of a run that takes at most so many seconds; at least a step."""
        most = int((seconds - self.fixed) / self.of_image)
        return max(self.images, round_down(most))


def round_down(count: int) -> int:
    """A count with two digits that are not 0.

    >>> round_down(418_812), round_down(99), round_down(-5)
    (410000, 99, 0)
    """
    unit = 10 ** max(0, int(math.log10(max(count, 1))) - 1)
    return max(0, count) // unit * unit


class Timing(Callback):
    """Times the steps of a run, then ends it: the Trainer validates, and the end of a run comes as always.

    It is the first of the callbacks, so that an interval between the starts of two steps has the work of all others.

    Args:
        seconds: Duration of the timed steps; at least one is timed.

    Attributes:
        first: Time of the start of the first step, by ``time.perf_counter``.
        stopped: Time of the end of the last step.
        trained: Time of the end of the last validation.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.first = self.stopped = self.trained = 0.0
        self._last: float | None = None
        self._warm_up = WARM_UP
        self._validated = False
        self._steps: list[float] = []
        self._ends: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Keep the time of the step before."""
        now = Clock(pl_module.device).now().wall
        if self._last is None:
            self.first = now
        elif self._warm_up:
            self._warm_up -= 1
        else:
            (self._ends if self._validated else self._steps).append(now - self._last)
        self._last, self._validated = now, False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """End the run if the time is up."""
        if (self._steps or self._ends) and sum(self._steps) + sum(self._ends) >= self.seconds:
            trainer.should_stop = True
            self.stopped = Clock(pl_module.device).now().wall

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that the present interval holds the end of an epoch."""
        self._validated = not trainer.sanity_checking

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the time of the end of the last validation."""
        self.trained = time.perf_counter()

    def cost(self, since: float, until: float, trainer: Trainer, update: float) -> Cost:
        """What the run costs.

        Args:
            since: Start of the command.
            until: Its end.
            trainer: Its Trainer.
            update: Seconds of an update of its sampler.
        """
        last = self.trained - self.stopped
        step = statistics.fmean(self._steps) if self._steps else 0.0
        validation = max(0.0, statistics.fmean(self._ends[1:] or self._ends) - step) if self._ends else last
        grids = [callback.every_images for callback in trainer.callbacks if isinstance(callback, SampleGrid)]  # type: ignore[attr-defined]
        return Cost(
            STARTUP + self.first - since,
            step,
            validation,
            until - self.stopped,
            counted(trainer.lightning_module).batch_images,
            int(trainer.num_training_batches),
            next(iter(grids), None),
            update,
        )


def seconds_of_update(kind: type[LatentSampler], shape: Shape, device: torch.device) -> float:
    """Measure how long an update of a sampler takes for codes of a shape, on a device."""
    few, clock = kind(updates=UPDATES), Clock(device)  # type: ignore[call-arg]
    few.device = device
    codes = torch.randn(2 * UPDATES, *shape, generator=torch.Generator().manual_seed(0))
    taken = []
    for _ in range(2):
        start = clock.now()
        few.fit(codes, torch.Generator().manual_seed(0))
        taken.append(clock.now().since(start).wall)
    return taken[-1] / UPDATES


def timed(fit: Fit, argv: Sequence[str], seconds: float, sampler: type[LatentSampler] | None = None) -> Cost:
    """Measure what a run costs, in a temporary folder.

    Args:
        fit: Runs ``fit`` with a command line and returns its Trainer.
        argv: The command line after ``fit``; its ``--max_images`` and ``--runs_dir`` are replaced.
        seconds: Duration of the timed steps.
        sampler: The sampler that the run fits when training has ended.

    Raises:
        InputError: The command cannot be run as given.
    """
    timing = {"class_path": class_path(Timing), "init_args": {"seconds": seconds}}
    since = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = fit(
            [
                *(*argv, "--runs_dir", folder, "--max_images", str(ENDLESS), "--sampler", "null"),
                f"--trainer.callbacks+={json.dumps(timing)}",
            ]
        )
        until = time.perf_counter()
    (found,) = (callback for callback in trainer.callbacks if isinstance(callback, Timing))  # type: ignore[attr-defined]
    update = 0.0
    if sampler is not None:
        shape = cast(CodeSampling, trainer.lightning_module).latent_shape
        update = seconds_of_update(sampler, shape, trainer.strategy.root_device)
    return found.cost(since, until, trainer, update)
