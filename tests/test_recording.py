"""Parts that do not keep their constructor's arguments are described all the same."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import nn

from lightning_gen import GANModule
from lightning_gen.checkpoint import Undescribable, describe
from lightning_gen.data import Digits
from lightning_gen.networks import DenseDiscriminator, Generator
from lightning_gen.objectives import Hinge, NonSaturating
from lightning_gen.recording import Recorded, built, recorded

SHAPE = (4,)


class Careless(Generator):
    """Keeps neither its width, nor that it has a bias; its layers are not what the argument of that name is."""

    def __init__(self, shape, latent_dim=3, width=8, layers=2, bias=True, **more):
        super().__init__(shape, latent_dim)
        self.width = 2 * width
        widths = [latent_dim, *[self.width] * layers]
        self.layers = nn.ModuleList(nn.Linear(*pair, bias=bias) for pair in itertools.pairwise(widths))
        self.last = nn.Linear(self.width, *self.shape)

    def draw(self, x, labels):
        for layer in self.layers:
            x = layer(x).relu()
        return self.last(x)


class Broader(Careless):
    def __init__(self, shape, factor=3, latent_dim=3):
        super().__init__(shape, latent_dim, width=factor * 4)


@pytest.mark.parametrize(
    ("part", "arguments"),
    [
        (Careless(SHAPE), {"width": 8, "layers": 2, "bias": True}),
        (Careless(SHAPE, 3, 5, bias=False), {"width": 5, "layers": 2, "bias": False}),
        (Broader(SHAPE, 7), {"factor": 7}),
    ],
)
def test_what_is_no_attribute_is_what_the_constructor_got(part, arguments):
    found = describe(part)["init_args"]
    assert found == {"shape": [4], "latent_dim": 3, **arguments}
    for other in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert describe(other)["init_args"] == found


def test_other_keywords_are_kept():
    assert describe(Careless(SHAPE, dropout=0.5))["dict_kwargs"] == {"dropout": 0.5}


def test_a_change_of_an_attribute_is_kept():
    class Kept(Recorded):
        def __init__(self, rate=1):
            self.rate = rate

    Kept.__qualname__, part = "Kept", Kept()
    part.rate = 2
    assert recorded(part) == {}
    assert describe(part)["init_args"] == {"rate": 2}


def test_a_plain_module_is_recorded_where_it_is_built():
    class Plain(nn.Module):
        def __init__(self, width):
            super().__init__()

    Plain.__qualname__ = "Plain"
    with pytest.raises(Undescribable, match="does not keep its argument 'width'"):
        describe(Plain(3))
    assert describe(built(Plain, 3))["init_args"] == {"width": 3}


class Idiomatic(GANModule):
    """As users of Lightning write it."""

    def __init__(self, width: int = 4, learning_rate: float = 1e-3):
        super().__init__(Careless(SHAPE, width=width), DenseDiscriminator(SHAPE, widths=(width,)), NonSaturating())
        self.save_hyperparameters()
        assert self.hparams.learning_rate == learning_rate


def test_a_module_with_arguments_of_its_own_is_rebuilt(trainer, tmp_path):
    module = Idiomatic(6, learning_rate=0.5)
    data = torch.utils.data.DataLoader(torch.rand(16, 4), batch_size=8)
    run = trainer(max_steps=1)
    run.fit(module, data)
    run.save_checkpoint(tmp_path / "own.ckpt")
    loaded = Idiomatic.load_from_checkpoint(tmp_path / "own.ckpt")
    assert (loaded.hparams.width, loaded.hparams.learning_rate) == (6, 0.5)
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


class Renamed(GANModule):
    """Keeps no argument, and does not know of ``save_hyperparameters``."""

    def __init__(self, depth, width=4):
        super().__init__(Careless(SHAPE, width=width), DenseDiscriminator(SHAPE, widths=(width,)), NonSaturating())


class RenamedDigits(Digits):
    """Likewise, of data."""

    def __init__(self, side, share=0.5):
        super().__init__(size=2 * side, val_fraction=share / 5)


def test_a_module_and_data_that_keep_no_argument_are_rebuilt(trainer, tmp_path):
    run = trainer(max_steps=1)
    module = Renamed(3, width=6)
    run.fit(module, torch.utils.data.DataLoader(torch.rand(16, 4), batch_size=8))
    run.save_checkpoint(tmp_path / "own.ckpt")
    loaded = Renamed.load_from_checkpoint(tmp_path / "own.ckpt")
    assert describe(loaded) == describe(module)
    assert loaded.generator.width == 12
    assert dict(RenamedDigits(4, 0.25).hparams)["side"] == 4
    assert describe(RenamedDigits(4, 0.25))["init_args"] == {"side": 4, "share": 0.25}


def test_an_objective_of_ones_own(tmp_path):
    class Scaled(Hinge):
        def __init__(self, factor):
            self.scale = factor

    Scaled.__qualname__ = "Scaled"
    assert describe(Scaled(3.0))["init_args"] == {"factor": 3.0}
