"""What the library adds to a step, while pictures, batches and data grow: a table and a plot.

    python tests/benchmarks/growth.py --output growth.json --picture growth.png

A step of ``fit --config gan/dcgan`` is timed in turns with one of the same training written by hand, as the verb
``bench`` does it; what is shown is the difference of their mean processor times. One quantity grows at a time. The
networks have four channels, so that the difference is not lost among the times of convolutions; the pictures are noise
of one channel in a file of numpy's. Logging and ends of epochs are in it, samples and checkpoints are not: how often to
have those is the user's choice, as it is with validation.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from lightning_gen import cli
from lightning_gen.bench.run import measured

SIDES = ("library", "by hand")


@dataclass(frozen=True)
class Setting:
    """What a run is of: pixels of a side, pictures of a batch, pictures in all."""

    pixels: int = 32
    batch: int = 16
    pictures: int = 16_000


GROWTH = {
    "pixels": (32, 64, 128),
    "batch": (16, 32, 64, 128, 256),
    "pictures": (1_000, 4_000, 16_000, 60_000),
}
"""What grows, each while the rest is as in a `Setting` of which nothing is said."""

LABELS = {"pixels": "pixels a side", "batch": "pictures a batch", "pictures": "pictures in the data"}

NEVER = 10**9
"""Images after which there is something that is not timed."""

Steps = dict[str, float]
"""Mean processor milliseconds of a step by side."""


def settings(quantity: str) -> list[Setting]:
    """The settings in which one quantity grows."""
    return [replace(Setting(), **{quantity: value}) for value in GROWTH[quantity]]


def every_setting() -> list[Setting]:
    """All that are timed, each once."""
    return list(dict.fromkeys(setting for quantity in GROWTH for setting in settings(quantity)))


def save_noise(setting: Setting, file: str) -> None:
    """Write the pictures of a setting."""
    shape = (setting.pictures, 1, setting.pixels, setting.pixels)
    np.save(file, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def command(setting: Setting, file: str) -> str:
    """What ``fit`` is told."""
    return (
        "--config gan/dcgan --model.generator.width 4 --model.discriminator.width 4"
        f" --config data/tensors --data.path {file}"
        f" --data.batch_size {setting.batch} --sample_every_images {NEVER} --checkpoint_every_images {NEVER}"
    )


def timed(setting: Setting, warm_up: int, steps: int) -> Steps:
    """Time a run."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/noise.npy"
        save_noise(setting, file)
        run = measured(command(setting, file).split(), warm_up, steps)
    return {side: 1e3 * spent.processor for side, spent in zip(SIDES, (run.library, run.by_hand), strict=True)}


def added(runs: list[Steps]) -> list[float]:
    """What the library adds to a step, milliseconds of each run."""
    library, by_hand = SIDES
    return [steps[library] - steps[by_hand] for steps in runs]


def lines(quantity: str, found: dict[Setting, list[Steps]]) -> Iterator[str]:
    """The rows of the table in which one quantity grows."""
    for setting in settings(quantity):
        runs = found[setting]
        library, by_hand = (statistics.median(steps[side] for steps in runs) for side in SIDES)
        more = added(runs)
        spread = f"{statistics.median(more):.2f} ({min(more):.2f}-{max(more):.2f})"
        value = getattr(setting, quantity)
        yield f"{value:>8,} {LABELS[quantity]:22}{library:8.2f}{by_hand:9.2f}   {spread:20}{library / by_hand:.2f}"


def plot(found: dict[Setting, list[Steps]]) -> Figure:
    """Draw what is added, one panel for each quantity: medians, and ranges over the runs."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, len(GROWTH), sharey=True)
    for panel, quantity in zip(panels, GROWTH, strict=True):
        every = [added(found[setting]) for setting in settings(quantity)]
        middle = [statistics.median(more) for more in every]
        below = [value - min(more) for value, more in zip(middle, every, strict=True)]
        above = [max(more) - value for value, more in zip(middle, every, strict=True)]
        places = range(len(every))  # each value is two to four times the one before it
        panel.errorbar(places, middle, yerr=(below, above), fmt="o-", capsize=4)
        panel.set_xticks(places, [tick(quantity, setting, found[setting]) for setting in settings(quantity)])
        panel.set_xlabel(LABELS[quantity])
        panel.grid(axis="y", alpha=0.3)
        panel.margins(x=0.12)
    every = [value for runs in found.values() for value in added(runs)]
    panels[0].set_ylim(min(0.0, *every), 1.4 * max(every))
    panels[0].set_ylabel("added to a step, ms")
    return figure


def tick(quantity: str, setting: Setting, runs: list[Steps]) -> str:
    """A value, and below it how long a step takes by hand."""
    by_hand = statistics.median(steps[SIDES[1]] for steps in runs)
    return f"{getattr(setting, quantity):,}\n({by_hand:.0f} ms)"


def main() -> None:
    """Parse the options, time, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; more say little on a shared machine")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each setting, in turns")
    parser.add_argument("--steps", type=int, default=200, help="timed steps of a run")
    parser.add_argument("--warm_up", type=int, default=20, help="steps before them")
    parser.add_argument("--output", type=Path, help="a JSON file for the times of all runs")
    parser.add_argument("--picture", type=Path, help="a PNG file for the plot")
    options = parser.parse_args()
    cli.quieten()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load}), torch {torch.__version__}"
    machine += f", {options.threads} thread(s); {options.repeats} run(s) of {options.steps} steps"
    print(machine)
    rounds = [
        {setting: timed(setting, options.warm_up, options.steps) for setting in every_setting()}
        for _ in range(options.repeats)
    ]
    found = {setting: [each[setting] for each in rounds] for setting in every_setting()}
    print(f"\n{'processor ms of a step':31}{'library':>8}{'by hand':>9}   {'added, ms':20}ratio")
    for quantity in GROWTH:
        print("\n".join(lines(quantity, found)), end="\n\n")
    if options.picture is not None:
        plot(found).savefig(options.picture, dpi=100)
    if options.output is not None:
        runs = [{"setting": asdict(setting), "processor ms": steps} for setting, steps in found.items()]
        options.output.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
