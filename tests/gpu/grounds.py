"""Short runs of recipes on the device of a proof: their data, their sizes, what watches them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from proof import Ground

from lightning_gen import cli
from lightning_gen.bench.records import Run
from lightning_gen.bench.run import measured, quiet
from lightning_gen.callbacks import Compile
from lightning_gen.cli import callbacks
from lightning_gen.training import GenerativeModule

BATCH = {"cuda": 64, "cpu": 8}
IMAGES = {"cuda": 32768, "cpu": 256}
PIXELS = {"cuda": 32, "cpu": 16}
SEVERAL = 10**9
"""More images than any run here sees."""


@dataclass(frozen=True)
class Game:
    """A recipe, and the options that make it one for a proof.

    Attributes:
        recipe: Its name.
        small: Options that make its networks small, for a CPU.
        always: Options for any device.
    """

    recipe: str
    small: tuple[str, ...]
    always: tuple[str, ...] = ()


PLAYERS = ("--model.generator.width=4", "--model.discriminator.width=4")
CODERS = ("--model.encoder.width=4", "--model.decoder.width=4")
DCGAN = Game("gan/dcgan", PLAYERS)
RPGAN = Game("gan/rpgan", PLAYERS)
R3GAN = Game("gan/r3gan", PLAYERS)
ADA = Game("gan/ada", PLAYERS, ("--model.augmentation.target=null", "--model.augmentation.probability=0.5"))
VAE = Game("autoencoder/vae", CODERS)
VQ_VAE = Game("autoencoder/vq_vae", (*CODERS, "--model.bottleneck.codes=8"))
PLAIN = Game("autoencoder/convolutional", CODERS)
VQ_GAN = Game(
    "autoencoder/vq_gan",
    (*CODERS, "--model.bottleneck.codes=8", "--model.discriminator.width=4", "--model.discriminator.depth=1"),
    ("--model.discriminator_start_images=24",),
)
COLORIZE = Game("translation/colorize", (*PLAYERS, "--model.discriminator.depth=1"))

REFLECTED = Game(
    "translation/colorize",
    ("--model.discriminator.width=4", "--model.discriminator.depth=1"),
    ("--model.generator={class_path: ResNetTranslator, init_args: {width: 8, blocks: 3}}",),
)
"""The networks of CycleGAN, whose borders are reflected."""


def data(ground: Ground, batch: int | None = None) -> str:
    """The option of data that are held in memory: smooth noise in colour, the same each time."""
    file = ground.folder / "pictures.npy"
    if not file.exists():
        coarse = np.random.default_rng(0).integers(0, 256, (IMAGES[ground.device], 3, 8, 8), dtype=np.uint8)
        factor = PIXELS[ground.device] // 8
        np.save(file, coarse.repeat(factor, 2).repeat(factor, 3))
    settings = {"path": str(file), "batch_size": batch or BATCH[ground.device]}
    return f"--data={json.dumps({'class_path': 'Tensors', 'init_args': settings})}"


def words(ground: Ground, game: Game, *more: str, batch: int | None = None) -> list[str]:
    """The words after ``fit`` of a short run without reports, on one device."""
    return [
        *("--config", game.recipe, data(ground, batch), *game.always, *(game.small if ground.small else ())),
        *(f"--trainer.accelerator={ground.device}", "--trainer.devices=1", "--trainer.enable_progress_bar=false"),
        *("--trainer.limit_val_batches=0", "--trainer.num_sanity_val_steps=0", f"--log_every_images={SEVERAL}"),
        *more,
    ]


def precision(ground: Ground, name: str) -> list[str]:
    """The options of a precision; Lightning has no float16 on a CPU by name, but by its plugin."""
    if name == "16-mixed" and ground.small:
        arguments = {"precision": name, "device": "cpu"}
        plugin = {"class_path": "lightning.pytorch.plugins.MixedPrecision", "init_args": arguments}
        return [f"--trainer.plugins={json.dumps([plugin])}"]
    return [f"--trainer.precision={name}"]


def trained(ground: Ground, game: Game, batches: int, *more: str, watch: Callback | None = None) -> Trainer:
    """Train a game for some batches; returns its Trainer."""
    images = f"--max_images={batches * BATCH[ground.device]}"
    with watched(watch), quiet():
        return cli.fit(words(ground, game, images, f"--runs_dir={ground.folder / 'runs'}", *more))


def benched(ground: Ground, game: Game, steps: int, *more: str, batch: int | None = None, beside: bool = True) -> Run:
    """Measure a game as ``bench`` does."""
    return measured(cli.fit, words(ground, game, *more, batch=batch), max(steps // 4, 2), steps, beside)


@contextmanager
def compiler(ground: Ground) -> Iterator[None]:
    """Compile by generated code on a GPU; on a CPU, on which that takes a minute, by tracing alone."""
    if not ground.small:
        yield
        return
    with mock.patch.object(callbacks, "Compile", partial(Compile, backend="aot_eager")):
        yield


@contextmanager
def products(tf32: bool) -> Iterator[None]:
    """Set whether a GPU rounds the factors of products and convolutions to TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def last(ground: Ground, name: str) -> Path:
    """The last checkpoint of a run."""
    return ground.folder / "runs" / name / "checkpoints" / "last.ckpt"


@contextmanager
def watched(callback: Callback | None) -> Iterator[None]:
    """Give the runs inside a callback, where there is one."""
    if callback is None:
        yield
        return
    original = GenerativeModule.configure_callbacks
    with mock.patch.object(GenerativeModule, "configure_callbacks", lambda module: [*original(module), callback]):
        yield
