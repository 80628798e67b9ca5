"""What many tests need: small modules, a quiet Trainer, one thread."""

import logging
import os
import signal
from functools import partial
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer

from lightning_gen import AutoencoderModule, GANModule, signals
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.cli import arguments
from lightning_gen.networks import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator
from lightning_gen.objectives import BernoulliLikelihood, NonSaturating
from lightning_gen.regularizers import KLDivergence

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# The first backward pass of a process starts a thread for each device that torch knows of. The exporter to ONNX makes
# one known that is none of this machine; with its thread no forked process could train. Before it no thread is started.
torch.ones(1, requires_grad=True).sum().backward()


@pytest.fixture(autouse=True)
def _listening():
    """Signals as a shell in the foreground gives them: nohup and shells in the background have some ignored."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    for number in before:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _without_classes_of_other_tests(monkeypatch):
    """A process that runs several files of tests has their classes on the command line, which no user has."""
    every = arguments.subclasses

    def below(base):
        return (kind for kind in every(base) if "test" not in kind.__module__)

    monkeypatch.setattr(arguments, "subclasses", below)


@pytest.fixture(autouse=True)
def _one_seed():
    torch.manual_seed(0)


def own_environment():
    """A Trainer leaves its seed, its port and its ranks to what is started next: here to no other test."""
    with mock.patch.dict(os.environ):
        yield


_environment_of_a_file = pytest.fixture(scope="module", autouse=True)(own_environment)
_environment_of_a_test = pytest.fixture(autouse=True)(own_environment)


@pytest.fixture(autouse=True)
def _cache_of_the_tests(monkeypatch, tmp_path_factory):
    """Decoded images and classifiers are cached for the tests of one session, outside of the cache of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def gan():
    """Make a small GAN for 8 x 8 digits; arguments are GANModule's."""

    def make(shape=(1, 8, 8), batch_norm=False, **options):
        defaults = {
            "generator": DenseGenerator(shape, latent_dim=4, widths=(16,), batch_norm=batch_norm),
            "discriminator": DenseDiscriminator(shape, widths=(16,)),
            "objective": NonSaturating(),
            "generator_optimizer": partial(torch.optim.SGD, lr=0.1),
            "discriminator_optimizer": partial(torch.optim.SGD, lr=0.1),
        }
        return GANModule(**{**defaults, **options})

    return make


@pytest.fixture
def autoencoder():
    """Make a small autoencoder for 8 x 8 digits; a variational one with ``variational=True``."""

    def make(shape=(1, 8, 8), variational=False, **options):
        bottleneck = GaussianBottleneck(3) if variational else IdentityBottleneck(3)
        objective = {"reconstruction": BernoulliLikelihood()} | ({"kl": KLDivergence()} if variational else {})
        defaults = {
            "encoder": DenseEncoder(shape, bottleneck.features, widths=(16,)),
            "decoder": DenseDecoder(shape, 3, widths=(16,)),
            "bottleneck": bottleneck,
            "objective": objective,
        }
        return AutoencoderModule(**{**defaults, **options})

    return make


@pytest.fixture
def trainer(tmp_path):
    """Make a Trainer that prints and writes nothing unless told to."""

    def make(**options):
        defaults = {
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tmp_path,
            "num_sanity_val_steps": 0,
        }
        return Trainer(**{**defaults, **options})

    return make
