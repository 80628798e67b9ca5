"""The library's training step against the loop that it is timed against, which is written without it."""

from functools import partial

import pytest
import torch
from gan_by_hand import GANByHand
from torch.utils.data import DataLoader

from lightning_gen import GANModule
from lightning_gen.augmentations import ADA, DiffAugment
from lightning_gen.networks import (
    AuxiliaryClassifier,
    Concatenation,
    ConditionalBatchNorm,
    DCGANDiscriminator,
    DCGANGenerator,
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
    "dragan": (NonSaturating, PLAIN, {"penalties": {"slope": DRAGAN()}}),
    "rpgan": (RelativisticPaired, PLAIN, {"penalties": {"r1": R1(2.0), "r2": R2(2.0)}}),
    "diffaugment": (RelativisticPaired, {}, {"augmentation": DiffAugment()}),
    "ada": (NonSaturating, {}, {"augmentation": ADA(interval=1, adjust_images=20)}),
    "cgan": (NonSaturating, {"conditioning": Concatenation(CLASSES)}, {}),
    "acgan": (NonSaturating, {"conditioning": AuxiliaryClassifier(CLASSES)}, {"terms": {"classes": Classification()}}),
    "projection": (Hinge, {**PLAIN, "spectral_norm": True, "conditioning": Projection(CLASSES)}, {}),
}
"""Objective, discriminator and module of each."""


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


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


@pytest.mark.parametrize("name", GAMES)
def test_the_weights_are_those_of_a_loop_by_hand(name, trainer):
    module = game(name)
    rounds = 3
    count = 6 * rounds * module.discriminator_updates
    x, labels = torch.rand(count, *SHAPE) * 2 - 1, torch.randint(CLASSES, (count,))
    before = [p.clone() for p in module.generator.parameters()]
    known = module.num_classes is not None
    batches = [(real, classes if known else None) for real, classes in zip(x.split(6), labels.split(6), strict=True)]
    hand = GANByHand(module, iter(batches), torch.Generator().set_state(module.rng.get_state()))
    for _ in range(rounds):
        hand.step()
    trainer(max_epochs=1).fit(module, DataLoader(list(zip(x, labels, strict=True)), batch_size=6))
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    close(module.generator.state_dict(), hand.generator.state_dict())
    close(module.discriminator.state_dict(), hand.discriminator.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(before, module.generator.parameters(), strict=True))
