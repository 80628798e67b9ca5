"""Small GANs of every kind that is written by hand."""

from functools import partial

import torch

from lightning_gen import GANModule
from lightning_gen.augmentations import ADA, DiffAugment
from lightning_gen.networks import (
    AuxiliaryClassifier,
    Concatenation,
    ConditionalBatchNorm,
    DCGANDiscriminator,
    DCGANGenerator,
    InnerProduct,
    Projection,
)
from lightning_gen.objectives import (
    Classification,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.regularizers import DRAGAN, R1, R2, GradientPenalty, WeightClipping

SHAPE, CLASSES = (1, 8, 8), 3
PLAIN = {"batch_norm": False}
GAMES = {
    "dcgan": (NonSaturating, {}, {}),
    "minimax": (Minimax, {}, {}),
    "lsgan": (LeastSquares, {}, {}),
    "pacgan": (NonSaturating, {"packing": 2}, {}),
    "spectral_norm": (Hinge, {**PLAIN, "spectral_norm": True}, {"discriminator_updates": 2}),
    "wgan": (Wasserstein, {}, {"constraint": WeightClipping(0.01), "discriminator_updates": 3}),
    "wgan_gp": (Wasserstein, PLAIN, {"penalties": {"slope": GradientPenalty()}, "discriminator_updates": 2}),
    "shared": (RelativisticPaired, {}, {"augmentation": DiffAugment(), "shared_samples": True}),
    "shared, two updates": (Hinge, PLAIN, {"discriminator_updates": 2, "shared_samples": True}),
    "fresh": (RelativisticPaired, {}, {"fresh_reals": True}),
    "fresh, classes, two updates": (
        RelativisticPaired,
        {**PLAIN, "conditioning": InnerProduct(CLASSES)},
        {"fresh_reals": True, "discriminator_updates": 2},
    ),
    "dragan": (NonSaturating, PLAIN, {"penalties": {"slope": DRAGAN()}}),
    "rpgan": (RelativisticPaired, PLAIN, {"penalties": {"r1": R1(2.0), "r2": R2(2.0)}}),
    "diffaugment": (RelativisticPaired, {}, {"augmentation": DiffAugment()}),
    "ada": (NonSaturating, {}, {"augmentation": ADA(interval=1, adjust_images=20)}),
    "cgan": (NonSaturating, {"conditioning": Concatenation(CLASSES)}, {}),
    "acgan": (NonSaturating, {"conditioning": AuxiliaryClassifier(CLASSES)}, {"terms": {"classes": Classification()}}),
    "projection": (Hinge, {**PLAIN, "spectral_norm": True, "conditioning": Projection(CLASSES)}, {}),
}
"""Objective, discriminator and module of each."""


def game(name):
    """A small module of a kind."""
    objective, discriminator, options = GAMES[name]
    conditioning = ConditionalBatchNorm(CLASSES) if "conditioning" in discriminator else None
    sgd = partial(torch.optim.SGD, lr=0.05)
    return GANModule(
        DCGANGenerator(SHAPE, 4, 4, conditioning),
        DCGANDiscriminator(SHAPE, 4, **discriminator),
        objective(),
        generator_optimizer=sgd,
        discriminator_optimizer=sgd,
        **options,
    )
