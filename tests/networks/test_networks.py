"""What holds for every network, whatever its kind."""

import inspect

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    DCGANDiscriminator,
    DCGANGenerator,
    Decoder,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    Discriminator,
    Encoder,
    Generator,
)

KINDS = (Generator, Discriminator, Encoder, Decoder)
NETWORKS = (
    (DenseGenerator, {"latent_dim": 7, "widths": (11, 13)}),
    (DenseGenerator, {"latent_dim": 7, "widths": (11,), "batch_norm": False, "bounded": False}),
    (DCGANGenerator, {"latent_dim": 7, "width": 6}),
    (DenseDiscriminator, {"widths": (13, 11), "slope": 0.1}),
    (DCGANDiscriminator, {"width": 6}),
    (DCGANDiscriminator, {"width": 6, "batch_norm": False}),
    (DenseEncoder, {"features": 5, "widths": (13, 11)}),
    (DenseEncoder, {"features": 5, "widths": (), "activate_features": True}),
    (ConvEncoder, {"features": 5, "width": 16}),
    (DenseDecoder, {"latent_dim": 3, "widths": (11, 13)}),
    (DenseDecoder, {"latent_dim": 3, "widths": ()}),
    (ConvDecoder, {"latent_dim": 3, "width": 16}),
)
SHAPES = (
    (1, 8, 8),
    (3, 9, 9),
    (1, 28, 28),
    (5, 17, 30),
    (3, 32, 32),
    (1, 9, 200),
    (2, 256, 8),
    (3, 100, 48),
    (1, 64, 64),
)
IDS = [f"{cls.__name__}-{index}" for index, (cls, _) in enumerate(NETWORKS)]
every_network = pytest.mark.parametrize(("cls", "arguments"), NETWORKS, ids=IDS)


def shapes_in_and_out(network):
    """The contract of each kind, written down a second time."""
    if isinstance(network, Generator | Decoder):
        return (network.latent_dim,), network.shape
    return network.shape, (network.features,) if isinstance(network, Encoder) else ()


@every_network
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_picture_goes_in_or_comes_out(cls, arguments, shape):
    network = cls(shape, **arguments)
    before, after = shapes_in_and_out(network)
    assert network(torch.randn(2, *before)).shape == (2, *after)


@every_network
def test_every_parameter_learns(cls, arguments):
    torch.manual_seed(0)
    network = cls((3, 9, 14), **arguments)
    before, _ = shapes_in_and_out(network)
    output = network(torch.randn(8, *before))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 1e-6, name


@every_network
def test_constructor_arguments_are_attributes(cls, arguments):
    network = cls((3, 16, 16), **arguments)
    values = {"shape": (3, 16, 16), **arguments}
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(network, name) == values.get(name, parameter.default), name


@every_network
def test_same_seed_same_network(cls, arguments):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(cls((1, 12, 12), **arguments).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@every_network
def test_channels_last_changes_nothing_but_speed(cls, arguments):
    torch.manual_seed(0)
    network = cls((3, 14, 20), **arguments).double().eval()
    before, _ = shapes_in_and_out(network)
    x = torch.randn(2, *before).double()
    expected = network(x)
    fast = network.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
    torch.testing.assert_close(fast(x), expected)


@every_network
def test_a_batch_of_another_shape_is_refused_by_name(cls, arguments):
    network = cls((3, 16, 16), **arguments)
    before, _ = shapes_in_and_out(network)
    with pytest.raises(
        InputError, match=f"{cls.__name__} was built for a batch of shape .* and got .2, {before[0] + 1}"
    ):
        network(torch.randn(2, before[0] + 1, *before[1:]))


@pytest.mark.parametrize("cls", [DenseGenerator, DenseDiscriminator, DenseEncoder, DenseDecoder])
def test_dense_networks_take_points(cls):
    extra = {DenseEncoder: {"features": 4}, DenseDecoder: {"latent_dim": 4}}.get(cls, {})
    network = cls((2,), **extra)
    before, after = shapes_in_and_out(network)
    assert network(torch.randn(3, *before)).shape == (3, *after)


@pytest.mark.parametrize("cls", KINDS)
def test_kinds_are_only_contracts(cls):
    assert inspect.isabstract(cls)


@pytest.mark.parametrize("cls", [DCGANGenerator, DCGANDiscriminator])
@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 4, 32), "needs pictures of at least 8 x 8 and got 4 x 32: set --data.size 8 or more"),
        ((3, 32, 7), "needs pictures of at least 8 x 8 and got 32 x 7"),
        ((2,), "needs pictures of shape .channels, height, width. and got samples of shape .2,.: use the Dense"),
        ((0, 8, 8), "cannot be built with shape 0, 8, 8"),
    ],
)
def test_shapes_that_cannot_work_are_refused(cls, shape, sentence):
    with pytest.raises(InputError, match=f"{cls.__name__} {sentence}"):
        cls(shape)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda: DCGANGenerator((1, 8, 8), latent_dim=0), "latent_dim 0"),
        (lambda: DCGANGenerator((1, 8, 8), width=0), "width 0"),
        (lambda: DCGANDiscriminator((1, 8, 8), width=-3), "width -3"),
        (lambda: DenseGenerator((2,), widths=(64, 0)), "widths 64, 0"),
        (lambda: DenseDiscriminator((2,), widths=(1.5,)), "widths 1.5"),
        (lambda: ConvEncoder((1, 8, 8), features=0), "features 0"),
        (lambda: ConvDecoder((1, 8, 8), latent_dim=0), "latent_dim 0"),
    ],
)
def test_sizes_that_cannot_work_are_refused(build, argument):
    with pytest.raises(InputError, match=f"cannot be built with {argument}: give whole numbers of at least 1"):
        build()
