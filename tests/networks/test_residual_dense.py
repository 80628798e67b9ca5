import numpy as np
import pytest
import torch
from torch import nn

from lightning_gen.networks import ResidualDenseDiscriminator, ResidualDenseGenerator
from lightning_gen.networks.residual_dense import DenseBlock


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def forward_by_hand(network, x, slope):
    """A linear layer, blocks of two, the activation and a linear layer; all layers in a list, first to last."""
    layers = [
        (m.weight.detach().numpy(), m.bias.detach().numpy()) for m in network.modules() if isinstance(m, nn.Linear)
    ]
    (w, b), *inner, (last_w, last_b) = layers
    h = x @ w.T + b
    for (w1, b1), (w2, b2) in zip(inner[::2], inner[1::2], strict=True):
        h = h + leaky(leaky(h, slope) @ w1.T + b1, slope) @ w2.T + b2
    return leaky(h, slope) @ last_w.T + last_b


def randomised(network):
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.double()


@pytest.mark.parametrize(("bounded", "slope"), [(False, 0.0), (True, 0.2)])
def test_generator_by_hand(bounded, slope):
    sizes = {"latent_dim": 5, "width": 7, "blocks": 2}
    generator = randomised(ResidualDenseGenerator((3, 2), **sizes, slope=slope, bounded=bounded))
    latent = torch.randn(4, 5).double()
    expected = forward_by_hand(generator, latent.numpy(), slope).reshape(4, 3, 2)
    np.testing.assert_allclose(generator(latent).detach().numpy(), np.tanh(expected) if bounded else expected)


@pytest.mark.parametrize("slope", [0.2, 0.0])
def test_discriminator_by_hand(slope):
    discriminator = randomised(ResidualDenseDiscriminator((3, 2), width=7, blocks=2, slope=slope))
    x = torch.randn(4, 3, 2).double()
    expected = forward_by_hand(discriminator, x.numpy().reshape(4, 6), slope)[:, 0]
    np.testing.assert_allclose(discriminator(x).logits.detach().numpy(), expected)


@pytest.mark.parametrize("cls", [ResidualDenseGenerator, ResidualDenseDiscriminator])
def test_three_blocks_of_128_that_start_as_the_identity(cls):
    network = cls((2,))
    linear = [m.weight.shape for m in network.modules() if isinstance(m, nn.Linear)]
    assert linear[1:-1] == [(128, 128)] * 6
    blocks = [m for m in network.modules() if isinstance(m, DenseBlock)]
    x = torch.randn(5, 128)
    assert len(blocks) == 3
    assert all(torch.equal(block(x), x) for block in blocks)


def test_other_weights_are_drawn_as_torch_draws_them():
    """U(-1/√in, 1/√in)."""
    network = ResidualDenseDiscriminator((2,))
    for part in network.modules():
        if isinstance(part, nn.Linear) and part.weight.any():
            bound = part.in_features**-0.5
            assert 0.95 * bound < part.weight.abs().max() <= bound or part.in_features == 2
            assert part.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)
