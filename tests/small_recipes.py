"""Every recipe, at a size at which a test can train it."""

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_gen.cli import recipes, shares

RECIPES = [name for name in recipes.names() if name.split("/")[0] not in ("data", "trainer")]
DIFFERENT = (
    "autoencoder/vae",
    "autoencoder/hierarchical_vae",
    "autoencoder/vq_vae",
    "autoencoder/adversarial",
    "autoencoder/vq_gan",
    "gan/dcgan",
    "gan/acgan",
    "gan/rpgan",
    "gan/wgan_gp",
    "translation/pix2pix",
    "translation/cyclegan",
    "translation/cut",
)
"""Recipes that differ in kind: one a module, and one for what a run of that module keeps beside its networks."""
PRESETS = tuple(name for name in RECIPES if name.startswith("gan/r3gan_") or name.endswith(("_128", "_256")))
"""Recipes of the same parts as another one, in the sizes of a paper."""
STAND_IN = ["--data={class_path: Digits, init_args: {size: 8, batch_size: 8, mirror: true}}"]
"""Data in the place of those that a test does not have."""
FEW_PLUCKS = [
    "--data={class_path: Plucks, init_args: {length: 256, batch_size: 8, decays: 2, brightnesses: 2, plucks: 2}}"
]
SMALLEST_OF_LITE0 = ["--data={class_path: Digits, init_args: {size: 32, batch_size: 8}}"]


@cache
def folder_of_pairs():
    """A folder of 48 small colour pictures and of as many others, removed at the end of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="pairs"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for side in "AB":
        (folder / side).mkdir()
        for index in range(48):
            pixels = np.random.default_rng([index, ord(side)]).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{index}.png")
    return folder


@cache
def file_of_text():
    """A file of 400 short lines, removed at the end of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="text"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    lines = "".join(f"Line number {index} speaks of apples, {index} pears and ripe plums.\n" for index in range(400))
    (folder / "book.txt").write_text(lines)
    return folder / "book.txt"


def of_pairs(kind, folder=""):
    """Data in the place of those of a recipe for translation: pairs, or one side of them."""
    settings = f"folder: {folder_of_pairs() / folder}, cache_dir: {folder_of_pairs() / 'cache'}"
    return [f"--data={{class_path: {kind}, init_args: {{{settings}, size: 16, batch_size: 8}}}}"]


SMALL = {
    "DCGANGenerator": ["--model.generator.width=4"],
    "DCGANDiscriminator": ["--model.discriminator.width=4"],
    "ConvEncoder": ["--model.encoder.width=4"],
    "ConvDecoder": ["--model.decoder.width=4"],
    "PatchDiscriminator": ["--model.discriminator.width=4", "--model.discriminator.depth=1"],
    "discriminator_start_images": ["--model.discriminator_start_images=24"],
    "class_path: Sines": ["--data.count=200"],
    "class_path: Solids": ["--data.count=200", "--data.size=8"],
    "class_path: TextLines": lambda: [f"--data.path={file_of_text()}", "--data.length=32"],
    "class_path: WordCounts": lambda: [f"--data.path={file_of_text()}", "--data.vocabulary=8"],
    "ResidualEncoder": ["--model.encoder.width=4"],
    "ResidualDecoder": ["--model.decoder.width=4"],
    "WaveEncoder": ["--model.encoder.width=4", "--model.encoder.strides=[16]"],
    "WaveDecoder": ["--model.decoder.width=4", "--model.decoder.strides=[16]"],
    "VectorQuantizer": ["--model.bottleneck.codes=8"],
    "ResidualQuantizer": ["--model.bottleneck.codes=8"],
    "ResNetGenerator": ["--model.generator.width=4"],
    "ResNetDiscriminator": ["--model.discriminator.width=4"],
    "R3GANGenerator": ["--model.generator.width=4", "--model.generator.blocks=1"],
    "R3GANDiscriminator": ["--model.discriminator.width=4", "--model.discriminator.blocks=1"],
    "class_path: Plucks": FEW_PLUCKS,
    "class_path: DiscriminatorEnsemble": [
        f"--model.discriminator.parts.{part}.shape=[1, 256]"
        for part in ("period2", "period3", "period5", "window512", "window128")
    ],
    "class_path: CIFAR10": STAND_IN,
    "class_path: ImageFolder": STAND_IN,
    "class_path: PairedFolder": lambda: of_pairs("PairedFolder"),
    "class_path: UnpairedFolder": lambda: of_pairs("UnpairedFolder"),
    "degradation: Grey": lambda: of_pairs("ImageFolder", "A"),
    "UNet": ["--model.generator.width=4"],
    "ResNetTranslator": ["--model.generator.width=4", "--model.generator.blocks=3"],
    "back_generator": ["--model.back_generator.width=4", "--model.back_discriminator.width=4"],
    "back_discriminator": ["--model.back_discriminator.depth=1"],
    "block5": ["--model.objective.contrast.maps=[pixels, down1, down2, block1, block3]"],
    "RRDBNet": ["--model.generator.width=4", "--model.generator.growth=4", "--model.generator.blocks=1"],
    "SRResNet": ["--model.generator.width=4", "--model.generator.blocks=1"],
    "Lite0Perceptual": SMALLEST_OF_LITE0,
    "ProjectedDiscriminator": SMALLEST_OF_LITE0,
    "sampler: RectifiedFlowSampler": ["--sampler.width=8", "--sampler.updates=3"],
}


def small(name):
    """Options that make the networks of a recipe small; a test skips without the package that the recipe needs."""
    text = recipes.find(name).read_text()
    if "Lite0" in text:
        pytest.importorskip("timm")
    found = [options for word, options in SMALL.items() if word in text]
    return [option for options in found for option in (options() if callable(options) else options)]


def fixed(name, images=96):
    """Options that keep the shares of a run in a recipe where they are in a run of so many images, in any run."""

    def below(content, place):
        if isinstance(content, dict):
            for key, value in content.items():
                yield from below(value, place if key == "init_args" else f"{place}.{key}")
        elif place.endswith("_images") and shares.resolved({place: content}, images)[place] != content:
            yield f"--{place}={shares.resolved({place: content}, images)[place]}"

    return [*below(recipes.load(recipes.find(name))["model"], "model")]


def tiny(name):
    """The words of `fit` for a recipe of small networks on tiny images, eight a batch; a run may go on with more."""
    text = recipes.find(name).read_text()
    quiet = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0", "--data.batch_size=8"]
    size = [f"--data.size={12 if 'ResNet' in text else 8}"] if re.search(r"\bsize: 32", text) else []
    return ["--config", name, *small(name), *fixed(name), *quiet, *size]
