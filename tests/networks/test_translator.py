"""What translators share, and plain modules of torch in their place."""

import inspect

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import Translator, WrappedTranslator
from lightning_gen.networks.wrapped import as_translator


class Doubled(Translator):
    """A translator as a user writes it: sides twice as long, of any size."""

    scale = 2
    multiple_of = 1
    least_side = 3

    def __init__(self, shape, target_channels=None):
        super().__init__(shape, target_channels)
        self.layer = nn.ConvTranspose2d(shape[0], self.target_shape[0], 2, 2)

    def translate(self, x):
        return self.layer(x)


def test_it_is_only_a_contract():
    assert inspect.isabstract(Translator)
    assert issubclass(nn.Conv2d, Translator), "so that the command line takes plain modules"


def test_shapes_of_translations():
    translator = Doubled((3, 4, 6), 1)
    assert translator.target_shape == (1, 8, 12)
    assert translator(torch.randn(2, 3, 4, 6)).shape == (2, 1, 8, 12)
    assert translator(torch.randn(2, 3, 5, 3)).shape == (2, *translator.target_shape_of((3, 5, 3))) == (2, 1, 10, 6)
    assert Doubled((3, 4, 6)).target_shape == (3, 8, 12)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [((1, 4, 6), r"built for a batch of shape \(n, 3, 4, 6\) and got \(2, 1"), ((3, 2, 6), "sides of at least 3")],
)
def test_other_shapes_of_sources_are_refused(shape, sentence):
    with pytest.raises(InputError, match=f"Doubled was .*{sentence}"):
        Doubled((3, 4, 6))(torch.randn(2, *shape))


def test_a_translator_that_gives_another_shape_is_told_so():
    class Short(Doubled):
        def translate(self, x):
            return super().translate(x)[..., 1:]

    with pytest.raises(InputError, match=r"Short translates to samples of shape \(1, 8, 11\) and they need \(1, 8, 12"):
        Short((1, 4, 6))(torch.randn(2, 1, 4, 6))
    with pytest.raises(InputError, match="cannot be built with target_channels 0"):
        Doubled((3, 4, 6), 0)


def test_features_that_it_does_not_give_are_refused():
    translator, x = Doubled((1, 4, 4)), torch.randn(2, 1, 4, 4)
    assert not translator.feature_channels
    assert translator.features(x, ()) == ()
    for call in (translator.features, translator.forward_with_features):
        with pytest.raises(InputError, match="Doubled gives no features 'down1': use a translator that gives features"):
            call(x, ["down1"])


@pytest.mark.parametrize(
    ("network", "channels", "scale"),
    [
        (nn.Conv2d(3, 2, 3, padding=1), 2, 1),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.PixelShuffle(2), nn.Tanh()), 1, 2),
        (nn.ConvTranspose2d(3, 3, 4, 4), 3, 4),
    ],
)
def test_a_plain_module_is_wrapped_with_its_scale(network, channels, scale):
    translator = as_translator(network, (3, 6, 8))
    assert isinstance(translator, WrappedTranslator)
    assert (translator.scale, translator.target_shape) == (scale, (channels, 6 * scale, 8 * scale))
    x = torch.randn(2, 3, 6, 8)
    assert torch.equal(translator(x), network(x))
    with pytest.raises(InputError, match="give it what it was built for"):
        translator(torch.randn(2, 3, 8, 8))


def test_a_plain_module_says_its_shape_and_other_sizes_by_attributes():
    network = nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(InputError, match="the generator is a Conv2d, which does not say the shape of its sources: set"):
        as_translator(network)
    network.shape, network.multiple_of, network.least_side = (1, 8, 8), 4, 8
    translator = as_translator(network)
    assert (translator.shape, translator.multiple_of, translator.least_side) == ((1, 8, 8), 4, 8)
    assert translator(torch.randn(2, 1, 12, 8)).shape == (2, 1, 12, 8)
    for shape in ((10, 8), (4, 8)):
        with pytest.raises(InputError, match="sides that are multiples of 4"):
            translator(torch.randn(2, 1, *shape))


def test_finding_the_sizes_leaves_no_trace():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Dropout())
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    expected = torch.get_rng_state()
    as_translator(network, (1, 4, 4))
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("network", "shape", "sentence"),
    [
        (nn.Flatten(), (1, 4, 4), "Flatten returns translations with sides none for sources with sides 4 x 4: let it"),
        (nn.Conv2d(1, 1, 2, 2), (1, 4, 4), "sides 2 x 2 for sources with sides 4 x 4"),
        (nn.Upsample((8, 4)), (1, 4, 4), "sides 8 x 4 for"),
        (nn.Linear(3, 2), (3,), "sides none for sources with sides none"),
        (nn.Conv2d(3, 1, 1), (1, 4, 4), r"Conv2d fails on sources of shape \(2, 1, 4, 4\): RuntimeError"),
        (nn.Flatten(0), (1, 4, 4), r"returns \(32,\) for 2 sources"),
    ],
)
def test_what_cannot_be_wrapped(network, shape, sentence):
    with pytest.raises(InputError, match=sentence):
        as_translator(network, shape)


def test_translators_stay_as_they_are():
    translator = Doubled((1, 4, 4))
    assert as_translator(translator, (3, 8, 8)) is translator
