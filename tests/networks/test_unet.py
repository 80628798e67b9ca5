"""The U-Net against the networks of pix2pix, and what its skips, norms and sizes are for."""

import inspect

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import UNet


class Nested(nn.Module):
    """The paper's network as blocks inside blocks: each goes down, through the next one, and up, and joins both."""

    def __init__(self, before, channels, finest=True):
        super().__init__()
        width, *inner = channels
        self.down = [nn.Conv2d(before, width, 4, 2, 1, bias=finest or not inner)]
        self.down += [nn.InstanceNorm2d(width, affine=True)] if inner and not finest else []
        self.inner = Nested(width, inner, False) if inner else None
        self.up = [nn.ConvTranspose2d(width * (2 if inner else 1), before, 4, 2, 1, bias=finest)]
        self.up += [] if finest else [nn.InstanceNorm2d(before, affine=True)]
        self.weighted = nn.ModuleList([*self.down, *self.up])
        self.finest = finest

    def forward(self, x):
        y = x if self.finest else x.where(x > 0, 0.2 * x)
        for layer in self.down:
            y = layer(y)
        y = (y if self.inner is None else self.inner(y)).clamp(min=0)
        for layer in self.up:
            y = layer(y)
        return y.tanh() if self.finest else torch.cat([y, x], 1)

    def layers(self):
        """All layers down, then all up, from the finest on."""
        inner = [[], []] if self.inner is None else self.inner.layers()
        return [[*self.down, *inner[0]], [*self.up, *inner[1]]]


def lively(network):
    """A network whose weights are large enough that its output depends on all of them."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


def without_norm(network):
    """A network without the norms, which let every pixel depend on all others."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
    return network


def test_it_is_the_papers_network():
    torch.manual_seed(0)
    ours, theirs = lively(UNet((3, 16, 16), width=4, dropout=0.0)), Nested(3, [4, 8, 16, 32])
    down, up = theirs.layers()
    for a, b in zip(ours.encoder.parameters(), nn.ModuleList(down).parameters(), strict=True):
        b.data.copy_(a.data)
    for a, b in zip(ours.decoder.parameters(), nn.ModuleList(up).parameters(), strict=True):
        b.data.copy_(a.data)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("side", "levels", "parameters"), [(256, 8, 54.414), (128, 7, 41.829)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_it_has_the_published_number_of_parameters(side, levels, parameters, batch_norm):
    """In millions, as the authors' code for PyTorch prints it."""
    with torch.device("meta"):
        network = UNet((3, side, side), batch_norm=batch_norm)
    assert network.depth == levels
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(parameters, abs=6e-4)


def test_weights_and_gains_start_as_in_the_paper():
    torch.manual_seed(0)
    for network in (UNet((3, 32, 32)), UNet((3, 32, 32), batch_norm=True, resize_convolution=True)):
        gains, weights = [], []
        for module in network.modules():
            if isinstance(module, (nn.InstanceNorm2d, nn.BatchNorm2d)):
                gains.append(module.weight)
                assert module.eps <= 1e-4
            elif hasattr(module, "weight"):
                weights.append(module.weight)
                assert module.bias is None or not module.bias.any()
        assert len(gains) == 7
        gains, weights = torch.cat(gains), torch.cat([weight.flatten() for weight in weights])
        assert gains.mean().item() == pytest.approx(1, abs=0.003)
        assert gains.std().item() == pytest.approx(0.02, rel=0.1)
        assert weights.mean().item() == pytest.approx(0, abs=1e-4)
        assert weights.std().item() == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("batch_norm", [True, False])
@torch.no_grad()
def test_at_batch_1_the_output_depends_on_the_innermost_layer(batch_norm):
    torch.manual_seed(0)
    network, x = UNet((1, 16, 16), width=4, dropout=0.0, batch_norm=batch_norm), torch.randn(1, 1, 16, 16)
    lively(network)
    before = network(x)
    network.encoder[-1][-1].weight.mul_(-1)
    assert (network(x) - before).abs().max() > 1e-3


@torch.no_grad()
def test_each_skip_changes_the_output():
    torch.manual_seed(0)
    network, x = lively(UNet((1, 32, 32), width=4, dropout=0.0)), torch.randn(1, 1, 32, 32)
    before = network(x)
    for i in range(4):
        own = network.decoder[i + 1][1].weight.shape[1]

        def cut(module, args, own=own):
            joined = args[0].clone()
            joined[:, own:] = 0
            return (joined,)

        handle = network.decoder[i].register_forward_pre_hook(cut)
        assert (network(x) - before).abs().max() > 1e-3, i
        handle.remove()
    assert torch.equal(network(x), before)


def test_a_pixel_depends_on_the_whole_of_the_source():
    network = without_norm(UNet((1, 32, 32), width=2, dropout=0.0)).double()
    x = torch.randn(1, 1, 32, 32).double().requires_grad_()
    lively(network)
    (gradient,) = torch.autograd.grad(network(x)[0, 0, 0, 0].atanh(), x)
    assert gradient[0, 0, -1].abs().max() > 0
    assert network.radius is None


def test_dropout_follows_the_decoders_maps_of_2_4_and_8_pixels_in_training_alone():
    network, sides = UNet((1, 32, 32), width=2), []
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda module, args, output: sides.append(output.shape[2:]))
    x = torch.randn(1, 1, 32, 32)
    torch.manual_seed(0)
    assert not torch.equal(network(x), network(x))
    assert sides == [(2, 2), (4, 4), (8, 8)] * 2
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("resize_convolution", [True, False])
def test_without_dropout_training_and_evaluation_are_the_same(resize_convolution):
    network = UNet((2, 16, 16), 1, 4, dropout=0.0, resize_convolution=resize_convolution)
    x, buffers = torch.randn(3, 2, 16, 16), list(network.buffers())
    expected = network(x)
    assert not buffers, "running statistics"
    assert torch.equal(network.eval()(x), expected)
    torch.testing.assert_close(network(x[1:2]), expected[1:2])


@pytest.mark.parametrize(
    ("shape", "levels", "other"),
    [
        ((3, 32, 32), None, (3, 64, 96)),
        ((3, 32, 32), 3, (3, 8, 16)),  # to maps of 1 pixel
        ((1, 28, 28), None, (1, 60, 28)),  # odd at some level
        ((2, 33), None, (2, 97)),
        ((1, 9, 12, 8), None, (1, 17, 12, 8)),
        ((1, 2, 5), None, (1, 4, 3)),
        ((1, 8, 64), None, (1, 16, 8)),
    ],
)
@pytest.mark.parametrize("resize_convolution", [True, False])
@torch.no_grad()
def test_other_sizes_are_translated_as_by_one_that_was_built_for_them(shape, levels, other, resize_convolution):
    torch.manual_seed(0)
    built = UNet(shape, 3, 4, levels, 0.0, resize_convolution=resize_convolution)
    same = UNet(other, 3, 4, built.depth, 0.0, resize_convolution=resize_convolution)
    same.load_state_dict(built.state_dict())
    x = torch.randn(2, *other)
    assert built(torch.randn(2, *shape)).shape == (2, 3, *shape[1:])
    assert built(x).shape == (2, 3, *other[1:])
    assert torch.equal(built(x), same(x))


def test_sizes_between_are_refused():
    with pytest.raises(InputError, match=r"UNet was built for .* or give it sides that are multiples of 32"):
        UNet((1, 32, 32), width=2)(torch.randn(1, 1, 48, 32))
    with pytest.raises(InputError, match="UNet was built for"):
        UNet((1, 65, 65), width=2, levels=6)(torch.randn(1, 1, 1, 65))


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"resize_convolution": True, "levels": 2}])
@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 13, 20)])
def test_every_parameter_learns_and_arguments_are_attributes(options, shape):
    torch.manual_seed(0)
    network = UNet(shape, 2, width=4, dropout=0.0, **options)
    output = network(torch.randn(4, *shape))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, name
    values = {"shape": shape, "target_channels": 2, "width": 4, "dropout": 0.0, **options}
    for name, parameter in inspect.signature(UNet).parameters.items():
        assert getattr(network, name) == values.get(name, parameter.default), name


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: UNet((2,)), "UNet needs images of shape"),
        (lambda: UNet((1, 1, 8)), "UNet cannot halve images of 1 x 8 1 times: give it sides of at least 2"),
        (lambda: UNet((1, 8, 16), levels=4), "UNet cannot halve images of 8 x 16 4 times: set levels to at most 3"),
        (lambda: UNet((1, 8, 8), levels=0), "cannot be built with levels 0"),
        (lambda: UNet((1, 8, 8), width=0), "cannot be built with width 0"),
        (lambda: UNet((1, 8, 8), dropout=1.0), "UNet cannot have dropout 1.0: give a share from 0 to below 1"),
    ],
)
def test_what_cannot_be_built(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
