"""The time of one training step of a GAN: through the library, with everything on, against a loop written by hand.

    python tests/benchmarks/gan_step.py

The library's side is what ``fit`` does: the Trainer with TensorBoard, the callbacks of a run, the data module. The
loop by hand has the same networks, batches out of the same uint8 tensor scaled per batch, the same optimizers, and
nothing else; the average of the generator's weights is done with one call, or left out. Both sides run in turns in one process.
"""

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from lightning_gen import GANModule
from lightning_gen.callbacks import (
    ImageCheckpoint,
    ImageProgress,
    LogEveryImages,
    MaxImages,
    RunFolder,
    SampleGrid,
    Throughput,
)
from lightning_gen.cli import quieten
from lightning_gen.data import Digits
from lightning_gen.modules import EMA
from lightning_gen.networks import DCGANDiscriminator, DCGANGenerator, DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import NonSaturating

BATCH, SIZE, LATENT = 64, 32, 64
SHAPE = (1, SIZE, SIZE)
ADAM = partial(torch.optim.Adam, lr=4e-4, betas=(0.5, 0.999))
TARGET = 1.10
Networks = Callable[[], tuple[nn.Module, nn.Module]]
Times = tuple[float, float]


def dcgan() -> tuple[nn.Module, nn.Module]:
    """The networks of configs/gan/dcgan.yaml."""
    return DCGANGenerator(SHAPE, LATENT, width=32), DCGANDiscriminator(SHAPE, width=32)


def dense() -> tuple[nn.Module, nn.Module]:
    """Networks so small that nearly all the time is spent around them."""
    return DenseGenerator(SHAPE, LATENT, widths=(64,)), DenseDiscriminator(SHAPE, widths=(64,))


class Clock(Callback):
    """Takes the times of the steps after the first ones, from the start of one to the start of the next."""

    def __init__(self, warm_up: int, steps: int) -> None:
        self.first, self.last = warm_up, warm_up + steps
        self.times: list[Times] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: GANModule, batch: Tensor, batch_idx: int) -> None:
        """Note the time."""
        if pl_module.rounds in (self.first, self.last):
            self.times.append((time.perf_counter(), time.process_time()))

    def per_step(self) -> Times:
        """Seconds of wall time and of processor time."""
        (wall, cpu), (wall_end, cpu_end) = self.times
        return (wall_end - wall) / (self.last - self.first), (cpu_end - cpu) / (self.last - self.first)


def library(networks: Networks, warm_up: int, steps: int) -> Times:
    """Seconds of a step through the Trainer, with the callbacks of a run."""
    generator, discriminator = networks()
    options = {"generator_optimizer": ADAM, "discriminator_optimizer": ADAM, "ema": EMA()}
    module = GANModule(generator, discriminator, NonSaturating(), **options)
    images = BATCH * (warm_up + steps + 1)
    clock = Clock(warm_up, steps)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            *(clock, ImageProgress(images), MaxImages(images), LogEveryImages(50 * BATCH), Throughput()),
            *(RunFolder(folder, ""), SampleGrid(25_000, Path(folder)), ImageCheckpoint(50_000, folder)),
        ]
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=-1,
            callbacks=callbacks,
            logger=TensorBoardLogger(folder, "", version="", default_hp_metric=False),
            enable_model_summary=False,
            limit_val_batches=0,  # how often to validate is the user's choice, not a cost of a step
        )
        trainer.fit(module, Digits(SIZE, batch_size=BATCH))
    return clock.per_step()


def batches(images: Tensor) -> Iterator[Tensor]:
    """Shuffled batches without end, scaled to [-1, 1] one by one."""
    while True:
        for rows in torch.randperm(len(images)).split(BATCH):
            if len(rows) == BATCH:
                yield images[rows].float().div_(127.5).sub_(1)


def by_hand(networks: Networks, warm_up: int, steps: int, averaged: bool) -> Times:
    """Seconds of a step of a plain loop."""
    generator, discriminator = networks()
    average = copy.deepcopy(generator).requires_grad_(False)
    players = ADAM(generator.parameters()), ADAM(discriminator.parameters())
    data = Digits(SIZE, batch_size=BATCH)
    data.setup()
    real_batches = batches(data.train_set.x[data.train_set.rows])
    start = (0.0, 0.0)
    for step in range(warm_up + steps):
        if step == warm_up:
            start = (time.perf_counter(), time.process_time())
        play(generator, discriminator, *players, next(real_batches))
        if averaged:
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), 0.01)
                if buffers := list(average.buffers()):
                    torch._foreach_copy_(buffers, list(generator.buffers()))
    return (time.perf_counter() - start[0]) / steps, (time.process_time() - start[1]) / steps


def play(
    generator: nn.Module, discriminator: nn.Module, g_adam: torch.optim.Adam, d_adam: torch.optim.Adam, real: Tensor
) -> None:
    """One update of each network."""
    softplus = nn.functional.softplus
    with torch.no_grad():
        fake = generator(torch.randn(BATCH, LATENT))
    d_adam.zero_grad()
    (softplus(-discriminator(real)).mean() + softplus(discriminator(fake)).mean()).backward()
    d_adam.step()
    g_adam.zero_grad()
    discriminator.requires_grad_(False)
    softplus(-discriminator(generator(torch.randn(BATCH, LATENT)))).mean().backward()
    discriminator.requires_grad_(True)
    g_adam.step()


def compare(name: str, networks: Networks, repeats: int, warm_up: int, steps: int) -> None:
    """Run the three sides in turns and print their medians."""
    sides = {
        "library": partial(library, networks),
        "by hand": partial(by_hand, networks, averaged=True),
        "by hand, no EMA": partial(by_hand, networks, averaged=False),
    }
    found: dict[str, list[Times]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, measure in sides.items():
            found[side].append(measure(warm_up=warm_up, steps=steps))
    print(f"\n{name}: {repeats} x {steps} steps of {BATCH} images, ms per step: median (lowest to highest)")
    print(f"{'':18}{'wall time':28}processor time")
    for side, times in found.items():
        print(f"  {side:16}" + "".join(f"{spread([kind[i] for kind in times]):28}" for i in (0, 1)).rstrip())
    for side in list(sides)[1:]:
        print(f"  library / {side}: " + ", ".join(ratio(found, side, i) for i in (0, 1)))


def spread(seconds: list[float]) -> str:
    """Median and range in milliseconds."""
    return f"{1e3 * statistics.median(seconds):.2f} ({1e3 * min(seconds):.2f} to {1e3 * max(seconds):.2f})"


def ratio(found: dict[str, list[Times]], side: str, kind: int) -> str:
    """How many times as long the library takes, from the median of each side, and the difference."""
    ours, theirs = (statistics.median(times[kind] for times in found[name]) for name in ("library", side))
    name = ("wall", "processor")[kind]
    return f"{ours / theirs:.3f} ({1e3 * (ours - theirs):+.2f} ms) {name}"


def main() -> None:
    """Parse the options, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; more say little on a shared machine")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side")
    parser.add_argument(
        "--steps", type=int, default=100, help="timed steps of a turn with the DCGAN; three times as many dense"
    )
    parser.add_argument("--warm_up", type=int, default=10, help="steps before them")
    options = parser.parse_args()
    quieten()
    torch.set_num_threads(options.threads)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {os.cpu_count()} cores (load {load}), torch {torch.__version__}"
    print(f"{machine}, {options.threads} thread(s)")
    compare("DCGAN 32x32, width 32", dcgan, options.repeats, options.warm_up, options.steps)
    compare("dense 64", dense, options.repeats, options.warm_up, 3 * options.steps)
    print(f"\ntarget: library / by hand at most {TARGET:.2f} with the DCGAN")


if __name__ == "__main__":
    main()
