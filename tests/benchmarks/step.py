"""The time of a training step of recipes: through the library, with everything on, against a bare loop.

    python tests/benchmarks/step.py --recipes gan/dcgan gan/rpgan autoencoder/vae --repeats 5

The library's side is what ``fit --config RECIPE`` does: the Trainer with TensorBoard, the callbacks of a run, the data
module. The other side is `gan_by_hand.py` or `autoencoder_by_hand.py`: copies of the same networks, the same
optimizers, batches out of the same tensor scaled one by one, and nothing else. A step is one update of an autoencoder,
or one of a generator and those of the discriminator before it. By hand an adversarial autoencoder has no discriminator,
so it is compared before the start of it.

The sides take turns step by step inside one process, so that whatever else the machine does meets both alike.
Processor time leaves out what other processes took; it is the figure to trust on a shared machine. What penalties add
is the difference to the same recipe without them, as ``--recipes gan/rpgan "gan/rpgan --model.penalties null"``.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import shlex
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from autoencoder_by_hand import AutoencoderByHand
from gan_by_hand import GANByHand, Real
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import GANModule, GenerativeModule, cli, recipes
from lightning_gen.data import DataModule

TINY = "gan/dense --model.generator.widths [64] --model.discriminator.widths [64]"
"""Networks so small that nearly all the time is spent around them."""

AUTOENCODERS = (
    *("autoencoder/dense", "autoencoder/convolutional", "autoencoder/denoising", "autoencoder/vae"),
    "autoencoder/adversarial --model.discriminator_start_images 1000000000",
)
"""Those that are written by hand; the last one, before its discriminator starts, against the same loop as without."""

WITHOUT = " --model.penalties null"
"""Makes of a recipe the one that its penalties are measured against."""

TARGET = 1.05
SIDES = ("library", "by hand")
Moment = tuple[float, float]
Times = dict[str, list[Moment]]
Seconds = dict[str, list[float]]


def now() -> Moment:
    """Wall time and processor time in seconds."""
    return time.perf_counter(), time.process_time()


class Turns(Callback):
    """Lets a loop by hand take a step between the steps of the Trainer, times both, and ends the run.

    A step of the library lasts from the start of a batch to that of the next, or of the one after the generator's next
    turn: what the loop, the loader, the logger and all callbacks do is in it.

    Args:
        file: Where the wall and processor seconds of each step go, as JSON.
        warm_up: Steps that are not timed.
        steps: Steps that are.
    """

    def __init__(self, file: str, warm_up: int, steps: int) -> None:
        self.file = file
        self.warm_up = warm_up
        self.steps = steps
        self.times: Times = {side: [] for side in SIDES}
        self._since: Moment | None = None

    def on_train_start(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        """Copy the networks for the loop by hand."""
        stream = batches(trainer.datamodule, labelled=pl_module.num_classes is not None)
        by_hand = GANByHand if isinstance(pl_module, GANModule) else AutoencoderByHand
        self._hand = by_hand(pl_module, stream, torch.Generator().manual_seed(0))

    def on_train_batch_start(self, trainer: Trainer, pl_module: GenerativeModule, batch: Any, batch_idx: int) -> None:
        """Where a step is over, stop the library's clock, step by hand, start it again."""
        if isinstance(pl_module, GANModule) and pl_module.rounds % pl_module.discriminator_updates:
            return
        if self._since is not None:
            self._note("library", self._since)
        start = now()
        self._hand.step()
        self._note("by hand", start)
        trainer.should_stop = len(self.times["library"]) >= self.warm_up + self.steps
        self._since = now()

    def on_train_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        """Write the times."""
        last = slice(self.warm_up, self.warm_up + self.steps)
        Path(self.file).write_text(json.dumps({side: times[last] for side, times in self.times.items()}))

    def _note(self, side: str, start: Moment) -> None:
        wall, processor = now()
        self.times[side].append((wall - start[0], processor - start[1]))


def batches(data: DataModule, labelled: bool, rank: int = 0, world_size: int = 1) -> Iterator[Real]:
    """A process's share of shuffled batches without end, pictures scaled to [-1, 1] one by one."""
    x, labels = data.train_set[:]
    shuffles = torch.Generator().manual_seed(0)  # the same in all processes
    while True:
        for rows in torch.randperm(len(x), generator=shuffles).split(data.batch_size):
            if len(rows) == data.batch_size:
                rows = rows[rank::world_size]
                real = x[rows].float().div_(127.5).sub_(1) if x.dtype == torch.uint8 else x[rows]
                yield real, labels[rows] if labelled else None


def run(recipe: str, warm_up: int, steps: int) -> Times:
    """Wall and processor seconds of each step of each side, in a run of ``fit``."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/times.json"
        turns = {"class_path": f"{__name__}.Turns", "init_args": {"file": file, "warm_up": warm_up, "steps": steps}}
        options = [
            *("--runs_dir", folder),
            f"--trainer.callbacks+={json.dumps(turns)}",
            *("--trainer.accelerator", "cpu"),
            *("--trainer.limit_val_batches", "0"),  # how often to validate is the user's choice, no cost of a step
            *("--max_images", str(10**9)),
        ]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            cli.run(["fit", "--config", *shlex.split(recipe), *options])
        return json.loads(Path(file).read_text())


def summed_up(runs: list[Times]) -> tuple[Seconds, Seconds]:
    """Processor seconds of a step, mean, and wall seconds, median, of each run of each side."""
    processor = {side: [statistics.fmean(cpu for _, cpu in times[side]) for times in runs] for side in SIDES}
    wall = {side: [statistics.median(wall for wall, _ in times[side]) for times in runs] for side in SIDES}
    return processor, wall


def line(label: str, processor: Seconds, wall: Seconds) -> str:
    """A row of the table."""
    milliseconds = [f"{1e3 * statistics.median(processor[side]):10.2f}" for side in SIDES]
    return f"{''.join(milliseconds)}   {ratio(processor):22}{ratio(wall):22}{label}"


def ratio(seconds: Seconds) -> str:
    """How many times as long the library takes: median and range over the runs."""
    ratios = [ours / theirs for ours, theirs in zip(*(seconds[side] for side in SIDES), strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"


def less(seconds: Seconds, others: Seconds) -> Seconds:
    """By how much steps take longer than others, run by run."""
    return {side: [a - b for a, b in zip(seconds[side], others[side], strict=True)] for side in SIDES}


def main() -> None:
    """Parse the options, compare, print."""
    every = [*(name for name in recipes.names() if name.startswith("gan/")), TINY, *AUTOENCODERS]
    every += [f"{name}{WITHOUT}" for name in ("gan/ring8", "gan/rpgan")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=every, help="recipes, each with options of fit if quoted")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; more say little on a shared machine")
    parser.add_argument("--repeats", type=int, default=3, help="runs")
    parser.add_argument("--steps", type=int, default=60, help="timed steps of a run")
    parser.add_argument("--warm_up", type=int, default=10, help="steps before them")
    options = parser.parse_args()
    cli.quieten()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load}), torch {torch.__version__}"
    print(f"{machine}, {options.threads} thread(s); {options.repeats} run(s) of {options.steps} steps\n")
    print(f"processor ms, mean   library / by hand\n{'library':>10}{'by hand':>10}   {'processor':22}{'wall':22}recipe")
    steps: dict[str, tuple[Seconds, Seconds]] = {}
    for recipe in options.recipes:
        steps[recipe] = summed_up([run(recipe, options.warm_up, options.steps) for _ in range(options.repeats)])
        print(line(recipe, *steps[recipe]), flush=True)
    pairs = [recipe for recipe in steps if f"{recipe}{WITHOUT}" in steps]
    if pairs:
        print(f"\nwhat the penalties add; target: at most {TARGET:.2f} times")
    for recipe in pairs:
        print(line(recipe, *map(less, steps[recipe], steps[f"{recipe}{WITHOUT}"])))


if __name__ == "__main__":
    main()
