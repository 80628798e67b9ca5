"""Networks of other strides and kernels; their pyramids are in test_pyramid.py."""

import pytest
import torch

from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    ResidualDecoder,
    ResidualEncoder,
)


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
