"""The time of a Fréchet distance of many features, beside torchmetrics and scipy's root of a matrix.

    python tests/benchmarks/frechet.py --features 10000 --dimensions 2048 --threads 1 2 --output frechet.json

The features are drawn in float64: two sets whose covariances have no direction in common, and spectra that fall by a
thousand, as those of networks do. For the library also the time with cached statistics of real features is shown.
For scipy the time is that of the root alone, ``sqrtm(cov(x) @ cov(y))``; torchmetrics takes the eigenvalues of that
product, and adds up its moments before. All are interleaved in one process. Processor time is that of all threads.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
import scipy.linalg
import torch
import torchmetrics
from threadpoolctl import threadpool_limits
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from lightning_gen.metrics import GaussianStatistics, frechet_distance

FALL = 1e-3
"""The least deviation along a direction, where the largest is 1."""

OURS, KEPT = "lightning_gen", "the same, statistics of one set kept"
TORCHMETRICS, SCIPY = "torchmetrics", "scipy's sqrtm"


class Given(torch.nn.Identity):
    """Replaces the network that torchmetrics expects for features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def features(n: int, dimensions: int, seed: int) -> Tensor:
    """Features ``(n, dimensions)``."""
    rng = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(dimensions, dimensions, generator=rng, dtype=torch.float64)).Q
    deviations = torch.logspace(0, np.log10(FALL), dimensions, dtype=torch.float64)
    return torch.randn(n, dimensions, generator=rng, dtype=torch.float64) * deviations @ turn + seed / dimensions**0.5


def by_torchmetrics(x: Tensor, y: Tensor) -> float:
    """The distance from general eigenvalues of the product of the covariances."""
    metric = FrechetInceptionDistance(Given(x.shape[1])).set_dtype(torch.float64)
    metric.update(x, real=True)
    metric.update(y, real=False)
    return metric.compute().item()


class ByScipy:
    """The distance from the root of the product of the covariances; only the root is left for the call.

    Args:
        x: Features.
        y: Features.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        a, b = x.T.cov(), y.T.cov()
        self.rest = ((x.mean(dim=0) - y.mean(dim=0)).square().sum() + a.trace() + b.trace()).item()
        self.product = (a @ b).numpy()

    def __call__(self) -> float:
        return self.rest - 2 * float(np.trace(scipy.linalg.sqrtm(self.product)).real)


def ways(n: int, dimensions: int) -> dict[str, Callable[[], float]]:
    """The compared functions, without arguments."""
    x, y = features(n, dimensions, seed=0), features(n, dimensions, seed=1)
    real = GaussianStatistics.of(y)
    return {
        OURS: lambda: frechet_distance(x, y).item(),
        KEPT: lambda: GaussianStatistics.of(x).distance(real).item(),
        TORCHMETRICS: partial(by_torchmetrics, x, y),
        SCIPY: ByScipy(x, y),
    }


class Turn(NamedTuple):
    """One call: wall and processor seconds, and the distance."""

    wall: float
    processor: float
    distance: float


def timed(way: Callable[[], float]) -> Turn:
    """Call it."""
    wall, processor = time.perf_counter(), time.process_time()
    distance = way()
    return Turn(time.perf_counter() - wall, time.process_time() - processor, distance)


def line(turns: dict[str, list[Turn]], name: str) -> str:
    """A row of the table: seconds, how many times ours, and the difference of the distances."""
    cells = []
    for kind in ("processor", "wall"):
        seconds, ours = ([getattr(turn, kind) for turn in turns[which]] for which in (name, OURS))
        ratio = statistics.median(theirs / own for theirs, own in zip(seconds, ours, strict=True))
        spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
        cells.append(f"{spread:22}{ratio:6.2f}   ")
    difference = turns[name][0].distance - turns[SCIPY][0].distance
    return f"{''.join(cells)}{difference:10.1e}   {name}"


def main() -> None:
    """Parse the options, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=10_000, help="features of each set")
    parser.add_argument("--dimensions", type=int, default=2048, help="dimensions of the features")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="threads, one table each")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--output", type=Path, help="a JSON file for what is printed, round by round")
    options = parser.parse_args()
    versions = f"torch {torch.__version__}, torchmetrics {torchmetrics.__version__}, scipy {scipy.__version__}"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {versions}"
    size = f"{options.features} x {options.dimensions}"
    print(f"{machine}; {size}, {options.repeats} round(s), median and range")
    compared, found = ways(options.features, options.dimensions), []
    for threads in options.threads:
        torch.set_num_threads(threads)
        load = os.getloadavg()
        with threadpool_limits(threads):  # scipy has threads of its own
            rounds = [{name: timed(way) for name, way in compared.items()} for _ in range(options.repeats)]
        turns = {name: [each[name] for each in rounds] for name in compared}
        found.append({"threads": threads, "load": load, "wall, processor, distance": turns})
        print(f"\n{threads} thread(s), load {load[0]:.2f}; distance {turns[SCIPY][0].distance:.6f}")
        print(f"{'processor s':22}{'x ours':9}{'wall s':22}{'x ours':9}{'difference':>10}")
        print("\n".join(line(turns, name) for name in compared), flush=True)
    if options.output is not None:
        options.output.write_text(json.dumps({"machine": machine, "size": size, "tables": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
