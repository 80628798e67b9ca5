"""Layers in bfloat16 among others: where they are, and values and gradients against layers that are cast whole."""

import copy

import pytest
import torch
from torch import nn

from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.networks import ClassEmbedding, InnerProduct, R3GANDiscriminator, R3GANGenerator
from lightning_gen.networks.r3gan import Basis, Doubling, FixupBlock, Halving
from lightning_gen.objectives import RelativisticPaired
from lightning_gen.regularizers import R1, R2

SMALL = {"width": 4, "blocks": 1, "growth": 2}
LAYERS = (Basis, FixupBlock, nn.Conv2d, Doubling, Halving)


def networks(size, **options):
    options = {**SMALL, **options}
    draws = R3GANGenerator((3, size, size), conditioning=ClassEmbedding(3), **options)
    scores = R3GANDiscriminator((3, size, size), conditioning=InnerProduct(3), **options)
    for weights in (*draws.parameters(), *scores.parameters()):
        if not weights.any():
            nn.init.normal_(weights, std=0.2)  # blocks do not start as the identity
    return draws, scores


def samples(network, n=4):
    width = (network.latent_dim,) if isinstance(network, R3GANGenerator) else network.shape
    return torch.randn(n, *width, generator=torch.Generator().manual_seed(1))


def placement(network):
    """Kind, side of the output and type of the input of each layer, in the order in which they compute."""
    found = []

    def note(layer, inputs, output):
        found.append((type(layer).__name__, output.shape[-1], inputs[0].dtype))

    hooks = [layer.register_forward_hook(note) for layer in network.layers if isinstance(layer, LAYERS)]
    with torch.no_grad():
        network(samples(network, 1), torch.tensor([0]))
    for hook in hooks:
        hook.remove()
    return found


def test_each_layer_of_a_small_generator_and_discriminator():
    draws, scores = networks(16, bfloat16_sizes=1)
    wide, narrow = torch.float32, torch.bfloat16
    assert placement(draws) == [
        ("Basis", 4, wide),
        ("FixupBlock", 4, wide),
        ("Doubling", 8, wide),  # of as many channels
        ("FixupBlock", 8, wide),
        ("Conv2d", 8, narrow),
        ("Doubling", 16, narrow),
        ("FixupBlock", 16, narrow),
        ("Conv2d", 16, narrow),
    ]
    assert placement(scores) == [
        ("Conv2d", 16, narrow),
        ("FixupBlock", 16, narrow),
        ("Halving", 8, narrow),
        ("Conv2d", 8, narrow),
        ("FixupBlock", 8, wide),
        ("Halving", 4, wide),
        ("FixupBlock", 4, wide),
        ("Conv2d", 1, wide),
    ]


@pytest.mark.parametrize(
    ("size", "narrow"), [(32, {32, 16, 8}), (64, {64, 32, 16, 8}), (256, {256, 128, 64, 32})], ids=str
)
def test_the_papers_four_sizes(size, narrow):
    """All but 4 x 4 up to 64 x 64 pixels, and the four finest at 256 x 256."""
    for network in networks(size, bfloat16_sizes=4, width=2, growth=1):
        blocks = [each for each in placement(network) if each[0] == "FixupBlock"]
        assert {side for _, side, kind in blocks if kind is torch.bfloat16} == narrow
        assert {side for _, side, kind in blocks if kind is torch.float32}.isdisjoint(narrow)


@pytest.mark.parametrize("index", [0, 1], ids=["generator", "discriminator"])
def test_values_and_gradients_are_those_of_layers_that_are_cast_whole(index):
    network = networks(16, bfloat16_sizes=2)[index]
    x, labels = samples(network), torch.tensor([0, 1, 2, 0])
    inner = network.prepare(x, x.shape[1:], "shape", labels).detach()
    cast = copy.deepcopy(network.layers)
    expected = inner
    for layer, narrow in zip(cast, cast.narrow, strict=True):
        expected = layer.bfloat16()(expected.bfloat16()) if narrow else layer(expected.float())
    got = network.layers(inner)
    assert got.dtype is torch.float32
    assert torch.equal(got, expected.float())
    got.square().sum().backward()
    expected.float().square().sum().backward()
    for ours, theirs in zip(network.layers.parameters(), cast.parameters(), strict=True):
        assert ours.dtype is ours.grad.dtype is torch.float32
        torch.testing.assert_close(ours.grad, theirs.grad.float(), rtol=0, atol=0)


@pytest.mark.parametrize("index", [0, 1], ids=["generator", "discriminator"])
def test_it_is_the_float32_network_up_to_three_digits(index):
    narrow = networks(32, bfloat16_sizes=4, width=16)[index]
    wide = networks(32, width=16)[index]
    wide.load_state_dict(narrow.state_dict())
    x, labels = samples(wide), torch.tensor([0, 1, 2, 0])
    ours, theirs = (getattr(out, "logits", out) for out in (narrow(x, labels), wide(x, labels)))
    off = (ours - theirs).norm() / theirs.norm()
    assert 1e-4 < off < 0.05
    assert not any(wide.layers.narrow)


def test_the_gradient_penalty_of_a_pass_is_that_of_float32_up_to_three_digits():
    narrow, wide = networks(32, bfloat16_sizes=4, width=16)[1], networks(32, width=16)[1]
    wide.load_state_dict(narrow.state_dict())
    found = []
    for network in (narrow, wide):
        x = samples(network).requires_grad_()
        logits = network(x, torch.tensor([0, 1, 2, 0])).logits
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        assert gradient.dtype is torch.float32
        gradient.square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in network.layers.parameters()]))
    assert 1e-4 < (found[0] - found[1]).norm() / found[1].norm() < 0.1


def test_training_makes_one_pass_for_logits_and_penalties(gan, trainer):
    draws, scores = (cls((1, 8, 8), **SMALL, bfloat16_sizes=1) for cls in (R3GANGenerator, R3GANDiscriminator))
    passes, before = [], [p.clone() for p in (*draws.parameters(), *scores.parameters())]
    scores.layers.register_forward_hook(lambda m, args, out: passes.append((len(args[0]), args[0].dtype)))
    module = gan(
        generator=draws,
        discriminator=scores,
        objective=RelativisticPaired(),
        penalties={"r1": R1(0.1), "r2": R2(0.1)},
    )
    trainer(max_steps=4, limit_val_batches=0).fit(module, Digits(size=8, batch_size=16))
    assert passes == [(32, torch.float32), (16, torch.float32), (16, torch.float32)] * 2
    after = [*draws.parameters(), *scores.parameters()]
    assert all(p.dtype is torch.float32 for p in after)
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_number_of_sizes_out_of_range_is_refused():
    for cls in (R3GANGenerator, R3GANDiscriminator):
        for sizes in (-1, 0.5, None):
            with pytest.raises(InputError, match=f"{cls.__name__} cannot have bfloat16_sizes {sizes}"):
                cls((3, 16, 16), bfloat16_sizes=sizes)
