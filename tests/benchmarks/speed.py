"""The training step of recipes and of a reference loop, for the table of speed in this folder's README.

    python tests/benchmarks/speed.py --recipes gan/dcgan autoencoder/vae --repeats 5 --output speed.json

Each row is a measurement of ``python -m lightning_gen bench``, on a CPU and by default with one thread, whose time
varies least on a shared machine. The cost of penalties is the difference to the same recipe without them, such as
``--recipes gan/rpgan "gan/rpgan --model.penalties null"``.
"""

import argparse
import json
import os
import shlex
import statistics
from pathlib import Path
from typing import Any

import gallery
import torch

from lightning_gen import cli
from lightning_gen.bench.metrics import compared
from lightning_gen.bench.records import Run
from lightning_gen.bench.run import measured
from lightning_gen.cli.entry import silence
from lightning_gen.metrics import Report

TINY = "gan/dense --model.generator.widths [64] --model.discriminator.widths [64]"
"""Networks so small that nearly all the time is overhead."""

RECIPES = (
    *("gan/dcgan", "gan/rpgan", "gan/wgan_gp", TINY, "gan/ring8"),
    *("autoencoder/vae", "autoencoder/vq_vae", "autoencoder/dense", "autoencoder/convolutional"),
    *("autoencoder/sound", "autoencoder/series_anomaly", "autoencoder/letters_vae", "autoencoder/volumes"),
    "gan/projected --data Digits --data.size 64 --data.batch_size 16",
    "autoencoder/sigma_vae --data Digits --data.size 64 --data.batch_size 8",
)
RATIO, MEMORY, OVERHEAD = 1.05, 1.10, 0.6
"""Maximum ratios of time and memory to the reference loop; or, for the smallest networks, added milliseconds."""

COLUMNS = (
    *("recipe", "a step, ms", "reference loop, ms", f"ratio (at most {RATIO})", "of processor time"),
    *(f"more of it, ms (tiny: at most {OVERHEAD})", f"memory (at most {MEMORY})", "images/s", "first step, s"),
)


def line(recipe: str, runs: list[Run], report: Report) -> str:
    """A row of the table, in markdown."""
    figures = {measurement.name: measurement for measurement in report.measurements}
    milliseconds = [f"{figures[name].value:.2f}" for name in ("step_ms", "bare_step_ms")]
    ratios = [spread(figures[name].value, figures[name].spread) for name in ("step_ratio", "processor_ratio")]
    more = [1e3 * (run.library.processor - run.reference.processor) for run in runs]
    last = (f"{figures['images_per_second'].value:,.0f}", f"{figures['first_step_s'].value:.1f}")
    memory = f"{figures['peak_memory_ratio'].value:.2f}"
    cells = (f"`{recipe}`", *milliseconds, *ratios, f"{statistics.median(more):.2f}", memory, *last)
    return f"| {' | '.join(cells)} |"


def recorded(runs: list[Run], report: Report) -> dict[str, Any]:
    """The stored results of a row: each metric with its range, and the added milliseconds."""
    kept: dict[str, Any] = {}
    for metric in report.measurements:
        ends = metric.spread
        kept[metric.name] = metric.value if ends is None else {"median": metric.value, "low": ends[0], "high": ends[1]}
    for name, clock in (("more_ms", "wall"), ("processor_more_ms", "processor")):
        more = [1e3 * (getattr(run.library, clock) - getattr(run.reference, clock)) for run in runs]
        kept[name] = statistics.median(more)
    return kept


def spread(value: float, ends: tuple[float, float] | None) -> str:
    """A median and its range."""
    return f"{value:.3f}" + ("" if ends is None else f" ({ends[0]:.3f}-{ends[1]:.3f})")


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = "recipes that have a reference loop, each with options of fit if quoted"
    parser.add_argument("--recipes", nargs="+", default=RECIPES, help=text)
    parser.add_argument("--repeats", type=int, default=3, help="runs")
    parser.add_argument("--steps", type=int, default=60, help="timed steps of a run")
    parser.add_argument("--warm_up", type=int, default=10, help="steps before them")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--output", type=Path, help="JSON file to write all metrics to")
    parser.add_argument("--record", action="store_true", help="store the metrics in results/ and rewrite the pages")
    options = parser.parse_args()
    silence()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores (load {load}), torch {torch.__version__}, {options.threads} thread(s)")
    print(f"{options.repeats} run(s) of {options.steps} steps\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    found, kept = {}, {}
    for recipe in options.recipes:
        words = ["--config", *shlex.split(recipe), "--trainer.accelerator", "cpu"]
        runs = [measured(cli.fit, words, options.warm_up, options.steps) for _ in range(options.repeats)]
        report = compared(runs)
        print(line(recipe, runs, report), flush=True)
        found[recipe] = report.as_dict()
        kept[recipe] = recorded(runs, report)
        if options.output:
            options.output.write_text(json.dumps(found, indent=2))
    if options.record:
        options_of = {recipe: f"--config {recipe}" for recipe in kept}
        size = f"{options.threads} thread(s), medians of {options.repeats} run(s) of {options.steps} steps"
        gallery.record("speed", kept, options_of, size)


if __name__ == "__main__":
    main()
