"""The time of one training step of a GAN: through the library, with everything on, against a loop written by hand.

    python tests/benchmarks/gan_step.py

The library's side is what ``fit`` does: the Trainer with TensorBoard, the callbacks of a run, the data module. The
loop by hand has the same networks, batches out of the same uint8 tensor scaled per batch, the same optimizers, and
nothing else; the average of the generator's weights is done with one call, or left out.

The sides take turns step by step inside one process, so that whatever else the machine does meets all of them alike.
Processor time leaves out what other processes took; it is the figure to trust on a shared machine.
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
Moment = tuple[float, float]
SIDES = ("library", "by hand", "by hand, no EMA")


def dcgan() -> tuple[nn.Module, nn.Module]:
    """The networks of configs/gan/dcgan.yaml."""
    return DCGANGenerator(SHAPE, LATENT, width=32), DCGANDiscriminator(SHAPE, width=32)


def dense() -> tuple[nn.Module, nn.Module]:
    """Networks so small that nearly all the time is spent around them."""
    return DenseGenerator(SHAPE, LATENT, widths=(64,)), DenseDiscriminator(SHAPE, widths=(64,))


def now() -> Moment:
    """Wall time and processor time in seconds."""
    return time.perf_counter(), time.process_time()


class Turns(Callback):
    """Lets the loops by hand take a step between the steps of the Trainer, and times all three.

    A step of the library lasts from the start of a batch to the start of the next one: what the loop, the loader, the
    logger and all callbacks do is in it.

    Args:
        loops: The loops by hand; each ``next`` is a step.
        warm_up: Steps that are not timed.
    """

    def __init__(self, loops: dict[str, Iterator[None]], warm_up: int) -> None:
        self.loops = loops
        self.warm_up = warm_up
        self.times: dict[str, list[Moment]] = {side: [] for side in SIDES}
        self._since: Moment | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: GANModule, batch: Tensor, batch_idx: int) -> None:
        """Stop the library's clock, step by hand, start it again."""
        if self._since is not None:
            self._note("library", pl_module.rounds, self._since)
        for side, loop in self.loops.items():
            start = now()
            next(loop)
            self._note(side, pl_module.rounds, start)
        self._since = now()

    def _note(self, side: str, step: int, start: Moment) -> None:
        if step > self.warm_up:
            wall, cpu = now()
            self.times[side].append((wall - start[0], cpu - start[1]))


def run(networks: Networks, warm_up: int, steps: int) -> dict[str, list[Moment]]:
    """Seconds of each step of each side, the library's with the callbacks of a run."""
    generator, discriminator = networks()
    options = {"generator_optimizer": ADAM, "discriminator_optimizer": ADAM, "ema": EMA()}
    module = GANModule(generator, discriminator, NonSaturating(), **options)
    data = Digits(SIZE, batch_size=BATCH)
    data.setup()
    images = data.train_set.x[data.train_set.rows]
    turns = Turns({side: by_hand(networks, images, side == "by hand") for side in SIDES[1:]}, warm_up)
    length = BATCH * (warm_up + steps + 1)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            *(turns, ImageProgress(), MaxImages(length), LogEveryImages(50 * BATCH), Throughput()),
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
        trainer.fit(module, data)
    return turns.times


def batches(images: Tensor) -> Iterator[Tensor]:
    """Shuffled batches without end, scaled to [-1, 1] one by one."""
    while True:
        for rows in torch.randperm(len(images)).split(BATCH):
            if len(rows) == BATCH:
                yield images[rows].float().div_(127.5).sub_(1)


def by_hand(networks: Networks, images: Tensor, averaged: bool) -> Iterator[None]:
    """A plain loop, one step at a time."""
    generator, discriminator = networks()
    average = copy.deepcopy(generator).requires_grad_(False)
    players = ADAM(generator.parameters()), ADAM(discriminator.parameters())
    for real in batches(images):
        play(generator, discriminator, *players, real)
        if averaged:
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), 0.01)
                if buffers := list(average.buffers()):
                    torch._foreach_copy_(buffers, list(generator.buffers()))
        yield


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
    """Measure a few times and print medians, spread and ratios."""
    runs = [run(networks, warm_up, steps) for _ in range(repeats)]
    print(f"\n{name}: ms per step, {repeats} runs of {steps} steps of {BATCH} images: median (lowest to highest run)")
    print(f"{'':20}{'wall time, median':28}processor time, mean")
    walls = {side: [statistics.median(wall for wall, _ in times[side]) for times in runs] for side in SIDES}
    cpus = {side: [statistics.fmean(cpu for _, cpu in times[side]) for times in runs] for side in SIDES}
    for side in SIDES:
        print(f"  {side:18}{spread(walls[side]):28}{spread(cpus[side])}")
    for side in SIDES[1:]:
        print(f"  library / {side:18}  wall {ratio(walls, side)}   processor {ratio(cpus, side)}")


def spread(seconds: list[float]) -> str:
    """Median and range in milliseconds."""
    return f"{1e3 * statistics.median(seconds):.2f} ({1e3 * min(seconds):.2f} to {1e3 * max(seconds):.2f})"


def ratio(seconds: dict[str, list[float]], side: str) -> str:
    """How many times as long the library takes, median and range over the runs, and the median difference."""
    pairs = list(zip(seconds["library"], seconds[side], strict=True))
    ratios = [ours / theirs for ours, theirs in pairs]
    more = statistics.median(ours - theirs for ours, theirs in pairs)
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {1e3 * more:+.2f} ms"


def main() -> None:
    """Parse the options, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; more say little on a shared machine")
    parser.add_argument("--repeats", type=int, default=3, help="runs")
    parser.add_argument("--steps", type=int, default=60, help="timed steps of a run; three times as many when dense")
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
