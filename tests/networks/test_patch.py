"""PatchGAN's discriminator against the paper's network, and what a patch is."""

import inspect

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, PatchDiscriminator
from lightning_gen.regularizers import R1, DiscriminatorPass


def paper(channels):
    """C64-C128-C256-C512 and a convolution to one channel, all of kernel 4; 70 x 70 patches."""
    layers = [nn.Conv2d(channels, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after, stride in [(64, 128, 2), (128, 256, 2), (256, 512, 1)]:
        layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


def test_it_is_the_papers_network():
    ours, theirs = PatchDiscriminator((3, 64, 64)), paper(3)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(a.data)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(x).logits, theirs(x).flatten())
    assert sum(p.numel() for p in PatchDiscriminator((6, 256, 256)).parameters()) == 2_768_705


@pytest.mark.parametrize(("depth", "side", "patch"), [(1, 33, 16), (2, 64, 34), (3, 160, 70)])
def test_a_logit_sees_its_patch_alone(depth, side, patch):
    discriminator = PatchDiscriminator((1, side, side), width=2, depth=depth, batch_norm=False)
    x = torch.randn(2, 1, side, side).requires_grad_()
    logits = discriminator(x).logits
    rows = int((len(logits) / 2) ** 0.5)
    assert len(logits) == 2 * rows**2
    (gradient,) = torch.autograd.grad(logits[rows * (rows // 2) + rows // 2], x)
    seen = gradient.abs().amax((1, 2)) > 0
    assert seen[0].sum() == patch
    assert not seen[1].any(), "the first half of the logits belongs to the first image"


@pytest.mark.parametrize(
    "options", [{}, {"batch_norm": False}, {"spectral_norm": True, "conditioning": Concatenation(3)}]
)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 13, 40)])
def test_every_parameter_learns_and_arguments_are_attributes(options, shape):
    discriminator = PatchDiscriminator(shape, width=4, depth=2, **options)
    labels = torch.arange(4) % 3 if "conditioning" in options else None
    output = discriminator(torch.randn(4, *shape), labels)
    assert len(output.logits) % 4 == 0
    assert len(output.features) == 4
    (output.logits * torch.randn_like(output.logits)).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in discriminator.parameters())
    values = {"shape": shape, "width": 4, "depth": 2, **options}
    for name, parameter in inspect.signature(PatchDiscriminator).parameters.items():
        assert getattr(discriminator, name) == values.get(name, parameter.default), name


def test_halves_of_an_output_are_those_of_the_images():
    discriminator = PatchDiscriminator((1, 16, 16), width=4, depth=1, batch_norm=False)
    x = torch.randn(6, 1, 16, 16)
    for half, part in zip(discriminator(x).split(), x.chunk(2), strict=True):
        torch.testing.assert_close(half.logits, discriminator(part).logits)
        torch.testing.assert_close(half.features, discriminator(part).features)


def test_a_gradient_penalty_of_patches_is_refused():
    discriminator = PatchDiscriminator((1, 16, 16), width=4, depth=1, batch_norm=False)
    real, fake = torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16)
    outputs = [discriminator(x) for x in (real, fake)]
    record = DiscriminatorPass(lambda x, labels: discriminator(x).logits, real, fake, *outputs, torch.Generator())
    with pytest.raises(InputError, match="one for each patch"):
        R1()(record)


def test_what_is_no_image_or_too_small_is_refused():
    with pytest.raises(InputError, match="use the Dense networks"):
        PatchDiscriminator((2,))
    with pytest.raises(InputError, match="at least 24 x 24 and got 16 x 20: set a lower depth"):
        PatchDiscriminator((1, 16, 20), depth=3)
    assert len(PatchDiscriminator((1, 24, 24), width=2, depth=3)(torch.randn(1, 1, 24, 24)).logits) == 1
    with pytest.raises(InputError, match="width 0"):
        PatchDiscriminator((1, 32, 32), width=0)


def test_its_hidden_maps_are_those_after_each_activation():
    discriminator = PatchDiscriminator((3, 32, 32), width=4, depth=2)
    seen = []
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.LeakyReLU):
            layer.register_forward_hook(lambda m, args, out: seen.append(out))
    output = discriminator(torch.randn(2, 3, 32, 32))
    assert len(output.hidden) == len(seen) == 3
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(output.hidden, seen, strict=True))
    assert torch.equal(output.hidden[-1].flatten(1), output.features)
