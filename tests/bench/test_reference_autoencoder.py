"""The library's training step against the reference loop with which `bench` compares its time."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import EMA, AutoencoderModule
from lightning_gen.augmentations import Masking, Typos
from lightning_gen.bench.reference_autoencoder import ReferenceAutoencoder
from lightning_gen.bottlenecks import (
    GaussianBottleneck,
    IdentityBottleneck,
    MovingAverage,
    TopKBottleneck,
    VectorQuantizer,
)
from lightning_gen.media import Letters
from lightning_gen.networks import ConvDecoder, ConvEncoder, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import BernoulliLikelihood, CategoricalLikelihood, GaussianLikelihood, LaplaceLikelihood
from lightning_gen.regularizers import Commitment, KLDivergence

SHAPE = (1, 8, 8)
SGD = partial(torch.optim.SGD, lr=0.001)
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
DENSE = {
    "plain": (IdentityBottleneck, {"reconstruction": GaussianLikelihood(0.5)}, {}),
    "denoising": (IdentityBottleneck, {"reconstruction": BernoulliLikelihood()}, {"corruption": Masking(0.5)}),
    "vae": (GaussianBottleneck, {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence(weight=2.0)}, {}),
}
"""Bottleneck, objective and module of each."""
CODES = 8


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights(module):
    """All but the biases, of which those in front of a BatchNorm do not move."""
    return [p for p in module.parameters() if p.ndim > 1]


def compare(module, trainer, rounds=3):
    """Train a module and a reference loop on the same batches; returns the loop."""
    x = torch.rand(6 * rounds, *SHAPE) * 2 - 1
    before = [p.clone() for p in weights(module)]
    rng = torch.Generator().set_state(module.rng.get_state())
    hand = ReferenceAutoencoder(module, ((real, None) for real in x.split(6)), rng)
    for _ in range(rounds):
        hand.step()
    trainer(max_epochs=1).fit(module, DataLoader(x, batch_size=6))
    close(module.encoder.state_dict(), hand.encoder.state_dict())
    close(module.decoder.state_dict(), hand.decoder.state_dict())
    assert not any(torch.equal(a, b) for a, b in zip(before, weights(module), strict=True))
    return hand


@pytest.mark.parametrize("name", DENSE)
def test_the_weights_are_those_of_a_loop_by_hand(name, trainer):
    bottleneck, objective, options = DENSE[name]
    code = bottleneck(3)
    networks = ConvEncoder(SHAPE, code.features, width=4), ConvDecoder(SHAPE, 3, width=4)
    compare(AutoencoderModule(*networks, code, objective, optimizer=SGD, **options), trainer)


@pytest.mark.parametrize("restart_below", [0.0, 0.9])
def test_the_codebook_is_that_of_a_loop_by_hand(restart_below, trainer):
    code = VectorQuantizer(4, CODES, MovingAverage(decay=0.5, restart_below=restart_below))
    networks = (kind(SHAPE, 4, width=4, downsamplings=1, blocks=1) for kind in (ResidualEncoder, ResidualDecoder))
    objective = {"reconstruction": GaussianLikelihood(), "commitment": Commitment(0.25)}
    module = AutoencoderModule(*networks, code, objective, optimizer=SGD)
    hand = compare(module, trainer, rounds=5)
    (codebook,) = code.each_codebook()
    for name in ("vectors", "use", "averages"):
        close(getattr(codebook, name), getattr(hand.code, name))
    assert (hand.code.use < 0.9 * 6 * 16 / CODES).any() == (restart_below == 0), "dead codes start again"


def test_what_is_not_written_by_hand_is_refused(autoencoder):
    for module in (
        autoencoder(variational=True, objective={"reconstruction": LaplaceLikelihood()}),
        autoencoder(variational=True, objective={"reconstruction": BernoulliLikelihood(), "kl": KLDivergence(1, True)}),
        autoencoder(objective={"reconstruction": GaussianLikelihood(), "other": GaussianLikelihood()}),
        autoencoder(bottleneck=TopKBottleneck(3, 1)),
        autoencoder(bottleneck=VectorQuantizer(3, 8, normalized=True)),
        autoencoder(ema=EMA()),
    ):
        with pytest.raises(NotImplementedError, match="reference loop"):
            ReferenceAutoencoder(module, iter(()), torch.Generator())


def test_lines_of_letters_train_the_same_weights(trainer):
    medium = Letters("abcdef", 8)
    rows = torch.randint(0, 7, (18, 8), generator=torch.Generator().manual_seed(0))
    x = medium.to_model(rows.to(torch.uint8), torch.float64)
    module = AutoencoderModule(
        ConvEncoder(medium.shape, 6, 4),
        ConvDecoder(medium.shape, 3, 4),
        GaussianBottleneck(3),
        {"reconstruction": CategoricalLikelihood(), "kl": KLDivergence()},
        corruption=Typos(0.3),
        optimizer=SGD,
    )
    module.medium = medium
    rng = torch.Generator().set_state(module.rng.get_state())
    hand = ReferenceAutoencoder(module, ((real, None) for real in x.split(6)), rng)
    for _ in range(3):
        hand.step()
    trainer(max_epochs=1).fit(module, DataLoader(x, batch_size=6))
    close(module.encoder.state_dict(), hand.encoder.state_dict())
    close(module.decoder.state_dict(), hand.decoder.state_dict())
