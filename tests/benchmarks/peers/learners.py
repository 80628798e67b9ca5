"""The sides of the comparison by quality: each trains on the pictures of a folder for a processor time, and draws.

All train in one process and one thread, which loads the pictures too, and at their own defaults but for what `SIDES`
says. The time is that of the whole process from the call of a side on: building, training, and the samples and
checkpoints that it writes meanwhile; not the imports of torch and of this library, nor the draws.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import without_cuda
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from lightning_gen.applications import Trained
from lightning_gen.cli import dispatch
from lightning_gen.training.overhead import keep_memory

sys.path.insert(0, str(Path(__file__).parents[1]))
from folder_quality import samples  # of the folder above

ENDLESS = 10**9
AVERAGES_FROM = 20_000
"""The update after which lightweight-gan and stylegan2_pytorch begin to average; until then they copy the weights from
time to time. What is drawn is the generator itself until then, which is newer than the copy."""
LIGHTWEIGHT: dict[str, Any] = {"attn_res_layers": [32], "disc_output_size": 1, "use_aim": False}
"""What the command line of lightweight-gan sets where its Trainer has another default, without the logger aim."""
STYLEGAN2: dict[str, Any] = {"ttur_mult": 1.5, "aug_prob": 0.25}
"""The same of stylegan2_pytorch, with augmentation, without which its discriminator knows few pictures by heart."""
UNSPLIT = {"batch_size": 16, "gradient_accumulate_every": 1}
"""Batches of both: 10 images four times and 5 images six times by default, which a CPU has no need of and which would
leave them less than half of the updates. For the same reason stylegan2_pytorch has half of its channels."""
DEFAULT_PSI, FULL_PSI = 0.75, 1.0
"""Truncations: that of the command line of stylegan2_pytorch, and none."""


@dataclass(frozen=True)
class Task:
    """What a side is asked for.

    Attributes:
        folder: The pictures.
        size: Their side in pixels.
        seconds: Processor time.
        seed: Of weights, batches and draws.
        count: How many samples are drawn.
    """

    folder: Path
    size: int
    seconds: float
    seed: int
    count: int


@dataclass(frozen=True)
class Learned:
    """What a side made of it.

    Attributes:
        draws: Samples, uint8 ``(count, 3, size, size)``, by how they were drawn.
        images: Real images that the discriminator saw.
        updates: Updates of the generator.
        seconds: Processor time of the training.
    """

    draws: dict[str, Tensor]
    images: int
    updates: int
    seconds: float


class StopAt(Callback):
    """Ends a run of Lightning after the batch in which the process has used so much processor time.

    Args:
        until: The time in seconds, by ``time.process_time``.
    """

    def __init__(self, until: float) -> None:
        self.until = until

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        trainer.should_stop = time.process_time() >= self.until


def fit(recipe: str) -> Callable[[Task], Learned]:
    """Train by the command line, as it is by default."""

    def run(task: Task) -> Learned:
        since = time.process_time()
        stop = {"class_path": "learners.StopAt", "init_args": {"until": since + task.seconds}}
        every = ("--data.folder", str(task.folder), "--data.size", str(task.size))
        every += ("--data.val_fraction", "0", "--data.test_fraction", "0")
        run = ("--max_images", str(ENDLESS), "--seed_everything", str(task.seed), "--runs_dir", ".", "--name", "run")
        machine = ("--trainer.accelerator", "cpu", f"--trainer.callbacks+={json.dumps(stop)}")
        dispatch.run(["fit", "--config", recipe, *every, *run, *machine])
        seconds = time.process_time() - since
        trained = Trained.open("run")
        batch = trained.stored["datamodule_hyper_parameters"]["batch_size"]
        images = trained.module.images_seen
        draws = {"averaged": samples(trained, task.count, task.seed, None)}
        return Learned(draws, images, images // batch, seconds)

    return run


def lightweight_gan(**options: Any) -> Callable[[Task], Learned]:
    """Train by lightweight-gan's Trainer.

    The grids that it draws in its first updates take 10 GB at 64 pixels, and all memory of 24 GB if the process keeps
    what it frees, which the others gain by.
    """

    def run(task: Task) -> Learned:
        since = time.process_time()
        package = without_cuda.imported("lightweight_gan")
        with without_cuda.OnCPU():
            trainer = package.Trainer(base_dir=".", image_size=task.size, num_workers=0, **LIGHTWEIGHT, **options)
            seconds = trained_by(trainer, task, since)
            latents = torch.randn(task.count, trainer.GAN.latent_dim)
            drawn = trainer.generate_(trainer.GAN.GE if trainer.steps > AVERAGES_FROM else trainer.GAN.G, latents)
        return learned({"": drawn}, trainer, seconds)

    return run


def stylegan2(**options: Any) -> Callable[[Task], Learned]:
    """Train by stylegan2_pytorch's Trainer."""

    def run(task: Task) -> Learned:
        since = time.process_time()
        keep_memory()  # as `fit` does
        without_cuda.imported("stylegan2_pytorch")
        from stylegan2_pytorch.stylegan2_pytorch import Trainer, image_noise, noise_list

        with without_cuda.OnCPU():
            trainer = Trainer(base_dir=".", image_size=task.size, num_workers=0, **STYLEGAN2, **options)
            seconds = trained_by(trainer, task, since)
            gan = trainer.GAN
            networks = (gan.SE, gan.GE) if trainer.steps > AVERAGES_FROM else (gan.S, gan.G)
            latents = noise_list(task.count, gan.G.num_layers, gan.G.latent_dim, device=0)
            noise = image_noise(task.count, task.size, device=0)
            drawn = {
                f"truncated to {psi:g}": trainer.generate_truncated(*networks, latents, noise, trunc_psi=psi)
                for psi in (DEFAULT_PSI, FULL_PSI)
            }
        return learned(drawn, trainer, seconds)

    return run


def trained_by(trainer: Any, task: Task, since: float) -> float:
    """Let a Trainer of both packages, which have one author and one interface, train.

    Returns:
        The processor time since `since`.
    """
    trainer.clear()
    trainer.set_data_src(str(task.folder))
    trainer.train()  # builds the networks
    while time.process_time() - since < task.seconds:
        trainer.train()
    seconds = time.process_time() - since
    trainer.GAN.eval()
    torch.manual_seed(task.seed)
    return seconds


def learned(drawn: dict[str, Tensor], trainer: Any, seconds: float) -> Learned:
    """What such a Trainer made of it; images are in [0, 1] there."""
    draws = {how: (x * 255).round().to(torch.uint8) for how, x in drawn.items()}
    images = trainer.steps * trainer.gradient_accumulate_every * trainer.batch_size
    return Learned(draws, images, trainer.steps, seconds)


SIDES: dict[str, Callable[[Task], Learned]] = {
    "gan/projected": fit("gan/projected"),
    "lightweight-gan": lightweight_gan(**UNSPLIT),
    "stylegan2_pytorch": stylegan2(network_capacity=8, **UNSPLIT),
}


def main() -> None:
    """Run one side in the current folder, and leave what it made in a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, help="file of torch for what is drawn and counted")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seeded in (torch.manual_seed, random.seed, np.random.seed):
        seeded(given.seed)
    found = SIDES[given.side](Task(given.folder, given.size, given.seconds, given.seed, given.count))
    torch.save(vars(found), given.output)


if __name__ == "__main__":
    main()
