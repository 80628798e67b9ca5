"""The library's training step against the loop that it is timed against, which is written without it."""

from functools import partial

import pytest
import torch
from autoencoder_by_hand import AutoencoderByHand
from torch.utils.data import DataLoader

from lightning_gen import AutoencoderModule
from lightning_gen.augmentations import Masking
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.networks import ConvDecoder, ConvEncoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood
from lightning_gen.regularizers import KLDivergence

SHAPE = (1, 8, 8)
RECIPES = {
    "plain": (IdentityBottleneck, {"reconstruction": GaussianLikelihood(0.5)}, {}),
    "denoising": (IdentityBottleneck, {"reconstruction": BernoulliLikelihood()}, {"corruption": Masking(0.5)}),
    "vae": (GaussianBottleneck, {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence(weight=2.0)}, {}),
}
"""Bottleneck, objective and module of each."""


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights(module):
    """All but the biases, of which those in front of a BatchNorm do not move."""
    return [p for p in module.parameters() if p.ndim > 1]


@pytest.mark.parametrize("name", RECIPES)
def test_the_weights_are_those_of_a_loop_by_hand(name, trainer):
    bottleneck, objective, options = RECIPES[name]
    code = bottleneck(3)
    networks = ConvEncoder(SHAPE, code.features, width=4), ConvDecoder(SHAPE, 3, width=4)
    module = AutoencoderModule(*networks, code, objective, optimizer=partial(torch.optim.SGD, lr=0.001), **options)
    x = torch.rand(18, *SHAPE) * 2 - 1
    before = [p.clone() for p in weights(module)]
    rng = torch.Generator().set_state(module.rng.get_state())
    hand = AutoencoderByHand(module, ((real, None) for real in x.split(6)), rng)
    for _ in range(3):
        hand.step()
    trainer(max_epochs=1).fit(module, DataLoader(x, batch_size=6))
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    close(module.encoder.state_dict(), hand.encoder.state_dict())
    close(module.decoder.state_dict(), hand.decoder.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(before, weights(module), strict=True))
