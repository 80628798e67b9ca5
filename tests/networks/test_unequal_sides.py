"""Every convolutional network on signals, images and volumes whose sides are unequal or odd."""

import pytest
import torch

from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    PatchDiscriminator,
    R3GANDiscriminator,
    R3GANGenerator,
    ResidualDecoder,
    ResidualEncoder,
    ResNetDiscriminator,
    ResNetGenerator,
)

SHAPES = [(1, 37), (1, 13, 40), (1, 8, 10, 12), (2, 9, 11, 13)]
every_shape = pytest.mark.parametrize("shape", SHAPES)


@every_shape
@pytest.mark.parametrize("kind", [DCGANGenerator, ResNetGenerator, R3GANGenerator])
def test_samples_have_the_sides_that_were_asked_for(kind, shape):
    assert kind(shape, 8, width=4)(torch.randn(2, 8)).shape == (2, *shape)


@every_shape
@pytest.mark.parametrize("kind", [ConvDecoder, ResidualDecoder])
def test_outputs_have_the_sides_that_were_asked_for(kind, shape):
    encoder = {ConvDecoder: ConvEncoder, ResidualDecoder: ResidualEncoder}[kind](shape, 8, width=4)
    assert kind(shape, 8, width=4)(encoder(torch.randn(2, *shape))).shape == (2, *shape)


@every_shape
@pytest.mark.parametrize("kind", [DCGANDiscriminator, ResNetDiscriminator, R3GANDiscriminator, PatchDiscriminator])
def test_the_gradient_of_logits_reaches_every_place(kind, shape):
    """A side of the wrong index would be cropped, and its end would be judged by nobody."""
    torch.manual_seed(0)
    options = {"depth": 1} if kind is PatchDiscriminator else {}
    x = torch.randn(2, *shape).requires_grad_()
    logits = kind(shape, width=4, **options)(x).logits
    (gradient,) = torch.autograd.grad((logits * torch.randn_like(logits)).sum(), x)
    assert (gradient != 0).flatten(2).any(1).float().mean() > 0.9
    for dim in range(2, gradient.dim()):
        assert (gradient.select(dim, 0) != 0).any()
        assert (gradient.select(dim, shape[dim - 1] - 1) != 0).any()
