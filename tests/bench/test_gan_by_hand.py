"""The library's training step against the loop that it is timed against, which is written without it."""

from functools import partial

import pytest
import torch
from small_games import CLASSES, GAMES, SHAPE, game
from torch.utils.data import DataLoader

from lightning_gen.bench.gan_by_hand import GANByHand


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


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
