"""Time the library beside what people use instead: the same networks, batches and images, in turns, on one machine.

    python -m venv .venv-peers
    .venv-peers/bin/pip install -e '.[features]' -r tests/benchmarks/peers/requirements.txt
    .venv-peers/bin/pip install --no-deps torch-mimicry==0.1.16
    .venv-peers/bin/python tests/benchmarks/peers/peers.py --output peers.json

A side is a process that trains (`sides.py`). Those of a row take turns of a few steps each: while one runs, the others
wait inside their loops, so that whatever else the machine does meets all alike. The first turn, in which all is built,
is not counted. A ratio is that of a side's turn to the library's turn before it: median and range. Wall time is what a
user waits for; processor time leaves out what other processes took, and is the figure to trust on a shared machine.

Everything that a side does by default is on, as logs and a progress bar, whose output goes to a file here. A side that
does not run is named with its error. Packages that ask for an NVIDIA GPU run without one, see `without_cuda.py`. The
images are those of Fashion-MNIST; `--rows epoch --turns 43` times an epoch whole, with the samples and the checkpoint
that the library writes in it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clock import Reading

sys.path.insert(0, str(Path(__file__).parents[1]))
import gallery  # of the folder above

PACKAGES = (
    *("torch", "torchvision", "lightning", "pythae", "torchgan", "torch-mimicry"),
    *("lightweight-gan", "stylegan2_pytorch", "diffusers"),
)


@dataclass(frozen=True)
class Row:
    """What is compared.

    Attributes:
        label: What a step is.
        sides: Names in `sides.py`, the library's first.
        ticks: Updates of networks in a step, or batches where nothing trains.
        steps: Timed steps for one of --steps.
    """

    label: str
    sides: tuple[str, ...]
    ticks: int
    steps: int = 1


ROWS = {
    "gan": Row(
        "a step of DCGAN, 32 x 32, images in memory",
        (
            *("lightning_gen, gan/dcgan", "lightning_gen, gan/dcgan --compile true"),
            *("Lightning's tutorial", "the same, no image a step", "torchgan", "torch-mimicry"),
        ),
        ticks=2,
    ),
    "gan_fresh": Row(
        "a step of DCGAN, samples of its own for each network",
        ("lightning_gen, gan/dcgan --model.shared_samples false", "Lightning's tutorial"),
        ticks=2,
    ),
    "vae": Row(
        "a step of the convolutional VAE, 32 x 32, images in memory",
        ("lightning_gen, autoencoder/vae", "lightning_gen, autoencoder/vae --compile true", "pythae"),
        ticks=1,
    ),
    "gan_penalties": Row(
        "a step of DCGAN, 32 x 32, gradients penalised at real and fake images every fourth step",
        ("lightning_gen, gan/rpgan with these penalties", "lightweight-gan", "stylegan2_pytorch"),
        ticks=2,
    ),
    "kl": Row(
        "a step of diffusers' AutoencoderKL, 32 x 32, images in memory",
        (
            *("lightning_gen, the same networks", "a loop as in diffusers' examples"),
            "lightning_gen, networks of autoencoder/kl",
        ),
        ticks=1,
    ),
    "epoch": Row(
        "a step of an epoch, DCGAN, 28 x 28, images from files",
        (
            *("lightning_gen, gan/dcgan, 28 x 28", "lightning_gen, gan/dcgan, 28 x 28 --compile true"),
            *("Lightning's tutorial, torchvision's data", "the same, no image a step, torchvision's data"),
        ),
        ticks=2,
    ),
    "epoch_fresh": Row(
        "a step of an epoch, samples of its own for each network",
        ("lightning_gen, gan/dcgan, 28 x 28 --model.shared_samples false", "Lightning's tutorial, torchvision's data"),
        ticks=2,
    ),
    "loading": Row(
        "a batch of 64 images, 28 x 28, ready for the network",
        ("lightning_gen's loader", "torchvision's data set and DataLoader"),
        ticks=1,
        steps=10,
    ),
}


@dataclass
class Side:
    """What is known of a side.

    Attributes:
        readings: One for each turn.
        error: Why it does not run; empty if it does.
    """

    readings: list[Reading] = field(default_factory=list)
    error: str = ""


class Process:
    """A side that runs when it is its turn.

    Args:
        command: The program and its arguments.
        folder: An empty one for what it writes.

    Raises:
        RuntimeError: It ends before its first turn does; with the last line of what it said.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._log = folder / "log.txt"
        with self._log.open("w") as log:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self._read()

    def turn(self) -> Reading:
        """Let it run for a turn.

        Raises:
            RuntimeError: It ends before the turn does.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> Reading:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            said = [line for line in self._log.read_text().splitlines() if line.strip()]
            raise RuntimeError(said[-1].strip() if said else f"ended with status {self._process.wait()}")
        return Reading(**json.loads(line))


def compare(row: Row, turns: int, steps: int, threads: int) -> dict[str, Side]:
    """Let the sides of a row take turns."""
    steps *= row.steps
    program = [sys.executable, str(Path(__file__).with_name("sides.py")), "--threads", str(threads)]
    program += ["--ticks", str(row.ticks * steps), "--steps", str(steps)]
    sides = {name: Side() for name in row.sides}
    processes: dict[str, Process] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, side) in enumerate(sides.items()):
            own = Path(folder, str(number))
            own.mkdir()
            try:
                processes[name] = Process([*program, name], own)
            except RuntimeError as error:
                side.error = str(error)
        for _ in range(turns):
            for name, process in processes.items():
                sides[name].readings.append(process.turn())
        for name, process in processes.items():
            process.end()
            if not all(moved > 0 for moved in sides[name].readings[-1].moved):
                sides[name].error = "its weights do not move, or are not finite"
    return sides


def table(row: Row, sides: dict[str, Side]) -> str:
    """The sides of a row in lines: milliseconds, and how many times as long as the library."""
    columns = (
        row.label,
        "wall ms",
        "processor ms",
        "wall, times as long",
        "processor, times as long",
        "weights moved by",
    )
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    ours = next(iter(sides.values())).readings
    for name, side in sides.items():
        if side.error:
            lines.append(f"| {name} | does not run: {side.error} |{' |' * (len(columns) - 2)}")
            continue
        clocks = ("wall", "processor")
        cells = [f"{1e3 * statistics.median(getattr(each, clock) for each in side.readings):.3g}" for clock in clocks]
        for clock in clocks:
            pairs = zip(side.readings, ours, strict=bool(ours))
            cells.append(spread([getattr(theirs, clock) / getattr(own, clock) for theirs, own in pairs]))
        cells.append(" + ".join(sorted(f"{moved:.2f}" for moved in side.readings[-1].moved)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    notes = {f"{name}: {reading.note}" for name, side in sides.items() for reading in side.readings if reading.note}
    return "\n".join([*lines, "", *(f"{note}\n" for note in sorted(notes))])


def recorded(row: Row, sides: dict[str, Side]) -> dict[str, dict[str, Any]]:
    """What is kept of a row: processor time, as a multiple of the library's."""
    ours, *_ = sides.values()
    kept = {}
    for name, side in list(sides.items())[1:]:
        if not side.error:
            pairs = zip(side.readings, ours.readings, strict=True)
            ratios = [theirs.processor / own.processor for theirs, own in pairs]
            ratio = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
            kept[f"{row.label}: {name}"] = {"processor_ratio": ratio}
    return kept


def spread(values: list[float]) -> str:
    """Median and range."""
    if not values:
        return ""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def versions() -> dict[str, str]:
    """What is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def main() -> None:
    """Parse the options, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--turns", type=int, default=10, help="of each side")
    parser.add_argument("--steps", type=int, default=20, help="of a turn; where nothing trains, ten times as many")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--output", type=Path, help="JSON file for all readings")
    parser.add_argument("--record", action="store_true", help="keep the figures in results/ and write the pages anew")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
    turns = f"{options.threads} thread(s), {options.turns} turns of {options.steps} steps"
    print(f"{machine}; {turns}\n{', '.join(f'{name} {number}' for name, number in versions().items())}\n")
    rows, kept = {}, {}
    for name in options.rows:
        sides = compare(ROWS[name], options.turns, options.steps, options.threads)
        rows[name] = {"label": ROWS[name].label, "sides": {name: asdict(side) for name, side in sides.items()}}
        print(table(ROWS[name], sides), flush=True)
        kept |= recorded(ROWS[name], sides)
        if options.output is not None:
            content = {"machine": machine, "turns": turns, "versions": versions(), "rows": rows}
            options.output.write_text(json.dumps(content, indent=1))
    if options.record:
        installed = ", ".join(f"{name} {number}" for name, number in versions().items() if name != "torch")
        gallery.record("peers", kept, {}, f"{installed}, {turns}")


if __name__ == "__main__":
    main()
