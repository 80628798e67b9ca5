"""The time that the library adds to a step, for growing images, batches and data: a table and a plot.

    python tests/benchmarks/growth.py --output growth.json --plot growth.png

Steps of ``fit --config gan/dcgan`` and of the reference loop of ``bench`` are interleaved; the result is the difference
of their mean processor times. One quantity grows at a time. The networks have four channels, so that the difference is
large beside the time of convolutions; the images are noise of one channel in a file of numpy's. Logging and ends of
epochs are included; samples, checkpoints and validation, whose interval is the user's choice, are not.
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
from lightning_gen.bench.records import Run
from lightning_gen.bench.run import measured
from lightning_gen.cli.entry import silence


@dataclass(frozen=True)
class Size:
    """Sizes of a run: pixels of a side, images of a batch, images in the data."""

    pixels: int = 32
    batch: int = 16
    pictures: int = 16_000


GROWTH = {
    "pixels": (32, 64, 128),
    "batch": (16, 32, 64, 128, 256),
    "pictures": (1_000, 4_000, 16_000, 60_000),
}
"""What grows, each while the rest is as in a `Size` of which nothing is said."""

LABELS = {"pixels": "pixels a side", "batch": "images a batch", "pictures": "images in the data"}

NEVER = 10**9
"""Images after which there is something that is not timed."""


def sizes(quantity: str) -> list[Size]:
    """The sizes in which one quantity grows."""
    return [replace(Size(), **{quantity: value}) for value in GROWTH[quantity]]


def every_size() -> list[Size]:
    """All that are timed, each once."""
    return list(dict.fromkeys(size for quantity in GROWTH for size in sizes(quantity)))


def save_noise(size: Size, file: str) -> None:
    """Write the images of a size."""
    shape = (size.pictures, 1, size.pixels, size.pixels)
    np.save(file, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def timed(size: Size, warm_up: int, steps: int) -> Run:
    """Time a run."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/noise.npy"
        save_noise(size, file)
        words = [
            *("--config", "gan/dcgan", "--model.generator.width", "4", "--model.discriminator.width", "4"),
            *("--model.shared_samples", "false"),  # as the plot of the page
            *("--config", "data/tensors", "--data.path", file, "--data.batch_size", str(size.batch)),
            *("--sample_every_images", str(NEVER), "--checkpoint_every_images", str(NEVER)),
            *("--trainer.accelerator", "cpu"),
        ]
        return measured(cli.fit, words, warm_up, steps)


def added(runs: list[Run]) -> list[float]:
    """The processor milliseconds that the library adds to a step, of each run."""
    return [1e3 * (run.library.processor - run.reference.processor) for run in runs]


def of_reference(runs: list[Run]) -> float:
    """Processor milliseconds of a step of the reference loop."""
    return 1e3 * statistics.median(run.reference.processor for run in runs)


def lines(quantity: str, found: dict[Size, list[Run]]) -> Iterator[str]:
    """The rows of the table in which one quantity grows."""
    for size in sizes(quantity):
        runs = found[size]
        library = 1e3 * statistics.median(run.library.processor for run in runs)
        ratio = statistics.median(run.library.processor / run.reference.processor for run in runs)
        more = added(runs)
        spread = f"{statistics.median(more):.2f} ({min(more):.2f}-{max(more):.2f})"
        label = f"{getattr(size, quantity):>8,} {LABELS[quantity]:22}"
        yield f"{label}{library:8.2f}{of_reference(runs):9.2f}   {spread:20}{ratio:.3f}"


def plot(found: dict[Size, list[Run]]) -> Figure:
    """Plot the added time, one panel for each quantity: medians, and ranges over the runs."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, len(GROWTH), sharey=True)
    for panel, quantity in zip(panels, GROWTH, strict=True):
        every = [added(found[size]) for size in sizes(quantity)]
        middle = [statistics.median(more) for more in every]
        below = [value - min(more) for value, more in zip(middle, every, strict=True)]
        above = [max(more) - value for value, more in zip(middle, every, strict=True)]
        places = range(len(every))  # each value is two to four times the one before it
        panel.errorbar(places, middle, yerr=(below, above), fmt="o-", capsize=4)
        panel.set_xticks(places, [tick(quantity, size, found[size]) for size in sizes(quantity)])
        panel.set_xlabel(LABELS[quantity])
        panel.grid(axis="y", alpha=0.3)
        panel.margins(x=0.12)
    every = [value for runs in found.values() for value in added(runs)]
    panels[0].set_ylim(min(0.0, *every), 1.4 * max(every))
    panels[0].set_ylabel("added to a step, ms")
    return figure


def tick(quantity: str, size: Size, runs: list[Run]) -> str:
    """A value, and below it the time of a step of the reference loop."""
    return f"{getattr(size, quantity):,}\n({of_reference(runs):.0f} ms)"


def main() -> None:
    """Parse the options, time, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; more vary a lot on a shared machine")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each size, interleaved")
    parser.add_argument("--steps", type=int, default=200, help="timed steps of a run")
    parser.add_argument("--warm_up", type=int, default=20, help="steps before them")
    parser.add_argument("--output", type=Path, help="a JSON file for the times of all runs")
    parser.add_argument("--plot", type=Path, help="a PNG file for the plot")
    options = parser.parse_args()
    silence()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load}), torch {torch.__version__}"
    machine += f", {options.threads} thread(s); {options.repeats} run(s) of {options.steps} steps"
    print(machine)
    rounds = [
        {size: timed(size, options.warm_up, options.steps) for size in every_size()} for _ in range(options.repeats)
    ]
    found = {size: [each[size] for each in rounds] for size in every_size()}
    print(f"\n{'processor ms of a step':31}{'library':>8}{'loop':>9}   {'added, ms':20}ratio")
    for quantity in GROWTH:
        print("\n".join(lines(quantity, found)), end="\n\n")
    if options.plot is not None:
        plot(found).savefig(options.plot, dpi=100)
    if options.output is not None:
        rows = [
            {"size": asdict(size), "processor ms by hand": of_reference(runs), "added ms": added(runs)}
            for size, runs in found.items()
        ]
        options.output.write_text(json.dumps({"machine": machine, "sizes": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
