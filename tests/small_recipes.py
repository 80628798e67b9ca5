"""Every recipe, at a size at which a test can train it."""

import pytest

from lightning_gen.cli import recipes

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
)
"""Recipes that differ in kind: one a module, and one for what a run of that module keeps beside its networks."""
STAND_IN = ["--data={class_path: Digits, init_args: {size: 8, batch_size: 8, mirror: true}}"]
"""Data in the place of those that a test does not have."""
SMALLEST_OF_LITE0 = ["--data={class_path: Digits, init_args: {size: 32, batch_size: 8}}"]
SMALL = {
    "DCGANGenerator": ["--model.generator.width=4"],
    "DCGANDiscriminator": ["--model.discriminator.width=4"],
    "ConvEncoder": ["--model.encoder.width=4"],
    "ConvDecoder": ["--model.decoder.width=4"],
    "PatchDiscriminator": ["--model.discriminator.width=4", "--model.discriminator.depth=1"],
    "discriminator_start_images": ["--model.discriminator_start_images=24"],
    "ResidualEncoder": ["--model.encoder.width=4"],
    "ResidualDecoder": ["--model.decoder.width=4"],
    "VectorQuantizer": ["--model.bottleneck.codes=8"],
    "ResidualQuantizer": ["--model.bottleneck.codes=8"],
    "ResNetGenerator": ["--model.generator.width=4"],
    "ResNetDiscriminator": ["--model.discriminator.width=4"],
    "R3GANGenerator": ["--model.generator.width=4", "--model.generator.blocks=1"],
    "R3GANDiscriminator": ["--model.discriminator.width=4", "--model.discriminator.blocks=1"],
    "class_path: CIFAR10": STAND_IN,
    "class_path: ImageFolder": STAND_IN,
    "Lite0Perceptual": SMALLEST_OF_LITE0,
    "ProjectedDiscriminator": SMALLEST_OF_LITE0,
}


def small(name):
    """Options that make the networks of a recipe small; a test skips without the package that the recipe needs."""
    text = recipes.find(name).read_text()
    if "Lite0" in text:
        pytest.importorskip("timm")
    return [option for network, options in SMALL.items() if network in text for option in options]


def tiny(name):
    """The words of `fit` for a recipe of small networks on tiny images, eight a batch."""
    text = recipes.find(name).read_text()
    quiet = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0", "--data.batch_size=8"]
    size = [f"--data.size={12 if 'ResNet' in text else 8}"] if "size: 32" in text else []
    return ["--config", name, *small(name), *quiet, *size]
