"""The library's training step against the reference loop with which `bench` compares its time."""

from functools import partial

import pytest
import torch
from small_games import CLASSES, GAMES, SHAPE, game
from torch.utils.data import DataLoader

from lightning_gen.bench.precision import Precision
from lightning_gen.bench.reference_gan import ReferenceGAN
from lightning_gen.objectives import Minimax, RelativisticAverage
from lightning_gen.regularizers import R1, R2, GradientPenalty

NETWORKS = ("generator", "discriminator")


@pytest.fixture
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def samples(module, rounds):
    """Six samples a batch, or two batches at once, for so many rounds, and the batches of a reference loop."""
    at_once = module.batches_at_once
    count = 6 * at_once * rounds * module.discriminator_updates
    x, labels = torch.rand(count, *SHAPE) * 2 - 1, torch.randint(CLASSES, (count,))
    known = module.num_classes is not None
    batches = [(real, classes if known else None) for real, classes in zip(x.split(6), labels.split(6), strict=True)]
    return DataLoader(list(zip(x, labels, strict=True)), batch_size=6 * at_once), batches


def by_hand(module, batches, *precision):
    return ReferenceGAN(module, iter(batches), torch.Generator().set_state(module.rng.get_state()), *precision)


def weights(side):
    """All that is trained, in one vector."""
    return torch.cat([p.detach().flatten() for name in NETWORKS for p in getattr(side, name).parameters()])


@pytest.mark.usefixtures("_double_precision")
@pytest.mark.parametrize("name", GAMES)
def test_the_weights_are_those_of_a_loop_by_hand(name, trainer):
    module, rounds = game(name), 3
    before = [p.clone() for p in module.generator.parameters()]
    loader, batches = samples(module, rounds)
    hand = by_hand(module, batches)
    for _ in range(rounds):
        hand.step()
    trainer(max_epochs=1).fit(module, loader)
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    close(module.generator.state_dict(), hand.generator.state_dict())
    close(module.discriminator.state_dict(), hand.discriminator.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(before, module.generator.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"objective": Minimax(label_smoothing=0.1)}, "Minimax with label_smoothing 0.1 is not in the reference loop"),
        ({"objective": RelativisticAverage()}, "RelativisticAverage is not in the reference loop"),
        ({"penalties": {"slope": GradientPenalty(centre=0)}}, "GradientPenalty with centre 0 is not"),
        ({"penalties": {"r1": R1(1.0)}}, "R1 and R2 only together"),
        ({"penalties": {"r1": R1(1.0, every=4), "r2": R2(1.0, every=4)}}, "R1 with every 4 is not"),
        ({"accumulate": 2}, "no clipping or accumulation of gradients and no prior"),
        ({"generator_clip": 1.0}, "no clipping"),
    ],
)
def test_what_is_not_in_the_reference_loop_is_refused(options, sentence, gan):
    with pytest.raises(NotImplementedError, match=sentence):
        by_hand(gan(**options), [])


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "rpgan", "projection"])
def test_products_are_rounded_as_the_trainer_rounds_them(name, trainer):
    module = game(name)
    loader, batches = samples(module, rounds=1)
    before = weights(module)
    full, narrow = by_hand(module, batches), by_hand(module, batches, Precision("bf16-mixed"))
    for hand in (full, narrow):
        hand.step()
    trainer(max_epochs=1, precision="bf16-mixed").fit(module, loader)
    moved = weights(module) - before
    off, rounding = ((weights(hand) - weights(module)).norm() / moved.norm() for hand in (narrow, full))
    assert rounding > 0
    assert off < rounding / 2
    assert off < 3e-3
