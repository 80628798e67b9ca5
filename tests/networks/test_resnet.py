"""SNGAN's residual networks against the paper's, written down a second time."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, relu

from lightning_gen.errors import InputError
from lightning_gen.networks import (
    AuxiliaryClassifier,
    ConditionalBatchNorm,
    DCGANDiscriminator,
    DenseDiscriminator,
    Projection,
    ResNetDiscriminator,
    ResNetGenerator,
)
from lightning_gen.networks.conditioning import ClassBatchNorm
from lightning_gen.networks.layers import LAYERS
from lightning_gen.networks.resnet import DownBlock, ResidualBlock, SelfAttention, UpBlock

NORMALISED = (
    DenseDiscriminator((5,), (7, 6), spectral_norm=True, conditioning=AuxiliaryClassifier(3)),
    DCGANDiscriminator((3, 16, 16), 4, batch_norm=False, spectral_norm=True, packing=2),
    ResNetDiscriminator((3, 16, 16), 8, attention=1, minibatch_std=True, conditioning=Projection(3)),
)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def parts(network, kind):
    return [m for m in network.modules() if isinstance(m, kind)]


def repeat(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def average(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def normalise(norm, x):
    return batch_norm(x, None, None, norm.weight, norm.bias, training=True)


def test_the_published_networks_for_cifar():
    """Parameters of the authors' networks, less what the module says differs."""
    # Generator: 128 -> 4 x 4 x 256, three blocks of 256, BatchNorm, 3 x 3 convolution to 3 channels
    block = 2 * (2 * 256) + 2 * (256 * 256 * 9 + 256) + (256 * 256 + 256)
    published = (128 + 1) * 4096 + 3 * block + 2 * 256 + (256 * 27 + 3)
    assert published == 4_276_739
    assert count(ResNetGenerator((3, 32, 32), width=256, growth=1)) == published - 3 * 3 * 256
    # Discriminator: two blocks that halve and two that do not, of 128; the third halves here and has a shortcut
    conv, shortcut = 128 * 128 * 9 + 128, 128 * 128 + 128
    first = (3 * 128 * 9 + 128) + conv + (3 * 128 + 128)
    published = first + (2 * conv + shortcut) + 2 * (2 * conv) + 129
    assert count(ResNetDiscriminator((3, 32, 32), width=128, growth=1)) == published + shortcut


def test_the_published_channels_for_stl():
    """At 48 x 48: 6 x 6 x 512, then 256, 128 and 64 channels; a discriminator of 64, 128, 256."""
    generator = ResNetGenerator((3, 48, 48))
    assert generator.layers[0].out_features == 6 * 6 * 512
    assert [block.shortcut[0].out_channels for block in parts(generator, UpBlock)] == [256, 128, 64]
    discriminator = ResNetDiscriminator((3, 48, 48))
    assert [block.shortcut[1].out_channels for block in parts(discriminator, DownBlock)] == [64, 128, 256]


def test_the_published_discriminator_for_stl_is_larger():
    """Four blocks halve 48 x 48 and one follows, of 64, 128, 256, 512 and 1024 channels; here three and one."""

    def block(before, after, middle):
        return 9 * (before * middle + middle * after) + middle + after + before * after + after

    steps = [(64, 128), (128, 256), (256, 512), (512, 1024)]
    published = block(3, 64, 64) + sum(block(a, b, a) for a, b in steps) + 1024 + 1
    assert published == pytest.approx(10.1e6, abs=0.05e6)
    ours = block(3, 64, 64) + sum(block(a, b, a) for a, b in steps[:2]) + 2 * (9 * 256**2 + 256) + 256 + 1
    assert count(ResNetDiscriminator((3, 48, 48), spectral_norm=False)) == ours == pytest.approx(1.8e6, abs=0.05e6)


def test_the_last_norm_of_a_conditional_generator_depends_on_the_class():
    generator = ResNetGenerator((3, 16, 16), latent_dim=5, width=4, conditioning=ConditionalBatchNorm(3))
    last = [part for part in generator.layers if isinstance(part, ClassBatchNorm)]
    assert [part.gain.weight.shape for part in last] == [(3, 4)]


def test_generator_by_hand():
    generator = ResNetGenerator((3, 16, 24), latent_dim=5, width=4).double()
    for norm in parts(generator, nn.BatchNorm2d):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    latent = torch.randn(3, 5).double()
    start, _, *blocks, last_norm, _, last, _ = generator.layers
    h = start(latent).view(3, 16, 4, 6)
    for block in blocks:
        first_norm, _, _, first, second_norm, _, second = block.branch
        branch = conv2d(repeat(relu(normalise(first_norm, h))), first.weight, padding=1)
        branch = conv2d(relu(normalise(second_norm, branch)), second.weight, padding=1)
        h = branch + conv2d(repeat(h), block.shortcut[0].weight)
    expected = last(relu(normalise(last_norm, h))).tanh()
    torch.testing.assert_close(generator(latent), expected)


def test_discriminator_by_hand():
    discriminator = ResNetDiscriminator((3, 16, 24), width=4, spectral_norm=False).double()
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(3, 3, 16, 24).double()
    h = x
    *downs, last, _ = discriminator.layers
    for i, block in enumerate(downs):
        first, second = parts(block.branch, nn.Conv2d)
        branch = average(second(relu(first(h if i == 0 else relu(h)))))
        h = branch + average(block.shortcut[1](h))
    first, second = parts(last.branch, nn.Conv2d)
    h = h + second(relu(first(relu(h))))
    output = discriminator(x)
    torch.testing.assert_close(output.features, relu(h).sum((2, 3)))
    torch.testing.assert_close(output.logits, discriminator.head.logit(relu(h).sum((2, 3)))[:, 0])


def test_the_last_line_of_an_odd_side_is_averaged_alone():
    block = DownBlock(1, 1, LAYERS[2])
    shortcut = block.shortcut[0](torch.arange(9.0).view(1, 1, 3, 3))
    assert shortcut.flatten().tolist() == [2.0, 3.5, 6.5, 8.0]


def test_weights_are_xaviers():
    for network in (ResNetGenerator((3, 32, 32), width=16), ResNetDiscriminator((3, 32, 32), 16, spectral_norm=False)):
        branches = [m for b in parts(network, (UpBlock, DownBlock, ResidualBlock)) for m in parts(b.branch, nn.Conv2d)]
        for part in parts(network, (nn.Conv2d, nn.Linear)):
            outputs, inputs, *kernel = part.weight.shape
            gain = 2**0.5 if any(part is m for m in branches) else 1.0
            bound = gain * (6 / ((inputs + outputs) * np.prod(kernel))) ** 0.5
            assert 0.9 * bound < part.weight.abs().max() <= bound * (1 + 1e-6)
            assert part.bias is None or not part.bias.any()


def test_attention_by_hand():
    """Section 3 of https://arxiv.org/abs/1805.08318, place by place."""
    attention = SelfAttention(16, LAYERS[2]).double()
    x = torch.randn(2, 16, 4, 6).double()
    assert torch.equal(attention(x), x)
    nn.init.constant_(attention.gain, 0.7)
    wq, wk, wv, wo = (
        part.weight.detach().numpy()[:, :, 0, 0]
        for part in (attention.query, attention.key, attention.value, attention.output)
    )
    assert [w.shape for w in (wq, wk, wv, wo)] == [(2, 16), (2, 16), (8, 16), (16, 8)]
    expected = x.numpy().copy()
    for n in range(2):
        place = {(i, j): x[n, :, i, j].numpy() for i, j in np.ndindex(4, 6)}
        squares = [[place[2 * i + a, 2 * j + b] for a, b in np.ndindex(2, 2)] for i, j in np.ndindex(2, 3)]
        keys, values = (np.stack([np.max([w @ v for v in square], 0) for square in squares]) for w in (wk, wv))
        for (i, j), v in place.items():
            scores = np.exp(keys @ (wq @ v))
            expected[n, :, i, j] += 0.7 * wo @ (scores @ values / scores.sum())
    np.testing.assert_allclose(attention(x).detach().numpy(), expected)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 33, 50)])
@pytest.mark.parametrize("attention", [1, 2])
def test_attention_is_at_the_map_that_is_asked_for(shape, attention):
    seen = []
    for network in (
        ResNetGenerator(shape, width=4, attention=attention),
        ResNetDiscriminator(shape, width=4, attention=attention),
    ):
        (part,) = parts(network, SelfAttention)
        part.register_forward_hook(lambda part, inputs, output: seen.append(tuple(output.shape[2:])))
        network(torch.randn(2, *(shape if isinstance(network, ResNetDiscriminator) else (128,))))
    expected = tuple(-(-side // 2**attention) for side in shape[1:])
    assert seen == [expected, expected]


@pytest.mark.parametrize(
    ("shape", "attention", "remedy"),
    [((1, 32, 32), 0, "give 1 or 2, or"), ((1, 32, 32), 3, "give 1 or 2, or"), ((1, 8, 8), 1, "leave it out")],
)
@pytest.mark.parametrize("cls", [ResNetGenerator, ResNetDiscriminator])
def test_attention_where_there_is_no_map_is_refused(cls, shape, attention, remedy):
    with pytest.raises(InputError, match=f"{cls.__name__} has no map {attention} .* between .*: {remedy}"):
        cls(shape, attention=attention)


@pytest.mark.parametrize("network", NORMALISED, ids=lambda network: type(network).__name__)
def test_the_largest_singular_value_of_every_weight_is_one(network):
    """After enough power iterations, of which a pass in training does one."""
    layers = parts(network, (nn.Linear, nn.Conv2d, nn.Embedding))
    assert len(layers) == sum(parameter.dim() > 1 for parameter in network.parameters())
    for part in layers:
        nn.init.normal_(part.parametrizations.weight.original)
        for _ in range(400):
            part.weight  # noqa: B018
        largest = torch.linalg.svdvals(part.weight.detach().flatten(1))[0]
        assert largest.item() == pytest.approx(1, abs=0.01)
