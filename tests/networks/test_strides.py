"""Pyramids of other strides and kernels: sizes for every length, and kernels without a comb."""

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    ResidualDecoder,
    ResidualEncoder,
)
from lightning_gen.networks.pyramid import pyramid

LENGTHS = (8, 63, 100, 4095, 4096, 4099)


@pytest.mark.parametrize("taps", [2, 3, 6])
@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_comes_back(length, stride, taps):
    """DAC's decoder gives fewer samples than came."""
    levels = pyramid(nn.Identity(), (1, length), 2, stride=stride, taps=taps)
    x = torch.empty(1, 1, length, device="meta")
    for i in levels.levels:
        x = levels.down(i).to("meta")(x)
        assert x.shape[2] == -(-levels.sizes[i][0] // stride)
    assert x.shape[1:] == levels.top
    for i in reversed(levels.levels):
        x = levels.up(i).to("meta")(x)
    assert x.shape == (1, 1, length)


@pytest.mark.parametrize("taps", [2, 6])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_every_output_sees_as_many_taps(stride, taps):
    """Else the sound has a tone at the rate of the map, the comb of transposed convolutions."""
    levels = pyramid(nn.Identity(), (1, 1000), 1, stride=stride, taps=taps)
    up = levels.up(0)
    nn.init.ones_(up.weight)
    nn.init.zeros_(up.bias)
    found = up(torch.ones(1, 1, levels.sizes[1][0]))[0, 0]
    inner = found[taps * stride : -taps * stride]
    assert len(inner) > 100 or stride * taps > 40
    assert (inner == taps).all()


@pytest.mark.parametrize("length", [100, 1023])
def test_networks_take_strides(length):
    shape, options = (1, length), {"width": 4, "stride": 4, "taps": 6}
    x = torch.randn(2, *shape)
    for downsamplings in (None, 2):
        encoder = ResidualEncoder(shape, 3, downsamplings=downsamplings, **options)
        decoder = ResidualDecoder(shape, 3, downsamplings=downsamplings, **options)
        features = encoder(x)
        assert features.shape == (2, 3, *([-(-length // 16)] if downsamplings else []))
        assert decoder(features).shape == x.shape
    assert ConvDecoder(shape, 3, **options)(ConvEncoder(shape, 3, **options)(x)).shape == x.shape
    made = DCGANGenerator(shape, 5, batch_norm=False, **options)(torch.randn(2, 5))
    assert made.shape == x.shape
    assert DCGANDiscriminator(shape, batch_norm=False, **options)(made).logits.shape[0] == 2


def test_a_map_takes_other_lengths_that_differ_by_multiples_of_the_strides():
    encoder = ResidualEncoder((1, 64), 3, width=4, downsamplings=2, stride=4)
    assert encoder.multiple_of == 16
    assert encoder(torch.randn(1, 1, 80)).shape == (1, 3, 5)


def test_without_batch_norm_a_sound_does_not_depend_on_the_others():
    generator = DCGANGenerator((1, 64), 5, width=4, batch_norm=False).train()
    z = torch.randn(3, 5)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


@pytest.mark.parametrize(("stride", "taps"), [(3, 2), (0, 2), (4, 1)])
def test_other_strides_are_refused(stride, taps):
    with pytest.raises(InputError, match=r"needs an even stride and at least 2 taps"):
        ConvEncoder((1, 64), 3, stride=stride, taps=taps)
