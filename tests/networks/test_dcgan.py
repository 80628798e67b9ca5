"""DCGAN against PyTorch's tutorial, built here again: https://pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lightning_gen.networks import DCGANDiscriminator, DCGANGenerator


def tutorial_generator(nz, ngf, nc):
    channels = [ngf * 8, ngf * 4, ngf * 2, ngf]
    layers = [nn.ConvTranspose2d(nz, channels[0], 4, 1, 0, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()]
    for before, after in pairwise(channels):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh())


def tutorial_discriminator(nc, ndf):
    layers = [nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for before, after in [(ndf, ndf * 2), (ndf * 2, ndf * 4), (ndf * 4, ndf * 8)]:
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False))


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def copy_weights(ours, theirs):
    """Copy ours into theirs, which holds the first or last map as a convolution over the whole 4 x 4 image."""
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(
            a.data.T.reshape(b.shape) if a.dim() == 2 and b.shape[0] == a.shape[1] else a.data.reshape(b.shape)
        )


def test_published_parameter_counts():
    assert count(DCGANGenerator((3, 64, 64), latent_dim=100, width=64)) == 3_576_704
    assert count(DCGANDiscriminator((3, 64, 64), width=64)) == 2_765_568


def test_twice_the_tutorials_width_has_the_maps_of_the_paper():
    """1024, 512, 256 and 128 maps from 4 x 4 on; 12.66 million parameters with kernels of 4 x 4."""
    generator = DCGANGenerator((3, 64, 64), latent_dim=100, width=128)
    maps = [layer.num_features for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert maps == [1024, 512, 256, 128]
    pairs = list(pairwise([*maps, 3]))
    assert count(generator) == 100 * 1024 * 16 + sum(16 * a * b for a, b in pairs) + 2 * sum(maps) == 12_658_432


def test_generator_is_the_tutorials():
    ours, theirs = DCGANGenerator((3, 64, 64), latent_dim=10, width=4).double(), tutorial_generator(10, 4, 3).double()
    copy_weights(ours, theirs)
    latent = torch.randn(5, 10).double()
    torch.testing.assert_close(ours(latent), theirs(latent[..., None, None]))


def test_discriminator_is_the_tutorials():
    ours, theirs = DCGANDiscriminator((3, 64, 64), width=4).double(), tutorial_discriminator(3, 4).double()
    copy_weights(ours, theirs)
    x = torch.randn(5, 3, 64, 64).double()
    torch.testing.assert_close(getattr(ours(x), "logits", ours(x)), theirs(x).view(5))


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_samples_stay_in_range(scale):
    x = DCGANGenerator((3, 28, 20), width=8)(torch.randn(8, 100) * scale)
    assert x.abs().max() <= 1
    assert x.std() > 0


def test_weights_are_drawn_as_in_the_paper():
    torch.manual_seed(0)
    for network in (DCGANGenerator((3, 32, 32), width=32), DCGANDiscriminator((3, 32, 32), width=32, batch_norm=False)):
        weights = torch.cat([p.detach().flatten() for p in network.parameters() if p.dim() > 1])
        assert weights.mean().abs() < 2e-4
        assert weights.std().item() == pytest.approx(0.02, rel=0.01)
        assert all(
            (module.bias == 0).all() for module in network.modules() if getattr(module, "bias", None) is not None
        )


@pytest.mark.parametrize("batch_norm", [True, False])
def test_only_batch_norm_mixes_samples(batch_norm):
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator((1, 16, 16), width=8, batch_norm=batch_norm).double()
    x = torch.randn(6, 1, 16, 16).double()
    alone = torch.cat([discriminator(x[:3]).logits, discriminator(x[3:]).logits])
    assert torch.allclose(discriminator(x).logits, alone, rtol=1e-9) is not batch_norm
