"""The networks of ESRGAN and of SRGAN against published numbers, and what a pixel of theirs depends on."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, leaky_relu

from lightning_gen.errors import InputError
from lightning_gen.networks import RRDBNet, SRResNet

NETWORKS = ((RRDBNet, {"width": 4, "growth": 2, "blocks": 1}), (SRResNet, {"width": 4, "blocks": 2}))
every_network = pytest.mark.parametrize(("cls", "options"), NETWORKS, ids=lambda each: getattr(each, "__name__", ""))


def lively(network):
    """A network whose weights do not let a signal die."""
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.orthogonal_(parameter)
    return network


@pytest.mark.parametrize(("cls", "parameters"), [(RRDBNet, 16_697_987), (SRResNet, 1_517_571)])
def test_they_have_the_published_number_of_parameters(cls, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in cls((3, 32, 32)).parameters()) == parameters


@torch.no_grad()
def test_esrgans_network_is_that_of_its_paper():
    """Its figure 4: dense blocks in residual blocks in one skip around all, and each scaled by 0.2."""
    torch.manual_seed(0)
    network, x = lively(RRDBNet((3, 5, 6), 2, 2, width=4, blocks=2, growth=3)).double(), torch.randn(2, 3, 5, 6)
    convs = iter(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first = next(convs)(x.double())
    y = first
    for _ in range(2):
        z = y
        for _ in range(3):
            maps = [z]
            for _ in range(4):
                maps.append(leaky_relu(next(convs)(torch.cat(maps, 1)), 0.2))
            z = z + 0.2 * next(convs)(torch.cat(maps, 1))
        y = y + 0.2 * z
    y = first + next(convs)(y)
    y = leaky_relu(next(convs)(y.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
    y = leaky_relu(next(convs)(y), 0.2)
    torch.testing.assert_close(network(x.double()), next(convs)(y))


@torch.no_grad()
def test_srgans_network_adds_to_the_enlarged_source():
    torch.manual_seed(0)
    network, x = SRResNet((3, 5, 6), width=4, blocks=2), torch.randn(2, 3, 5, 6)
    network.up[-1].weight.zero_()
    torch.testing.assert_close(network(x), interpolate(x, (20, 24), mode="bilinear"))
    convs = iter(module for module in lively(network).double().modules() if isinstance(module, nn.Conv2d))
    x = x.double()
    y = leaky_relu(next(convs)(x), 0.1)
    for _ in range(2):
        z = next(convs)(y).clamp(min=0)
        y = y + next(convs)(z)
    for _ in range(2):
        n, _, height, width = y.shape
        y = next(convs)(y).reshape(n, 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
        y = leaky_relu(y.reshape(n, 4, 2 * height, 2 * width), 0.1)
    y = leaky_relu(next(convs)(y), 0.1)
    torch.testing.assert_close(network(x), next(convs)(y) + interpolate(x, (20, 24), mode="bilinear"))


@every_network
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_a_pixel_depends_on_its_radius_and_no_more(cls, options, scale):
    torch.manual_seed(0)
    network = lively(cls((1, 4, 64), scale=scale, **options)).double()
    x = torch.randn(1, 1, 4, 64).double().requires_grad_()
    output, reach = network(x)[0, 0, 2 * scale], 0
    for place in range(32 * scale, 33 * scale):
        (gradient,) = torch.autograd.grad(output[place], x, retain_graph=True)
        columns = gradient[0, 0].abs().amax(0).nonzero().flatten()
        reach = max(reach, 32 - int(columns[0]), int(columns[-1]) - 32)
    assert reach == network.radius


@every_network
@pytest.mark.parametrize(("scale", "shape"), [(4, (3, 6, 9)), (2, (1, 5, 5)), (1, (3, 4, 4))])
@torch.no_grad()
def test_sides_are_scaled_whatever_they_are(cls, options, scale, shape):
    network = cls(shape, scale=scale, **options)
    assert network.scale == scale
    assert network.target_shape == (shape[0], *(scale * side for side in shape[1:]))
    assert network(torch.randn(2, *shape)).shape == (2, *network.target_shape)
    assert network(torch.randn(1, shape[0], 1, 7)).shape == (1, shape[0], scale, 7 * scale)


@torch.no_grad()
def test_esrgans_network_takes_signals_and_other_channels():
    assert RRDBNet((2, 9), 3, 2, width=4, growth=2, blocks=1)(torch.randn(2, 2, 9)).shape == (2, 3, 18)
    assert RRDBNet((1, 3, 4, 5), 3, 2, 4, 1, 2)(torch.randn(1, 1, 3, 4, 5)).shape == (1, 3, 6, 8, 10)


@every_network
def test_outputs_are_not_squashed_and_the_same_in_training_and_evaluation(cls, options):
    torch.manual_seed(0)
    network, x = lively(cls((3, 8, 8), **options)), 100 * torch.randn(2, 3, 8, 8)
    expected = network(x)
    assert expected.abs().max() > 1
    assert torch.equal(network.eval()(x), expected)
    assert not list(network.buffers())


@pytest.mark.parametrize(("cls", "blocks"), [(RRDBNet, 1), (SRResNet, 4)])
def test_weights_of_the_blocks_start_as_a_tenth_of_hes(cls, blocks):
    torch.manual_seed(0)
    network = cls((3, 8, 8), blocks=blocks)
    convs = [module for module in network.trunk[:blocks].modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        fan_in = conv.weight[0].numel()
        assert conv.weight.std().item() == pytest.approx(0.1 * (2 / fan_in) ** 0.5, rel=0.05)
        assert not conv.bias.any()


@every_network
def test_every_parameter_learns_and_arguments_are_attributes(cls, options):
    torch.manual_seed(0)
    network = lively(cls((3, 8, 8), scale=2, **options))
    output = network(torch.randn(2, 3, 8, 8))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, name
    values = {"shape": (3, 8, 8), "scale": 2, **options}
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(network, name) == values.get(name, parameter.default), name


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: RRDBNet((3, 8, 8), scale=3), "RRDBNet cannot have scale 3: give a power of 2, such as 2 or 4"),
        (lambda: SRResNet((3, 8, 8), scale=0), "SRResNet cannot be built with scale 0"),
        (lambda: RRDBNet((3,)), "RRDBNet needs images of shape"),
        (lambda: SRResNet((3, 64)), r"SRResNet needs images .* of shape \(3, 64\): use RRDBNet"),
        (lambda: SRResNet((3, 8, 8), 1), "has 3 channels, and cannot give 1: leave target_channels out, or use RRDB"),
        (lambda: RRDBNet((3, 8, 8), blocks=0), "cannot be built with blocks 0"),
        (lambda: RRDBNet((3, 8, 8), growth=0), "cannot be built with growth 0"),
        (lambda: RRDBNet((3, 8, 8), residual_scale=float("nan")), "cannot have residual_scale nan: give a number"),
        (lambda: SRResNet((3, 8, 8), width=0), "cannot be built with width 0"),
    ],
)
def test_what_cannot_be_built(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
