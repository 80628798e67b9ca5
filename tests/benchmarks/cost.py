"""The cost of averaging gradients over devices, calculated: bytes of a step, and the time to send them.

    python tests/benchmarks/cost.py --devices 16 --images 32

Each update sends the gradient of its own network once, 4 bytes a parameter: ``4 (updates · D + G)`` bytes a step, which
`scaling.py` counts. A ring of N devices takes ``2 (N - 1) / N · bytes / bandwidth`` for them, latency left out; where
several devices share a machine's link, the ring passes it once, so that the bandwidth is that of the link.

The time of a step without it is an estimate, to compare with: multiplications and additions at a rate that such
networks reach, and no less than each operation takes to be launched. Both are counted in a step of the reference loop.
"""

import argparse
import contextlib
import io
import json
import shlex
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lightning_gen import GANModule
from lightning_gen.bench.data import batches
from lightning_gen.bench.reference_gan import ReferenceGAN
from lightning_gen.cli.dispatch import run
from lightning_gen.cli.entry import silence

LINKS = {"25 Gb/s Ethernet": 25e9 / 8, "200 Gb/s InfiniBand": 200e9 / 8, "NVLink 450 GB/s": 450e9}
"""Bytes a second in one direction."""

RATE, LAUNCH = 100e12, 5e-6
"""Operations a second, a third of what an A100 does at most in bfloat16, and seconds to launch a kernel."""

SHORT = (
    *("--trainer.accelerator", "cpu", "--trainer.fast_dev_run", "1", "--trainer.limit_val_batches", "0"),
    *("--data.batch_size", "4"),
)
"""Options of a run that builds the networks and does little else."""

RECIPES = {
    "`gan/dcgan`": "gan/dcgan",
    "`gan/sngan`": "gan/sngan",
    "`gan/r3gan`": "gan/r3gan",
    "`gan/dcgan`, 64 x 64, width 128": (
        "gan/dcgan --data.size 64 --model.generator.width 128 --model.discriminator.width 128"
    ),
    "`gan/sngan` as in its paper": (
        "gan/sngan --model.generator.width 256 --model.generator.growth 1"
        " --model.discriminator.width 128 --model.discriminator.growth 1"
    ),
    "`gan/r3gan` as in its paper": (
        "gan/r3gan --model.generator.width 768 --model.generator.growth 1 --model.generator.blocks 2"
        " --model.discriminator.width 768 --model.discriminator.growth 1 --model.discriminator.blocks 2"
    ),
}
"""As they are shipped and, for images of 32 x 32 unless it says otherwise, at sizes of papers."""


@dataclass(frozen=True)
class Cost:
    """The cost of a step of a recipe.

    Attributes:
        generator: Trained parameters.
        discriminator: The same.
        updates: Updates of the discriminator for one of the generator.
        flops: Multiplications and additions of a step for each image of a batch.
        launches: Operations of a step.
    """

    generator: int
    discriminator: int
    updates: int
    flops: float
    launches: int

    @property
    def sent(self) -> int:
        """Bytes of gradients in a step."""
        return 4 * (self.updates * self.discriminator + self.generator)

    def on_the_way(self, bandwidth: float, devices: int) -> float:
        """Seconds that a ring takes for them."""
        return 2 * (devices - 1) / devices * self.sent / bandwidth

    def at_work(self, images: int) -> float:
        """Seconds of a step of one device on so many images, without averaging; an estimate."""
        return max(images * self.flops / RATE, self.launches * LAUNCH)


class Work(TorchDispatchMode):
    """A context manager that counts operations.

    Attributes:
        flops: Multiplications and additions of convolutions and products of matrices.
        launches: Operations, but for views and allocations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.launches = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        result = func(*args, **given)
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **given, out_val=result)
        self.launches += not func.is_view and "empty" not in func.name()
        return result


class Count(Callback):
    """Counts a step of the networks that a run would train.

    Args:
        file: Where the `Cost` goes, as JSON.
    """

    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_start(self, trainer: Trainer, pl_module: GANModule) -> None:
        """Take one step of the reference loop, and no other."""
        stream = batches(trainer.datamodule, pl_module.num_classes is not None, pl_module.device)
        hand = ReferenceGAN(pl_module, stream, torch.Generator().manual_seed(0))
        for optimizer in (hand.d_optimizer, hand.g_optimizer):
            optimizer.param_groups[0]["foreach"] = True  # as on GPUs: all parameters in a few launches
        with Work() as work:
            hand.step()
        cost = Cost(
            *(sum(p.numel() for p in network.parameters()) for network in (hand.generator, hand.discriminator)),
            pl_module.discriminator_updates,
            work.flops / trainer.datamodule.batch_size,
            work.launches,
        )
        Path(self.file).write_text(json.dumps(asdict(cost)))


def count(recipe: str) -> Cost:
    """The cost of a step of a recipe."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/cost.json"
        counting = {"class_path": f"{__name__}.Count", "init_args": {"file": file}}
        options = [f"--trainer.callbacks+={json.dumps(counting)}", *SHORT, "--runs_dir", folder]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run(["fit", "--config", *shlex.split(recipe), *options])
        return Cost(**json.loads(Path(file).read_text()))


def line(label: str, cost: Cost, devices: int, images: int) -> str:
    """A row of the table."""
    sizes = f"{cost.generator / 1e6:.1f} + {cost.discriminator / 1e6:.1f}"
    ways = [f"{1e3 * cost.on_the_way(bandwidth, devices):.2f} ms" for bandwidth in LINKS.values()]
    row = [label, sizes, str(cost.updates), f"{cost.sent / 1e6:.1f} MB", *ways, f"{1e3 * cost.at_work(images):.0f} ms"]
    return f"| {' | '.join(row)} |"


def main() -> None:
    """Parse the options, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", help="recipes, each with options of fit if quoted")
    parser.add_argument("--devices", type=int, default=16, help="devices in the ring")
    parser.add_argument("--images", type=int, default=32, help="images of a batch on each device")
    options = parser.parse_args()
    silence()
    recipes = {recipe: recipe for recipe in options.recipes} if options.recipes else RECIPES
    columns = ["recipe", "G + D, million", "updates of D", "sent a step", *LINKS, "a step without, at least about"]
    print(f"{options.devices} devices, {options.images} images on each\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for label, recipe in recipes.items():
        print(line(label, count(recipe), options.devices, options.images), flush=True)


if __name__ == "__main__":
    main()
