"""Directions of latents that need no labels, beside the closed form of linear generators."""

import pytest
import torch
from torch import nn

from lightning_gen.applications.directions import directions, of_jacobian
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, DenseDiscriminator, DenseGenerator, WrappedGenerator


class LinearGenerator(nn.Module):
    """Samples x = A z, and no layer: the matrix is a parameter of the network itself."""

    latent_dim = 4

    def __init__(self, layer):
        super().__init__()
        self.layer = nn.Linear(4, 64, bias=False) if layer else None
        self.matrix = nn.Parameter(torch.randn(64, 4) * torch.tensor([1.0, 3.0, 0.5, 2.0]))
        if layer:
            self.layer.weight = self.matrix

    def forward(self, z):
        return (z @ self.matrix.T if self.layer is None else self.layer(z)).view(-1, 1, 8, 8)


def oracle(matrix):
    """The eigenvectors of A'A by falling eigenvalues, the largest coordinate positive."""
    values, vectors = torch.linalg.eigh((matrix.T @ matrix).detach().double())
    vectors, values = vectors.T.flip(0), values.flip(0)
    signs = torch.stack([each[each.abs().argmax()].sign() for each in vectors])
    return (vectors * signs[:, None]).float(), (values / values.sum()).float()


@pytest.mark.parametrize("layer", [True, False])
def test_of_a_linear_generator_they_are_the_eigenvectors_of_its_matrix(gan, layer):
    network = LinearGenerator(layer)
    module = gan(generator=network)
    found = directions(module, torch.randn(64, 4))
    vectors, shares = oracle(network.matrix)
    torch.testing.assert_close(found.vectors, vectors, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.shares, shares, rtol=0, atol=1e-5)
    assert found.source == (
        "singular vectors of the first layer" if layer else "eigenvectors of the mean squared Jacobian at 64 latents"
    )


def test_shares_are_real_and_fall_and_add_up_to_1(gan):
    generator = DenseGenerator((1, 8, 8), latent_dim=12, widths=(16, 16))
    for weight in (None, torch.eye(12)):  # the first layer, and the Jacobian
        shares = directions(gan(generator=generator), torch.randn(8, 12), basis=weight).shares
        assert not shares.is_complex()
        assert (shares.diff() <= 0).all()
        assert shares.min() >= 0
        torch.testing.assert_close(shares.sum(), torch.tensor(1.0))


def test_signs_do_not_depend_on_the_solver(gan):
    network = LinearGenerator(True)
    first = directions(gan(generator=network), torch.randn(2, 4)).vectors
    largest = first.gather(1, first.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()
    network.matrix.data.neg_()
    torch.testing.assert_close(directions(gan(generator=network), torch.randn(2, 4)).vectors, first)


def test_the_columns_of_a_concatenated_class_are_left_out(gan):
    generator = DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(3))
    generator.layers[0].weight.data[:, 4:] *= 1000
    discriminator = DenseDiscriminator((1, 8, 8), (8,), conditioning=Concatenation(3))
    module = gan(generator=generator, discriminator=discriminator)
    found = directions(module, torch.randn(5, 4), torch.zeros(5, dtype=torch.int64))
    vectors, shares = oracle(generator.layers[0].weight[:, :4])
    torch.testing.assert_close(found.vectors, vectors, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.shares, shares, rtol=0, atol=1e-5)


def test_a_layer_with_a_spectral_norm_is_read_as_it_is_applied(gan):
    network = LinearGenerator(True)
    nn.utils.parametrizations.spectral_norm(network.layer)
    found = directions(gan(generator=network), torch.randn(2, 4))
    assert found.source.startswith("singular vectors")
    torch.testing.assert_close(found.vectors, oracle(network.matrix)[0], rtol=0, atol=1e-4)


def test_the_jacobian_is_that_of_reverse_derivatives():
    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5))
    latents = torch.randn(6, 3)
    jacobians = torch.stack([torch.autograd.functional.jacobian(network, z) for z in latents]).double()
    values, vectors = torch.linalg.eigh((jacobians.mT @ jacobians).mean(0))
    with torch.no_grad():
        found = of_jacobian(lambda x, index: network(x), latents, torch.eye(3))
    torch.testing.assert_close(found.shares, (values / values.sum()).flip(0).float())
    overlaps = (found.vectors.double() * vectors.T.flip(0)).sum(1).abs()
    torch.testing.assert_close(overlaps, torch.ones(3, dtype=torch.float64))


def test_the_class_of_each_latent_is_given_to_the_network():
    seen = []

    def decode(x, index):
        seen.append(index)
        return x * (index + 1)

    found = of_jacobian(decode, torch.zeros(3, 2), torch.eye(2))
    assert seen == [0, 1, 2]
    torch.testing.assert_close(found.shares, torch.tensor([0.5, 0.5]))


class Rounded(torch.autograd.Function):
    """A function without a forward derivative."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class OwnFunction(nn.Module):
    def forward(self, z):
        return Rounded.apply(z).repeat(1, 16).view(-1, 1, 8, 8)


def test_a_layer_without_a_forward_derivative_gets_a_sentence(gan):
    with pytest.raises(InputError, match=r"forward derivatives of the model cannot be computed .*take --along"):
        directions(gan(generator=WrappedGenerator(OwnFunction(), 4)), torch.randn(3, 4))
