"""The networks of waveforms."""

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, WaveDecoder, WaveEncoder
from lightning_gen.networks.wave import Snake, WaveUnit

OPTIONS = {"width": 4, "dilations": [1, 3]}


@pytest.mark.parametrize("length", [64, 100, 1023])
@pytest.mark.parametrize(("strides", "taps"), [([4, 4], 2), ([2, 8], 4), ([3, 5], 3), ([16], 6)])
def test_a_signal_of_any_length_comes_back_in_its_length(length, strides, taps):
    encoder = WaveEncoder((2, length), 5, strides=strides, taps=taps, **OPTIONS)
    decoder = WaveDecoder((2, length), 5, strides=strides, taps=taps, outputs=3, **OPTIONS)
    expected = length
    for stride in strides:
        expected = -(-expected // stride)
    code = encoder(torch.randn(4, 2, length))
    assert code.shape == (4, 5, expected) == (4, 5, *encoder.map_size)
    assert decoder(code).shape == (4, 3, length)
    longer = length + 3 * encoder.multiple_of
    code = encoder(torch.randn(4, 2, longer))
    assert code.shape == (4, 5, expected + 3)
    assert decoder(code).shape == (4, 3, longer)


def with_branches(network):
    """The network with residual branches that do something."""
    torch.manual_seed(0)
    for unit in network.modules():
        if isinstance(unit, WaveUnit):
            nn.init.normal_(unit.branch[-1].weight, std=0.3)
    return network.double()


def test_a_signal_that_comes_later_has_a_code_that_comes_later():
    encoder = with_branches(WaveEncoder((1, 2048), 3, strides=[4, 4], **OPTIONS))
    x = torch.randn(1, 1, 2048, dtype=torch.double)
    inner = slice(32, 96)  # far from the ends, which are continued by zeros
    torch.testing.assert_close(encoder(x.roll(32, -1))[..., inner], encoder(x).roll(2, -1)[..., inner])


def test_the_class_is_read_and_every_weight_has_a_gradient():
    encoder = with_branches(WaveEncoder((1, 64), 3, conditioning=Concatenation(3), **OPTIONS))
    decoder = with_branches(WaveDecoder((1, 64), 3, conditioning=Concatenation(3), **OPTIONS))
    x, labels = torch.randn(2, 1, 64, dtype=torch.double), torch.tensor([0, 2])
    output = decoder(encoder(x, labels), labels)
    assert not torch.equal(output, decoder(encoder(x, labels.flip(0)), labels.flip(0)))
    output.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for network in (encoder, decoder) for weight in network.parameters())


def test_snake_is_its_formula_and_its_slope_is_one_plus_a_sine():
    snake = Snake(2).double()
    with torch.no_grad():
        snake.frequency.copy_(torch.tensor([[0.5], [3.0]]))
    x = torch.randn(4, 2, 7, dtype=torch.double, requires_grad=True)
    (slope,) = torch.autograd.grad(snake(x).sum(), x)
    torch.testing.assert_close(slope, 1 + (2 * snake.frequency * x).sin())


def test_a_unit_starts_as_the_identity_and_sees_as_far_as_its_dilation():
    unit = WaveUnit(3, 5)
    x = torch.randn(1, 3, 99, requires_grad=True)
    torch.testing.assert_close(unit(x), x + unit.branch[-1].bias[:, None])
    nn.init.normal_(unit.branch[-1].weight)
    (gradient,) = torch.autograd.grad(unit(x)[0, :, 49].sum(), x)
    assert gradient[0].abs().sum(0).nonzero().flatten().tolist() == [49 + 5 * step for step in range(-3, 4)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shape": (3, 32, 32)}, "reads signals of shape .*use the Residual networks"),
        ({"strides": []}, "at least one stride"),
        ({"strides": [1]}, "at least 2"),
        ({"strides": [3], "taps": 2}, "no middle"),
        ({"dilations": [0]}, "dilations 0"),
        ({"width": 0}, "width 0"),
    ],
)
def test_networks_that_cannot_be_built_are_one_sentence(arguments, sentence):
    for network in (WaveEncoder, WaveDecoder):
        with pytest.raises(InputError, match=sentence):
            network(**{"shape": (1, 64), ("features" if network is WaveEncoder else "latent_dim"): 4} | arguments)
