"""FastGAN's generator: sizes, gates and the excitation of large maps by small ones."""

import pytest
import torch
from torch import nn

from lightning_gen.networks import ConditionalBatchNorm, FastGANGenerator


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 32, 32), (3, 30, 50), (2, 40), (1, 8, 8, 8)])
def test_every_parameter_learns_and_images_have_the_shape(shape):
    generator = FastGANGenerator(shape, latent_dim=8, width=2, growth=4)
    x = generator(torch.randn(6, 8))
    assert x.shape == (6, *shape)
    assert float(x.detach().abs().max()) <= 1
    (x * torch.randn_like(x)).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in generator.parameters())


def test_the_first_map_excites_the_largest_as_in_the_paper():
    generator = FastGANGenerator((3, 64, 64), latent_dim=8, width=2)
    assert generator.distance == 4
    (excitation,) = generator.excitations
    seen = []
    excitation.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0].shape, output.shape)))
    generator(torch.randn(2, 8))
    assert seen == [((2, 32, 4, 4), (2, 2, 1, 1))]
    assert len(FastGANGenerator((3, 256, 256), latent_dim=8, width=2).excitations) == 3  # 4, 8, 16 to 64, 128, 256


def test_without_excitation_it_is_the_blocks_one_after_the_other():
    torch.manual_seed(0)
    generator = FastGANGenerator((3, 64, 64), latent_dim=8, width=2).eval()
    (excitation,) = generator.excitations
    excitation.layers = nn.Sequential(
        nn.Flatten(), nn.LazyLinear(2), nn.Threshold(1e9, 1.0), nn.Unflatten(1, (2, 1, 1))
    )
    z = torch.randn(3, 8)
    x = generator.first(z, None)
    for block in generator.blocks:
        x = block(x, None)
    torch.testing.assert_close(generator(z), generator.last(x))


def test_with_classes_its_batch_norm_depends_on_them():
    generator = FastGANGenerator((3, 32, 32), latent_dim=8, width=2, conditioning=ConditionalBatchNorm(3)).eval()
    for module in generator.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
    z = torch.randn(1, 8).expand(2, 8)
    first, second = generator(z, torch.tensor([0, 1]))
    assert not torch.allclose(first, second)
