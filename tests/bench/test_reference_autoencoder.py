"""The library's training step against the reference loop with which `bench` compares its time."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import EMA, AutoencoderModule
from lightning_gen.augmentations import Masking, Typos
from lightning_gen.bench.interleaving import reference_loop
from lightning_gen.bench.precision import Precision
from lightning_gen.bench.reference_autoencoder import ReferenceAutoencoder
from lightning_gen.bottlenecks import (
    GaussianBottleneck,
    IdentityBottleneck,
    MovingAverage,
    ResidualQuantizer,
    TopKBottleneck,
    VectorQuantizer,
)
from lightning_gen.data import Digits
from lightning_gen.media import Letters, Sound
from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    ResidualDecoder,
    ResidualEncoder,
    WaveDecoder,
    WaveEncoder,
)
from lightning_gen.objectives import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    MelDistance,
    SharedScaleGaussianLikelihood,
)
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
    return [p for p in module.parameters() if p.ndim != 1]


def compare(module, trainer, rounds=3, clip=None):
    """Train a module and a reference loop on the same batches; returns the loop."""
    x = torch.rand(6 * rounds, *module.data_shape) * 2 - 1
    before = [p.clone() for p in weights(module)]
    rng = torch.Generator().set_state(module.rng.get_state())
    precision = Precision(clip=clip)
    hand = ReferenceAutoencoder(module, ((real, None) for real in x.split(6)), rng, precision)
    for _ in range(rounds):
        hand.step()
    trainer(max_epochs=1, gradient_clip_val=clip).fit(module, DataLoader(x, batch_size=6))
    for name in ("encoder", "decoder", "likelihood"):
        close(getattr(module, name).state_dict(), getattr(hand, name).state_dict())
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
    same_codebooks(code, hand)
    assert (hand.code.books[0].use < 0.9 * 6 * 16 / CODES).any() == (restart_below == 0), "dead codes start again"


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_codebooks_in_sequence_are_those_of_a_loop_by_hand(dropout, trainer):
    code = ResidualQuantizer(4, CODES, MovingAverage(decay=0.5, restart_below=0.2), depth=3, dropout=dropout)
    networks = (kind(SHAPE, 4, width=4, downsamplings=1, blocks=1) for kind in (ResidualEncoder, ResidualDecoder))
    objective = {"reconstruction": GaussianLikelihood(), "commitment": Commitment(0.25)}
    hand = compare(AutoencoderModule(*networks, code, objective, optimizer=SGD), trainer, rounds=5)
    same_codebooks(code, hand)


def same_codebooks(code, hand):
    for codebook, book in zip(code.each_codebook(), hand.code.books, strict=True):
        for name in ("vectors", "use", "averages"):
            close(getattr(codebook, name), getattr(book, name))


@pytest.mark.parametrize("clip", [None, 0.5])
def test_the_learned_scale_is_that_of_a_loop_by_hand(clip, trainer):
    code = GaussianBottleneck(3)
    networks = ConvEncoder(SHAPE, code.features, width=4), ConvDecoder(SHAPE, 3, width=4)
    objective = {"reconstruction": SharedScaleGaussianLikelihood(0.5), "kl": KLDivergence()}
    compare(AutoencoderModule(*networks, code, objective, optimizer=SGD), trainer, clip=clip)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (1000, 2)])
def test_mel_spectra_are_those_of_a_loop_by_hand(rate, channels, trainer):
    shape = (channels, 256)
    network = {"width": 4, "strides": [8], "dilations": [1], "taps": 2}
    objective = {
        "reconstruction": SharedScaleGaussianLikelihood(0.1),
        "mel": MelDistance(rate, windows=[32, 128], bands=[5, 20], weight=0.3),
    }
    networks = WaveEncoder(shape, 3, **network), WaveDecoder(shape, 3, **network)
    module = AutoencoderModule(*networks, IdentityBottleneck(3), objective, optimizer=SGD)
    module.medium = Sound(rate, channels)
    compare(module, trainer, clip=1.0)


def test_the_trainers_clip_is_that_of_the_loop(autoencoder, trainer):
    module, data = autoencoder(), Digits(batch_size=8)
    data.prepare_data()
    data.setup("fit")
    for options, clip in (({}, None), ({"gradient_clip_val": 0}, None), ({"gradient_clip_val": 2.0}, 2.0)):
        running = trainer(**options)
        running.datamodule = data
        assert reference_loop(running, module).precision.clip == clip
    for options in ({"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"}, {"accumulate_grad_batches": 2}):
        with pytest.raises(NotImplementedError, match="the reference loops"):
            reference_loop(trainer(**options), module)


def test_what_is_not_written_by_hand_is_refused(autoencoder):
    for module in (
        autoencoder(variational=True, objective={"reconstruction": LaplaceLikelihood()}),
        autoencoder(variational=True, objective={"reconstruction": BernoulliLikelihood(), "kl": KLDivergence(1, True)}),
        autoencoder(objective={"reconstruction": GaussianLikelihood(), "other": GaussianLikelihood()}),
        autoencoder(objective={"reconstruction": BernoulliLikelihood(), "mel": MelDistance(8000, [128], [20])}),
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
