"""The averages of an autoencoder's weights: how they follow, who uses them, and that training does not."""

import copy
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from lightning_gen import EMA, AdversarialAutoencoderModule, AutoencoderModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.adversaries import AdaptiveWeight, GenerationMatching, ReconstructionMatching
from lightning_gen.bottlenecks import (
    GaussianBottleneck,
    GradientDescent,
    HierarchicalBottleneck,
    IdentityBottleneck,
    VectorQuantizer,
)
from lightning_gen.callbacks import StartingWeights
from lightning_gen.networks import DenseDecoder, DenseDiscriminator, DenseEncoder
from lightning_gen.objectives import GaussianLikelihood, Hinge
from lightning_gen.priors import Normal
from lightning_gen.regularizers import CodebookDistance, Commitment, KLDivergence
from lightning_gen.samplers import GaussianMixtureSampler

SHAPE = (1, 4, 4)
HALF_LIFE = 40.0
NETWORKS = ("encoder", "bottleneck", "decoder")


def loader(n=64, batch_size=16):
    return DataLoader(torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(5)) * 2 - 1, batch_size=batch_size)


def parts(bottleneck, **terms):
    return {
        "encoder": DenseEncoder(SHAPE, bottleneck.features, widths=(8,)),
        "decoder": DenseDecoder(SHAPE, bottleneck.latent_dim, widths=(8,)),
        "bottleneck": bottleneck,
        "objective": {"reconstruction": GaussianLikelihood(), **terms},
    }


def adversarial(bottleneck, matching, terms, **options):
    return AdversarialAutoencoderModule(
        **parts(bottleneck, **terms),
        discriminator=DenseDiscriminator(SHAPE, widths=(8,)),
        matching=matching,
        adversarial=Hinge(),
        **options,
    )


def vae(**options):
    return AutoencoderModule(**parts(GaussianBottleneck(3), kl=KLDivergence()), **options)


def hierarchical(**options):
    return AutoencoderModule(**parts(HierarchicalBottleneck((3, 2)), kl=KLDivergence()), **options)


def vq_vae(**options):
    return AutoencoderModule(**parts(VectorQuantizer(3, 8), commitment=Commitment()), **options)


def vq_gan(**options):
    bottleneck = VectorQuantizer(3, 8, GradientDescent(), normalized=True)
    terms = {"commitment": Commitment(), "codebook": CodebookDistance()}
    return adversarial(bottleneck, ReconstructionMatching(), terms, adversarial_weight=AdaptiveWeight(0.8), **options)


def vae_gan(**options):
    return adversarial(GaussianBottleneck(3), GenerationMatching(), {"kl": KLDivergence()}, **options)


MODULES = (vae, hierarchical, vq_vae, vq_gan, vae_gan)
every_module = pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)


def twins(make):
    """The same module without averages and with them."""
    torch.manual_seed(3)
    plain = make()
    torch.manual_seed(3)
    return plain, make(ema=EMA(HALF_LIFE, ramp_up=None))


def tensors(module, name):
    return copy.deepcopy(getattr(module, name).state_dict())


class Recorded(Callback):
    """Keeps the weights after every batch."""

    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.states.append({name: tensors(pl_module, name) for name in NETWORKS})


@every_module
@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_average_by_hand(make, accumulated, trainer):
    """average += (1 - decay) (weights - average) after each update; buffers, among them averaged codes, are copied."""
    _, module = twins(make)
    expected = {name: tensors(module, name) for name in NETWORKS}
    recorded, options = Recorded(), {}
    if accumulated > 1 and isinstance(module, AutoencoderModule):
        options = {"accumulate_grad_batches": accumulated}
    trainer(max_epochs=2, callbacks=[recorded], **options).fit(module, loader())
    every = options.get("accumulate_grad_batches", 1)
    decay = 0.5 ** (16 * every / HALF_LIFE)
    trained = {name: {key for key, _ in getattr(module, name).named_parameters()} for name in NETWORKS}
    for states in recorded.states[every - 1 :: every]:
        for name, state in states.items():
            for key, value in state.items():
                before = expected[name][key]
                expected[name][key] = before + (1 - decay) * (value - before) if key in trained[name] else value
    for name in NETWORKS:
        average = getattr(module, f"{name}_ema").state_dict()
        torch.testing.assert_close(average, expected[name], rtol=1e-5, atol=1e-6)
    moved = nn.utils.parameters_to_vector(module.encoder.parameters())
    assert (moved - nn.utils.parameters_to_vector(module.encoder_ema.parameters())).abs().max() > 1e-4


@every_module
def test_training_is_to_the_bit_that_without_averages(make, trainer):
    """The discriminator judges what the trained decoder gives, and no random number is drawn for the averages."""
    plain, averaged = twins(make)
    for module in (plain, averaged):
        trainer(max_epochs=2, enable_checkpointing=False).fit(module, loader(), loader(32))
    weights = averaged.state_dict()
    for name, value in plain.state_dict().items():
        assert torch.equal(weights[name], value), name
    assert set(weights) - set(plain.state_dict()) == {
        f"{name}_ema.{key}" for name in NETWORKS for key in getattr(plain, name).state_dict()
    }
    held = {id(p) for group in averaged.trainer.optimizers[0].param_groups for p in group["params"]}
    assert held == {id(p) for p in averaged.parameters() if p.requires_grad} - {
        id(p) for p in getattr(averaged, "discriminator", nn.Identity()).parameters()
    }


def of_averages(module):
    """A module without averages whose weights are those of the averages."""
    other = copy.deepcopy(module)
    for name in NETWORKS:
        getattr(other, name).load_state_dict(getattr(module, f"{name}_ema").state_dict())
    other.average_networks(None)
    return other


@every_module
def test_who_uses_a_model_gets_the_averages(make, trainer):
    _, module = twins(make)
    trainer(max_epochs=2).fit(module, loader())
    module.eval()
    other, x = of_averages(module).eval(), next(iter(loader()))
    with torch.no_grad():
        code = module.encode(x)
        assert torch.equal(code, other.encode(x))
        assert torch.equal(module.decode(code), other.decode(code))
        assert torch.equal(module(x), other(x))
        assert not torch.equal(
            module(x), module.likelihood.mean(module.decoder(module.bottleneck(module.encoder(x)).mean))
        )
    if module.has_prior:
        drawn = [each.sample(5, generator=torch.Generator().manual_seed(1)) for each in (module, other)]
        assert torch.equal(*drawn)
    figures = [trainer().validate(each, loader(), verbose=False)[0] for each in (module, other)]
    assert figures[0] == figures[1]
    assert module.protocol == {"ema": True}
    assert other.protocol == {}


def test_a_sampler_is_fitted_to_the_codes_of_the_averages(trainer):
    _, module = twins(lambda **options: AutoencoderModule(**parts(IdentityBottleneck(3, prior=Normal())), **options))
    trainer(max_epochs=2).fit(module, loader())
    other = of_averages(module)
    fitted = [each.fit_sampler(GaussianMixtureSampler(2), loader()) for each in (module, other)]
    assert fitted[0].encoded_by == fitted[1].encoded_by
    drawn = [
        each.sample(4, generator=torch.Generator().manual_seed(1), sampler=sampler)
        for each, sampler in zip((module, other), fitted, strict=True)
    ]
    assert torch.equal(*drawn)


@every_module
def test_a_run_goes_on_to_the_bits_of_an_uninterrupted_one(make, trainer, tmp_path):
    whole, first, second = (twins(make)[1] for _ in range(3))
    trainer(max_epochs=4).fit(whole, loader())
    runner = trainer(max_epochs=2)
    runner.fit(first, loader())
    runner.save_checkpoint(tmp_path / "half.ckpt")
    trainer(max_epochs=4).fit(second, loader(), ckpt_path=tmp_path / "half.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


@every_module
def test_a_checkpoint_brings_the_averages_back(make, trainer, tmp_path):
    _, module = twins(make)
    runner, x = trainer(max_epochs=1), next(iter(loader()))
    runner.fit(module, loader())
    runner.save_checkpoint(tmp_path / "last.ckpt")
    loaded = type(module).load_from_checkpoint(tmp_path / "last.ckpt").eval()
    assert loaded.ema == EMA(HALF_LIFE, ramp_up=None)
    assert torch.equal(loaded(x), module.eval()(x))


@every_module
def test_a_checkpoint_from_before_there_were_averages_is_read(make, trainer, tmp_path):
    module, _ = twins(make)
    runner, x = trainer(max_epochs=1), next(iter(loader()))
    runner.fit(module, loader())
    runner.save_checkpoint(tmp_path / "last.ckpt")
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    for name in ("ema", "adversarial_start_images"):
        stored["hyper_parameters"].pop(name, None)
    torch.save(stored, tmp_path / "former.ckpt")
    loaded = type(module).load_from_checkpoint(tmp_path / "former.ckpt").eval()
    assert loaded.ema is None
    assert torch.equal(loaded(x), module.eval()(x))
    assert not any("_ema" in name for name in checkpoints.read(tmp_path / "last.ckpt")["state_dict"])


@every_module
def test_averages_start_from_the_weights_of_a_model_without_them(make, trainer, tmp_path):
    plain, module = twins(make)
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    torch.save(plain.state_dict(), tmp_path / "weights.pth")
    trainer(max_steps=0, callbacks=[StartingWeights(tmp_path / "weights.pth")]).fit(module, loader())
    for name in NETWORKS:
        for network in (module.averaged[name], getattr(module, name)):
            torch.testing.assert_close(network.state_dict(), getattr(plain, name).state_dict(), rtol=0, atol=0)


def test_the_vectors_of_spectral_norms_are_those_of_the_averages(trainer):
    """Copied, they would be those of the weights that are trained, and the layer's norm not 1."""
    encoder = DenseEncoder(SHAPE, 3, widths=(8,))
    layer = next(part for part in encoder.modules() if isinstance(part, nn.Linear))
    nn.utils.parametrizations.spectral_norm(layer)
    module = AutoencoderModule(
        **{**parts(IdentityBottleneck(3)), "encoder": encoder},
        optimizer=partial(torch.optim.SGD, lr=0.5),
        ema=EMA(500, ramp_up=None),
    )
    trainer(max_epochs=3).fit(module, loader())
    averaged = next(part for part in module.networks.encoder.eval().modules() if isinstance(part, nn.Linear))
    assert torch.linalg.matrix_norm(averaged.weight, 2).item() == pytest.approx(1, abs=0.01)
