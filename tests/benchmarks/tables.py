"""Train and measure the rows of README's tables: ``python tests/benchmarks/tables.py modes``.

Each row is a recipe with options, trained once a seed by the command line, one thread each, and measured by the verb
``evaluate`` on the test split. What was trained or measured before, by its files below --folder, is not done again, so
an interrupted table goes on. Times are CPU seconds of the training, which a busy machine changes little.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from lightning_gen import recipes


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        label: What it is called.
        options: What ``fit`` is told.
    """

    label: str
    options: str


@dataclass(frozen=True)
class Table:
    """What is compared.

    Attributes:
        rows: The systems.
        figures: What ``evaluate`` measures, in columns.
        seeds: Runs of each row.
        setting: What ``fit`` is told for all rows, after the recipe.
        evaluation: What ``evaluate`` is told.
    """

    rows: tuple[Row, ...]
    figures: tuple[str, ...]
    seeds: int = 1
    setting: str = ""
    evaluation: str = ""


PICTURES = ("frechet_distance", "precision", "recall", "sliced_wasserstein")
MODES = ("modes", "high_quality_percent", "reverse_kl")
STACKED = "--config gan/r3gan --config data/stacked_digits --max_images 150000"
NAMES = (
    *("dense", "minimax", "dcgan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "rpgan", "r3gan", "pacgan", "cgan"),
    *("acgan", "projection", "diffaugment", "ada"),
)
TABLES = {
    "modes": Table(
        (
            Row("ring, RpGAN + R1 + R2", "--config gan/ring8"),
            Row("ring, non-saturating", "--config gan/ring8_plain"),
            Row("grid, RpGAN + R1 + R2", "--config gan/grid25"),
            Row("grid, non-saturating", "--config gan/grid25_plain"),
        ),
        MODES,
        seeds=5,
    ),
    "fashion": Table(  # about ten minutes of one core each
        (
            Row("DCGAN", "--config gan/dcgan --max_images 440000"),
            Row("WGAN-GP", "--config gan/wgan_gp --max_images 430000"),
            Row("SNGAN", "--config gan/sngan --max_images 280000"),
            Row("R3GAN, small", "--config gan/r3gan --max_images 150000"),
        ),
        PICTURES,
        seeds=3,
        setting="--config data/fashion_mnist --data.size 28",
    ),
    "stacked": Table(
        (
            Row("DCGAN", "--config gan/dcgan --config data/stacked_digits --max_images 300000"),
            Row("R3GAN's network, non-saturating + R1 + R2", f"{STACKED} --model.objective NonSaturating"),
            Row("R3GAN's network, RpGAN + R1 + R2", STACKED),
        ),
        (*MODES[:1], "kl", "kl_real", "classifier_accuracy"),
    ),
    "recipes": Table(
        tuple(Row(name, f"--config gan/{name}") for name in NAMES),
        (*PICTURES, "label_accuracy"),
    ),
}


def measure(row: Row, seed: int, table: Table, folder: Path) -> dict[str, float]:
    """Train and measure a row, each unless its file is there; returns figures and CPU seconds of the training."""
    name = re.sub(r"\W+", "_", f"{row.label} {seed}")
    log, trained, measured = folder / f"{name}.log", folder / name / "trained.json", folder / name / "evaluation.json"
    program = [sys.executable, "-m", "lightning_gen"]
    recipe = fingerprint(row, table)
    if not trained.exists() or json.loads(trained.read_text())["recipe"] != recipe:
        shutil.rmtree(folder / name, ignore_errors=True)
        run = ["--seed_everything", str(seed), "--name", name, "--runs_dir", str(folder)]
        seconds = call([*program, "fit", *row.options.split(), *table.setting.split(), *run], log)
        trained.write_text(json.dumps({"cpu_seconds": seconds, "recipe": recipe}))
    if not measured.exists():
        checkpoint = folder / name / "checkpoints" / "last.ckpt"
        call([*program, "evaluate", str(checkpoint), *table.evaluation.split(), "--output", str(measured)], log)
    return json.loads(measured.read_text())["figures"] | json.loads(trained.read_text())


def fingerprint(row: Row, table: Table) -> str:
    """What was asked for, with the content of the recipes: a row whose recipe has changed is trained again."""
    words = [*row.options.split(), *table.setting.split()]
    contents = [recipes.load(recipes.find(after)) for word, after in pairwise(words) if word == "--config"]
    return hashlib.sha256(json.dumps([words, contents]).encode()).hexdigest()[:16]


def call(command: list[str], log: Path) -> float:
    """Run a command with one thread, its output added to a file; returns its CPU seconds.

    Raises:
        RuntimeError: It fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        print("$", *command, file=output, flush=True)
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: see {log}")
    return usage.ru_utime + usage.ru_stime


def cell(values: list[float | None]) -> str:
    """Mean and standard deviation over the seeds."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return ""
    mean = f"{statistics.fmean(numbers):.4g}"
    return f"{mean} ± {statistics.stdev(numbers):.2g}" if len(numbers) > 1 else mean


def main() -> None:
    """Parse the options, train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--folder", type=Path, default=Path("runs") / "tables", help="where runs and figures go")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--seeds", type=int, help="runs of each row")
    parser.add_argument("--rows", nargs="*", help="labels of the rows to run; all if left out")
    options = parser.parse_args()
    table = TABLES[options.table]
    seeds = range(options.seeds or table.seeds)
    rows = [row for row in table.rows if not options.rows or row.label in options.rows]
    with ThreadPoolExecutor(options.jobs) as pool:
        pairs = [(row, seed) for seed in seeds for row in rows]
        runs = {pair: pool.submit(measure, *pair, table, options.folder / options.table) for pair in pairs}
    print(f"{platform.machine()}, torch {torch.__version__}, one thread a run, seeds {', '.join(map(str, seeds))}\n")
    columns = (*table.figures, "cpu_seconds")
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in rows:
        figures = [runs[row, seed].result() for seed in seeds]
        print(f"| {row.label} | {' | '.join(cell([f.get(name) for f in figures]) for name in columns)} |")


if __name__ == "__main__":
    main()
