"""R3GAN against its parts written down a second time, published numbers, and what fix-up initialisation promises."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from lightning_gen.networks import ClassEmbedding, InnerProduct, Projection, R3GANDiscriminator, R3GANGenerator
from lightning_gen.networks.layers import LAYERS
from lightning_gen.networks.r3gan import Doubling, FixupBlock, Halving

NETWORKS = (R3GANGenerator, R3GANDiscriminator)
every_network = pytest.mark.parametrize("cls", NETWORKS)


def parts(network, kind):
    return [m for m in network.modules() if isinstance(m, kind)]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@every_network
def test_published_parameter_counts(cls):
    """20.7 million each at 32 x 32: Table 3 of the paper, configuration E."""
    with torch.device("meta"):
        network = cls((3, 32, 32), width=768, growth=1)
    assert count(network) == pytest.approx(20.7e6, abs=0.05e6)
    assert {m.groups for m in parts(network, nn.Conv2d)} - {1, 768} == {96}


CIFAR10, FFHQ256 = {"width": 768, "growth": 1}, {"width": 96, "growth": 8}


@pytest.mark.parametrize(
    ("shape", "arguments", "classes", "generator", "discriminator"),
    [
        ((3, 32, 32), CIFAR10, None, 20_732_160, 20_683_776),
        ((3, 32, 32), CIFAR10, 10, 20_781_952, 21_280_512),
        ((3, 256, 256), FFHQ256, None, 23_057_952, 23_009_568),
    ],
    ids=["CIFAR-10", "CIFAR-10 with classes", "FFHQ-256"],
)
def test_parameter_counts_of_the_authors_networks(shape, arguments, classes, generator, discriminator):
    with torch.device("meta"):
        draws = R3GANGenerator(shape, **arguments, conditioning=classes and ClassEmbedding(classes))
        scores = R3GANDiscriminator(shape, **arguments, conditioning=classes and InnerProduct(classes))
    assert (count(draws), count(scores)) == (generator, discriminator)


def test_the_latent_and_the_embedded_class_scale_the_first_map():
    """The one-hot class times a matrix, beside the latent: 10 of 10 · 64 + 64 shares of the scale's variance."""
    network = R3GANGenerator((3, 32, 32), width=8, blocks=1, conditioning=ClassEmbedding(10)).double()
    table, basis = network.class_embedding.weight, network.layers[0]
    assert basis.modulation.in_features == 64 + 64
    assert table.std().item() == pytest.approx(10**-0.5, rel=0.1)
    latent, labels = torch.randn(4, 64).double(), torch.tensor([0, 3, 3, 9])
    joined = torch.cat([latent, torch.eye(10).double()[labels] @ table], 1)
    expected = torch.einsum("chw,cz,nz->nchw", basis.basis, basis.modulation.weight, joined)
    torch.testing.assert_close(basis(network.prepare(latent, (64,), "latent_dim", labels)), expected)
    torch.testing.assert_close(network(latent, labels), network.layers(joined))


def test_a_logit_is_the_inner_product_with_the_class_alone():
    network = R3GANDiscriminator((3, 32, 32), width=64, growth=1, blocks=1, conditioning=InnerProduct(10)).double()
    square, table = network.head.map.weight, network.head.embedding.weight
    assert square.shape == (64, 64)
    assert square.std().item() == pytest.approx(64**-0.5, rel=0.1)
    assert table.std().item() == pytest.approx((64 * 10) ** -0.5, rel=0.15)
    x, labels = torch.randn(4, 3, 32, 32).double(), torch.tensor([0, 3, 3, 9])
    h = network.features(x).flatten(1)
    torch.testing.assert_close(network(x, labels).logits, torch.einsum("nc,cd,nd->n", table[labels], square, h))


def test_a_projected_class_is_added_to_an_unconditional_logit():
    """<w, h> + <e_y, h>: C and C · classes numbers, where `InnerProduct` has C² and C · classes."""
    plain = R3GANDiscriminator((3, 32, 32), width=8, blocks=1)
    conditional = R3GANDiscriminator((3, 32, 32), width=8, blocks=1, conditioning=Projection(10))
    conditional.load_state_dict(plain.state_dict(), strict=False)
    x, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 3, 3, 9])
    h = conditional.features(x).flatten(1)
    added = (conditional.head.embedding.weight[labels] * h).sum(1)
    torch.testing.assert_close(conditional(x, labels).logits, plain(x).logits + added)
    assert count(conditional) - count(plain) == 10 * 64


def test_the_networks_for_imagenet():
    """Cardinality 96 of 1,536 · 2 channels inside of a block: groups of 32."""
    with torch.device("meta"):
        network = R3GANGenerator((3, 32, 32), width=1536, growth=1, group_width=32)
    assert {m.groups for m in parts(network, nn.Conv2d)} - {1} == {96}


@every_network
def test_every_residual_block_starts_as_the_identity(cls):
    network = cls((3, 28, 28), blocks=3)
    blocks = parts(network, FixupBlock)
    assert len(blocks) == 3 * 4
    for block in blocks:
        x = torch.randn(2, block.branch[0].in_channels, 5, 6)
        assert torch.equal(block(x), x)


def test_a_residual_block_by_hand():
    """Groups as convolutions of their own."""
    block = FixupBlock(4, expansion=3, group_width=6, depth=1, layers=LAYERS[2]).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    first, _, grouped, _, last = block.branch
    x = torch.randn(2, 4, 5, 6).double()
    leaky = nn.LeakyReLU(0.2)
    inside = leaky(torch.einsum("oi,nihw->nohw", first.weight[:, :, 0, 0], x) + first.bias[:, None, None])
    halves = []
    for i in range(2):
        one = nn.Conv2d(6, 6, 3, padding=1).double()
        one.load_state_dict({"weight": grouped.weight[6 * i :][:6], "bias": grouped.bias[6 * i :][:6]})
        halves.append(one(inside[:, 6 * i :][:, :6]))
    branch = torch.einsum("oi,nihw->nohw", last.weight[:, :, 0, 0], leaky(torch.cat(halves, 1)))
    assert last.bias is None
    torch.testing.assert_close(block(x), x + branch)


@every_network
@pytest.mark.parametrize("blocks", [1, 4])
def test_weights_are_drawn_with_the_gain_of_fix_up(cls, blocks):
    """L^(-1 / (2 m - 2)) √(2 / (1 + 0.2²)) / √inputs in branches of m = 3, of L in all; 1 / √inputs elsewhere."""
    network = cls((3, 16, 16), width=64, blocks=blocks, **{"latent_dim": 64} if cls is R3GANGenerator else {})
    gain = (2 / 1.04) ** 0.5 * (3 * blocks) ** -0.25
    branches = [m for block in parts(network, FixupBlock) for m in block.branch if isinstance(m, nn.Conv2d)]
    for part in parts(network, (nn.Conv2d, nn.Linear)):
        expected = 1.0 if not any(part is m for m in branches) else gain if part.bias is not None else 0.0
        scaled = part.weight * part.weight[0].numel() ** 0.5
        assert scaled.std().item() == pytest.approx(expected, rel=0.3 if part.weight.numel() < 1000 else 0.1)
        assert part.bias is None or not part.bias.any()


@every_network
def test_the_variance_of_the_output_does_not_depend_on_the_blocks(cls):
    variances = []
    for blocks in (1, 6):
        outputs = []
        for seed in range(6):
            torch.manual_seed(seed)
            network = cls((3, 16, 16), width=32, blocks=blocks)
            x = torch.randn(16, *((network.latent_dim,) if cls is R3GANGenerator else network.shape))
            outputs.append(getattr(network(x), "logits", network(x)).detach())
        variances.append(torch.stack(outputs).var())
    assert 0.5 < variances[1] / variances[0] < 2


def test_one_step_changes_the_output_as_much_however_many_blocks():
    """The first step's change is the step size times the sum of the squared gradients: only last weights have any."""
    changes = []
    for depth in (1, 4, 16):
        torch.manual_seed(0)
        blocks = nn.Sequential(*(FixupBlock(64, 2, 16, depth, LAYERS[2]) for _ in range(depth)))
        output = blocks(torch.randn(4, 64, 8, 8))
        (output * torch.randn_like(output)).sum().backward()
        for block in blocks:
            assert not block.branch[0].weight.grad.any()
        changes.append(sum(block.branch[4].weight.grad.square().sum() for block in blocks))
    assert changes[1] / changes[0] == pytest.approx(1, abs=0.25)
    assert changes[2] / changes[0] == pytest.approx(1, abs=0.25)


def test_resampling_of_even_sides_is_bilinear_inside():
    x = torch.randn(2, 3, 8, 12)
    up = interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(Doubling((16, 24))(x)[..., 1:-1, 1:-1], up[..., 1:-1, 1:-1])
    down = interpolate(x, size=(4, 6), mode="bilinear", antialias=True)
    torch.testing.assert_close(Halving((8, 12))(x)[..., 1:-1, 1:-1], down[..., 1:-1, 1:-1])


def test_resampling_of_odd_sides_by_hand():
    x = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    plane = x[:, None] * torch.ones(8)
    half = Halving((5, 8))(plane[None, None])[0, 0]
    assert half.shape == (3, 4)
    torch.testing.assert_close(half[:, 1], torch.tensor([2 * 1 + 2, 2 + 2 * 4 + 8, 8 + 2 * 16]) / 4)
    double = Doubling((9, 16))(plane[None, None])[0, 0]
    assert double.shape == (9, 16)
    torch.testing.assert_close(double[:, 5], torch.tensor([1, 1.5, 2, 3, 4, 6, 8, 12, 16]))


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (28, 13)])
def test_doubling_is_four_times_the_transpose_of_halving(size):
    fine = torch.randn(1, 2, *size).double()
    halving, doubling = Halving(size).double(), Doubling(size).double()
    coarse = halving(fine)
    other = torch.randn_like(coarse)
    assert coarse.shape[2:] == tuple(-(-side // 2) for side in size)
    torch.testing.assert_close(4 * (coarse * other).sum(), (fine * doubling(other)).sum())


def test_a_generator_starts_from_a_map_that_the_latent_scales():
    generator = R3GANGenerator((1, 18, 30), latent_dim=5, width=4).double()
    basis = generator.layers[0]
    latent = torch.randn(3, 5).double()
    expected = torch.einsum("chw,cz,nz->nchw", basis.basis, basis.modulation.weight, latent)
    assert basis.basis.shape == (16, 5, 8)
    torch.testing.assert_close(basis(latent), expected)


def test_a_generator_at_first_is_linear_in_the_latent():
    """With every block the identity there is no activation on the way, nor one at the end."""
    generator = R3GANGenerator((3, 17, 20), width=8).double()
    a, b = torch.randn(2, 1, 64).double()
    torch.testing.assert_close(generator(10 * a - b), 10 * generator(a) - generator(b))
    assert generator(100 * a).abs().max() > 1


def test_a_discriminator_reads_each_channel_of_the_smallest_map_on_its_own():
    discriminator = R3GANDiscriminator((1, 10, 18), width=4).double()
    depthwise = discriminator.layers[-1]
    x = torch.randn(2, 8, 5, 9).double()
    torch.testing.assert_close(depthwise(x)[..., 0, 0], torch.einsum("nchw,chw->nc", x, depthwise.weight[:, 0]))
    assert discriminator(torch.randn(2, 1, 10, 18).double()).features.shape == (2, 8)
