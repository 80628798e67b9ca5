"""The residual translator against the networks of CycleGAN and CUT, and its features by name."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

from lightning_gen.errors import InputError
from lightning_gen.networks import ResNetTranslator
from lightning_gen.networks.layers import LAYERS
from lightning_gen.networks.resampling import BlurredHalving, NearestConvolution

CUT = ("pixels", "down1", "down2", "block1", "block5")
"""The features that CUT compares."""


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return x + self.layers(x)


def paper(before, after, width, blocks):
    """The generator of CycleGAN as its appendix lists it: c7s1-w, d2w, d4w, R4w..., u2w, uw, c7s1-after."""
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(before, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
    for i in (1, 2):
        layers += [nn.Conv2d(i * width, 2 * i * width, 3, 2, 1), nn.InstanceNorm2d(2 * i * width), nn.ReLU()]
    layers += [Residual(4 * width) for _ in range(blocks)]
    for i in (2, 1):
        layers += [nn.ConvTranspose2d(2 * i * width, i * width, 3, 2, 1, output_padding=1)]
        layers += [nn.InstanceNorm2d(i * width), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, after, 7), nn.Tanh())


def without_norm(network):
    """A network without the norms, which let every pixel depend on all others."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
    return network


def lively(network):
    """A network whose weights do not let a signal die."""
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.orthogonal_(parameter)
    return network


def test_it_is_the_papers_network():
    torch.manual_seed(0)
    ours, theirs = ResNetTranslator((3, 16, 20), 2, width=4, blocks=2), paper(3, 2, 4, 2)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(a.data)
    x = torch.randn(2, 3, 16, 20)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("side", "blocks", "parameters"), [(256, 9, 11.378), (128, 6, 7.838), (512, 9, 11.378)])
def test_it_has_the_published_number_of_parameters(side, blocks, parameters):
    """In millions, as the authors' code prints it."""
    with torch.device("meta"):
        network = ResNetTranslator((3, side, side))
    assert len([name for name in network.feature_channels if name.startswith("block")]) == blocks
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(parameters, abs=6e-4)


def test_features_see_the_patches_of_cut():
    torch.manual_seed(0)
    network = lively(without_norm(ResNetTranslator((1, 144, 144), width=2, blocks=5, antialias=True))).double()
    x = torch.randn(1, 1, 144, 144).double().requires_grad_()
    patches = []
    for features in network.features(x, CUT):
        row, column = (side // 2 for side in features.shape[2:])
        (gradient,) = torch.autograd.grad(features[0, :, row, column].sum(), x, retain_graph=True)
        seen = gradient[0, 0].abs() > 0
        patches.append((int(seen.any(1).sum()), int(seen.any(0).sum())))
    assert patches == [(side, side) for side in (1, 9, 15, 35, 99)]


@pytest.mark.parametrize(
    "options", [{}, {"antialias": True}, {"resize_convolution": True}, {"dropout": 0.5}, {"downsamplings": 3}]
)
def test_names_mean_the_same_layers_whatever_the_options(options):
    """Those of a name are the output of a convolution down, or of a residual block, in their order."""
    network = ResNetTranslator((3, 32, 32), width=4, blocks=3, **options).eval()
    downs = options.get("downsamplings", 2)
    seen = []
    for module in network.layers[1:]:
        if isinstance(module, nn.Conv2d) or hasattr(module, "branch"):
            module.register_forward_hook(lambda module, args, output: seen.append(output))
    x = torch.randn(2, 3, 32, 32)
    names = ["pixels", *(f"down{i + 1}" for i in range(downs)), "block1", "block2", "block3"]
    assert list(network.feature_channels) == names
    features = network.features(x, names)
    assert len(features) == len([x, *seen])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(features, [x, *seen], strict=True))
    assert [each.shape[1] for each in features] == list(network.feature_channels.values())
    stride = 1 if "antialias" in options else 2
    assert features[1].shape[2:] == (32 // stride, 32 // stride)


def test_features_come_in_the_order_of_the_names_and_of_one_pass():
    network = ResNetTranslator((1, 16, 16), width=4, blocks=3)
    x = torch.randn(2, 1, 16, 16)
    output, (block, down, again) = network.forward_with_features(x, ["block2", "down1", "block2"])
    assert torch.equal(output, network(x))
    assert block is again
    for ours, theirs in zip((block, down), network.features(x, ["block2", "down1"]), strict=True):
        assert torch.equal(ours, theirs)
    assert network.features(x, ["pixels"])[0] is x
    assert network.features(x, []) == ()


def test_features_run_no_layer_after_the_last_that_is_asked_for():
    network = ResNetTranslator((1, 16, 16), width=4, blocks=3)
    ran = []
    for name, module in network.layers.named_children():
        module.register_forward_hook(lambda module, args, output, name=name: ran.append(int(name)))
    network.features(torch.randn(1, 1, 16, 16), ["down1"])
    assert ran == [0, 1, 2, 3]
    network.forward_with_features(torch.randn(1, 1, 16, 16), ["down1"])
    assert len(ran) == 4 + len(network.layers)


def test_features_learn_from_losses_on_them():
    """No layer that follows changes a map in place, which would end in an error or a wrong gradient."""
    network = ResNetTranslator((1, 16, 16), width=4, blocks=5).double()
    x = torch.randn(1, 1, 16, 16).double()
    output, features = network.forward_with_features(x, CUT)
    alone = network.features(x, CUT)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(features, alone, strict=True))
    (output.sum() + sum(each.square().mean() for each in features)).backward()
    assert network.layers[0].weight.grad.isfinite().all()


def test_features_that_it_does_not_give_are_refused():
    network = ResNetTranslator((1, 16, 16), width=4, blocks=1)
    with pytest.raises(InputError, match="no features 'block5': take some of pixels, down1, down2, block1"):
        network.features(torch.randn(1, 1, 16, 16), CUT)
    with pytest.raises(InputError, match="ResNetTranslator was built for"):
        network.features(torch.randn(1, 2, 16, 16), ["pixels"])


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 8, 12), (3, 32), (2, 8, 8, 12)])
@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"resize_convolution": True}])
@torch.no_grad()
def test_translations_have_the_size_of_the_source(shape, options):
    network = ResNetTranslator(shape, 1, width=2, blocks=2, **options)
    assert network(torch.randn(2, *shape)).shape == (2, 1, *shape[1:])
    other = tuple(side + 4 for side in shape[1:])
    assert network(torch.randn(1, shape[0], *other)).shape == (1, 1, *other)
    smallest = (8,) * (len(shape) - 1)
    assert network(torch.randn(1, shape[0], *smallest)).shape == (1, 1, *smallest)
    for side in (4, 10):
        with pytest.raises(InputError, match="give it sides that are multiples of 4"):
            network(torch.randn(1, shape[0], *smallest[1:], side))


@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"resize_convolution": True}])
def test_without_dropout_training_and_evaluation_are_the_same(options):
    network = ResNetTranslator((2, 16, 16), 1, 4, 2, **options)
    x = torch.randn(3, 2, 16, 16)
    expected = network(x)
    assert not list(network.buffers()), "running statistics"
    assert torch.equal(network.eval()(x), expected)
    torch.testing.assert_close(network(x[1:2]), expected[1:2])
    assert network.radius is None
    assert all(module.eps <= 1e-4 for module in network.modules() if isinstance(module, nn.InstanceNorm2d))


def test_dropout_acts_in_training_alone():
    network, x = ResNetTranslator((1, 16, 16), width=4, blocks=2, dropout=0.5), torch.randn(1, 1, 16, 16)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_weights_start_as_in_the_paper():
    torch.manual_seed(0)
    weights = [p for p in ResNetTranslator((3, 32, 32), blocks=2).parameters() if p.dim() > 1]
    assert torch.cat([weight.flatten() for weight in weights]).std().item() == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"resize_convolution": True}])
def test_every_weight_learns_and_arguments_are_attributes(options):
    torch.manual_seed(0)
    network = ResNetTranslator((3, 12, 16), 2, 4, 3, **options)
    output = network(torch.randn(4, 3, 12, 16))
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:  # a bias before a norm has no effect, but on features before it
            assert parameter.grad.abs().max() > 1e-6, name
    values = {"shape": (3, 12, 16), "target_channels": 2, "width": 4, "blocks": 3, **options}
    for name, parameter in inspect.signature(ResNetTranslator).parameters.items():
        assert getattr(network, name) == values.get(name, parameter.default), name


def test_maps_are_halved_after_the_blur_of_cut():
    x = torch.randn(2, 3, 8, 12).double()
    kernel = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])).double() / 16
    expected = conv2d(pad(x, [1] * 4, mode="reflect"), kernel.expand(3, 1, 3, 3), stride=2, groups=3)
    torch.testing.assert_close(BlurredHalving(LAYERS[2])(x), expected)


def test_maps_are_enlarged_by_the_blur_of_cut():
    """A transposed convolution by 1, 3, 3, 1 with repeated borders, of which two lines are cropped."""
    network = ResNetTranslator((1, 8, 8), width=2, blocks=1, antialias=True)
    enlarge = next(layer for layer in network.layers if isinstance(layer, nn.Upsample))
    x = torch.randn(2, 3, 5, 7).double()
    kernel = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])).double() / 16
    whole = conv_transpose2d(pad(x, [1] * 4, mode="replicate"), kernel.expand(3, 1, 4, 4), stride=2, groups=3)
    torch.testing.assert_close(enlarge(x), whole[:, :, 3:-3, 3:-3])


def test_a_constant_is_enlarged_to_a_constant_without_a_checkerboard():
    """Inside the map every pixel has the same taps; those of a transposed convolution of kernel 3 differ."""
    x = torch.ones(1, 1, 8, 8)
    for layer, even in ((NearestConvolution(1, 1, LAYERS[2]), True), (nn.ConvTranspose2d(1, 1, 3, 2, 1, 1), False)):
        inner = layer(x)[..., 2:-2, 2:-2]
        assert torch.allclose(inner, inner.mean(), atol=1e-6) is even


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ResNetTranslator((2,)), "ResNetTranslator needs images of shape"),
        (lambda: ResNetTranslator((1, 30, 32)), "are multiples of 4, of at least 8, and got 30 x 32: set --data.size"),
        (lambda: ResNetTranslator((1, 4, 8)), "of at least 8, and got 4 x 8"),
        (lambda: ResNetTranslator((1, 24, 24), downsamplings=4), "multiples of 16, of at least 32, and got 24 x 24"),
        (lambda: ResNetTranslator((1, 8, 8), blocks=0), "cannot be built with blocks 0"),
        (lambda: ResNetTranslator((1, 8, 8), width=0), "cannot be built with width 0"),
        (lambda: ResNetTranslator((1, 8, 8), dropout=1.0), "cannot have dropout 1.0: give a share from 0"),
        (lambda: ResNetTranslator((1, 8, 8), antialias=True, resize_convolution=True), "so set one of them"),
    ],
)
def test_what_cannot_be_built(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
