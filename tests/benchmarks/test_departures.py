"""What a recipe does otherwise than its paper, it says: published settings beside the recipe and its header."""

import gallery
import pytest

from lightning_gen.augmentations import ADA
from lightning_gen.cli import recipes

RECIPES = [name for name in recipes.names() if name.split("/")[0] not in ("data", "trainer")]
BOTH = ("model.generator_optimizer.{}", "model.discriminator_optimizer.{}")


def both(name, value):
    """A setting of both optimizers of a GAN."""
    return {path.format(name): value for path in BOTH}


def r3gan(classes, width, growth, group_width, batch, gamma, probability, half_life, end, length):
    """Settings of a published run of R3GAN, from the authors' code."""

    def cosine(path, first, last):
        return {f"{path}.first": first, f"{path}.last": last, f"{path}.end_images": end}

    return (
        both("lr", 0.0002)
        | both("betas", [0.0, 0.9])
        | cosine("model.penalties.r1.weight", *gamma)
        | cosine("model.penalties.r2.weight", *gamma)
        | cosine("model.augmentation.probability", 0.0, probability)
        | cosine("model.ema.half_life_images", 0.0, half_life)
        | cosine("model.generator_scheduler.learning_rate", 1.0, 0.25)
        | cosine("model.generator_scheduler.beta2", 0.9, 0.99)
        | cosine("model.discriminator_scheduler.learning_rate", 1.0, 0.25)
        | cosine("model.discriminator_scheduler.beta2", 0.9, 0.99)
        | {f"model.{network}.width": width for network in ("generator", "discriminator")}
        | {f"model.{network}.growth": growth for network in ("generator", "discriminator")}
        | {f"model.{network}.group_width": group_width for network in ("generator", "discriminator")}
        | {f"model.{network}.bfloat16_sizes": 4 for network in ("generator", "discriminator")}
        | {
            "model.generator.latent_dim": 64,
            "model.generator.conditioning": "ClassEmbedding" if classes else None,
            "model.discriminator.conditioning": "InnerProduct" if classes else None,
            "model.augmentation.color": 0.5,
            "model.augmentation.cutout": True,
            "model.augmentation.target": None,
            "model.ema.ramp_up": None,
            "model.fresh_reals": True,
            "data.batch_size": batch,
            "data.mirror": True,
            "max_images": length,
        }
    )


PUBLISHED = {
    # from the authors' code; the others from the paper's text
    "gan/dcgan": both("lr", 0.0002)
    | both("betas", [0.5, 0.999])
    | {"data.batch_size": 128, "model.generator.latent_dim": 100, "model.generator.width": 128},
    "gan/dense": both("lr", 0.1) | {"data.batch_size": 100, "model.generator.latent_dim": 100},
    "gan/lsgan": both("lr", 0.001) | {"model.generator.latent_dim": 1024, "data.batch_size": 64},
    "gan/minimax": both("lr", 0.0001) | {"model.penalties.r1.weight": 10.0},
    "gan/wgan": both("lr", 0.00005)
    | {
        "model.constraint.bound": 0.01,
        "model.discriminator_updates": 5,
        "data.batch_size": 64,
        "model.generator.width": 64,
        "model.generator.latent_dim": 100,
    },
    "gan/wgan_gp": both("lr", 0.0001)
    | both("betas", [0.0, 0.9])
    | {
        "model.penalties.gradient_penalty.weight": 10.0,
        "model.discriminator_updates": 5,
        "model.generator.width": 64,
        "model.generator.latent_dim": 128,
    },
    "gan/dragan": both("lr", 0.0001)
    | both("betas", [0.5, 0.9])
    | {"model.penalties.dragan.weight": 10.0, "data.batch_size": 128, "model.generator.latent_dim": 100},
    "gan/sngan": both("lr", 0.0002)
    | both("betas", [0.0, 0.9])
    | {
        "model.discriminator_updates": 5,
        "data.batch_size": 64,
        "model.generator.latent_dim": 128,
        "model.generator.width": 256,
        "model.discriminator.width": 128,
    },
    "gan/projection": both("lr", 0.0002)
    | both("betas", [0.0, 0.9])
    | {"model.discriminator_updates": 5, "data.batch_size": 64, "model.generator.latent_dim": 128},
    "gan/r3gan": both("lr", 0.0002)
    | {
        "model.penalties.r1.weight.first": 0.05,
        "model.penalties.r1.weight.last": 0.005,
        "model.generator_scheduler.learning_rate.last": 0.25,
        "model.generator_scheduler.beta2.first": 0.9,
        "model.generator_scheduler.beta2.last": 0.99,
        "model.ema.half_life_images.first": 0,
        "model.ema.half_life_images.last": 5_000_000,
        "model.generator.latent_dim": 64,
        "model.generator.width": 768,
        "model.generator.blocks": 2,
        "max_images": 20_000_000,
    },
    "gan/r3gan_cifar10": r3gan(True, 768, 1, None, 512, (0.05, 0.005), 0.55, 5_000_000, 20_000_000, 250_000_000),
    "gan/r3gan_ffhq64": r3gan(False, 384, 2, None, 256, (2.0, 0.2), 0.3, 500_000, 20_000_000, 150_000_000),
    "gan/r3gan_ffhq256": r3gan(False, 96, 8, None, 256, (150.0, 15.0), 0.3, 500_000, 20_000_000, 150_000_000),
    "gan/r3gan_imagenet32": r3gan(True, 1536, 1, 32, 4096, (0.5, 0.05), 0.5, 50_000_000, 200_000_000, 1_000_000_000),
    "gan/r3gan_imagenet64": r3gan(True, 1536, 1, 32, 4096, (1.0, 0.1), 0.4, 50_000_000, 200_000_000, 1_000_000_000),
    "gan/ada": {"model.augmentation.adjust_images": 500_000, "max_images": 25_000_000},
    "autoencoder/beta_tc_vae": {
        "model.objective.total_correlation.weight": 6.0,
        "model.optimizer.lr": 0.001,
        "data.batch_size": 2048,
        "model.bottleneck.latent_dim": 10,
    },
    "autoencoder/factor_vae": {
        "model.autoencoder_optimizer.lr": 0.0001,
        "model.discriminator_optimizer.lr": 0.0001,
        "model.discriminator_optimizer.betas": [0.5, 0.9],
        "data.batch_size": 64,
    },
    "autoencoder/info_vae": {
        "model.objective.discrepancy.kernel.scales": [10 / 2],
        "model.optimizer.lr": 0.001,
    },
    "autoencoder/iwae": {
        "model.encoder.widths": [200, 200],
        "model.bottleneck.latent_dim": 50,
        "data.batch_size": 20,
        "model.optimizer.eps": 1e-4,
    },
    "autoencoder/hierarchical_vae": {"model.bottleneck.latent_dims": [64, 32, 16, 8, 4]},
    "autoencoder/kl": {
        "model.objective.kl.weight": 1e-6,
        "model.adversarial_weight.weight": 0.5,
        "model.adversarial_weight.largest": 1e4,
    },
    "autoencoder/vq_gan": {
        "model.adversarial_weight.weight": 0.8,
        "model.adversarial_weight.largest": None,  # 1e4 beside a mean, which this stands for
        "model.objective.commitment.weight": 0.25,
        "model.bottleneck.codes": 1024,
        "model.autoencoder_optimizer.betas": [0.5, 0.9],
    },
    "gan/projected": both("lr", 0.0002)
    | both("betas", [0.0, 0.99])
    | {
        "model.objective": "Hinge",
        "model.generator.latent_dim": 256,
        "model.discriminator.width": 64,
        "model.discriminator.size": 224,
        "model.ema.half_life_images": 20_000,  # 10,000 for batches of 32
        "data.batch_size": 64,
    },
    "autoencoder/kl_f8": {
        "model.encoder.downsamplings": 3,
        "model.encoder.blocks": 2,
        "model.bottleneck.latent_dim": 4,
        "model.objective.reconstruction": "LaplaceLikelihood",
        "model.objective.perceptual.weight": 1.0,
        "model.objective.perceptual.per_value": True,
        "model.objective.kl.weight": 1e-6,
        "model.discriminator.width": 64,
        "model.discriminator.depth": 3,
        "model.adversarial_weight.weight": 0.5,
        "model.adversarial_weight.largest": 1e4,
        "model.discriminator_start_images": 50_001 * 24,
        "model.accumulate": 2,
        "model.autoencoder_optimizer.lr": round(4.5e-6 * 24, 9),
        "model.autoencoder_optimizer.betas": [0.5, 0.9],
        "model.discriminator_optimizer.lr": round(4.5e-6 * 24, 9),
        "model.discriminator_optimizer.betas": [0.5, 0.9],
        "data.size": 256,
        "data.batch_size": 24,
        "max_images": 247_000 * 24,
    },
    "autoencoder/vqgan_f16": {
        "model.encoder.downsamplings": 4,
        "model.encoder.blocks": 2,
        "model.bottleneck.latent_dim": 256,
        "model.bottleneck.codes": 1024,
        "model.objective.reconstruction": "LaplaceLikelihood",
        "model.objective.perceptual.weight": 1.0,
        "model.objective.perceptual.per_value": True,
        # beside means over the values of an image and of a code
        "model.objective.codebook.weight": 1.0 * 3 * 256**2 / 256,
        "model.objective.commitment.weight": 0.25 * 3 * 256**2 / 256,
        "model.discriminator.width": 64,
        "model.discriminator.depth": 3,
        "model.adversarial_weight.weight": 0.8,
        "model.adversarial_weight.largest": None,  # 1e4 beside a mean, which this stands for
        "model.discriminator_start_images": 250_001 * 12,
        "model.autoencoder_optimizer.lr": round(4.5e-6 * 12, 9),
        "model.autoencoder_optimizer.betas": [0.5, 0.9],
        "model.discriminator_optimizer.lr": round(4.5e-6 * 12, 9),
        "model.discriminator_optimizer.betas": [0.5, 0.9],
        "data.size": 256,
        "data.batch_size": 12,
    },
    "autoencoder/vq_vae": {"model.objective.commitment.weight": 0.25, "model.bottleneck.codes": 512},
    "autoencoder/rq_vae": {"model.bottleneck.depth": 4, "model.bottleneck.codes": 16_384},
    "autoencoder/wae": {
        # lambda 10 beside ‖x - y‖² of pixels in [0, 1], of which ½ ‖x - y‖² of pixels in [-1, 1] is twice
        "model.objective.discrepancy.weight": 2 * 10.0,
        "model.bottleneck.latent_dim": 8,
        "model.optimizer.lr": 0.001,
        "data.batch_size": 100,
    },
}
"""Settings that the papers, or the code of their authors, give."""


def setting(content, path):
    """A setting of a recipe, whose classes have their arguments below ``init_args``; None where it has none."""
    for word in path.split("."):
        content = content.get("init_args", content) if isinstance(content, dict) else {}
        content = content.get(word)
    return content


def spoken(value):
    """A number as a header writes it: 0.00005, 1e-4 as well, 25,000,000; numbers one by one."""
    if isinstance(value, list):
        return [word for each in value for word in spoken(each)]
    return [f"{value:,.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_it_departs_from_its_paper(name):
    assert gallery.Header.read(recipes.find(name)).departures, "a paragraph `# Unlike the paper: ...` ends the header"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_setting_is_the_recipes_or_in_its_header(name):
    departures = gallery.Header.read(recipes.find(name)).departures
    said = departures.replace("1e-4", "0.0001").replace("five of", "5 of")
    content = recipes.load(recipes.find(name))
    for path, published in PUBLISHED[name].items():
        ours = setting(content, path)
        if ours != published:
            assert all(word in said for word in spoken(published)), f"{path} is {ours} and not {published}: say so"
            assert ours is None or all(word in said for word in spoken(ours)), f"{path}: say {ours} in the header"


def test_the_augmentation_of_ada_follows_within_a_quarter_of_its_run():
    content = recipes.load(recipes.find("gan/ada"))
    ada = ADA(**content["model"]["init_args"]["augmentation"]["init_args"])
    batch, images = content["data"]["init_args"]["batch_size"], content["max_images"]
    for _ in range(images // batch // 4):
        ada.adapt(ada.current_probability.new_tensor(1.0), batch)
    assert ada.current_probability > 0.9
    assert ada.summary(images) == []


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("gan/")])
def test_a_half_life_that_the_run_does_not_reach_stands_beside_what_bounds_it(name):
    content = recipes.load(recipes.find(name))
    average = content["model"]["init_args"].get("ema")
    if average is not None and "ramp_up" not in average:
        assert 0.05 * content["max_images"] >= average["half_life_images"]
