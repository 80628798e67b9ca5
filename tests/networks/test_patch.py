"""PatchGAN's discriminator against the paper's network, and what a patch is."""

import inspect

import pytest
import torch
from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, MultiScalePatchDiscriminator, PatchDiscriminator
from lightning_gen.objectives import LayerwiseFeatureMatching, LeastSquares
from lightning_gen.records import RealFakePair
from lightning_gen.regularizers import R1, DiscriminatorPass
from lightning_gen.training.adversarial import AdversarialLosses


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


@pytest.mark.parametrize(
    ("depth", "side", "patch"),
    [(1, 33, 16), (2, 64, 34), (3, 160, 70), (4, 320, 142), (5, 640, 286), (6, 1280, 574)],
)
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
    "options",
    [
        {},
        {"batch_norm": False},
        {"spectral_norm": True, "conditioning": Concatenation(3)},
        {"batch_norm": False, "instance_norm": True},
    ],
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


def test_with_instance_norm_it_is_the_network_of_cyclegan():
    """C64-C128-C256-C512 with InstanceNorm, which has no weights, and biases everywhere."""
    torch.manual_seed(0)
    ours, theirs = PatchDiscriminator((3, 64, 64), batch_norm=False, instance_norm=True), [nn.Conv2d(3, 64, 4, 2, 1)]
    for before, after, stride in [(64, 128, 2), (128, 256, 2), (256, 512, 1)]:
        theirs += [nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, stride, 1), nn.InstanceNorm2d(after)]
    theirs = nn.Sequential(*theirs, nn.LeakyReLU(0.2), nn.Conv2d(512, 1, 4, 1, 1))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(a.data)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(x).logits, theirs(x).flatten())
    assert sum(p.numel() for p in ours.parameters()) / 1e6 == pytest.approx(2.765, abs=6e-4)


def test_with_instance_norm_a_logit_is_that_of_one_image_in_training_and_evaluation():
    discriminator = PatchDiscriminator((2, 24, 24), width=4, batch_norm=False, instance_norm=True).double()
    x = torch.randn(4, 2, 24, 24).double()
    expected = discriminator(x).logits
    assert not discriminator.mixes_samples
    assert PatchDiscriminator((2, 24, 24), width=4).mixes_samples
    assert not list(discriminator.buffers()), "running statistics"
    torch.testing.assert_close(torch.cat([discriminator(each[None]).logits for each in x]), expected)
    assert torch.equal(discriminator.eval()(x).logits, expected)


@pytest.mark.parametrize(
    ("cls", "norm"), [(PatchDiscriminator, "instance_norm"), (MultiScalePatchDiscriminator, "batch_norm")]
)
def test_another_norm_beside_the_usual_one_is_refused(cls, norm):
    with pytest.raises(InputError, match=f"{cls.__name__} normalizes .* set batch_norm or instance_norm to False"):
        cls((1, 64, 64), **{norm: True})


def pooled(x):
    """Means of 3 x 3 pixels at every second place, of those that are inside the image."""
    zeros = nn.functional.pad(x, [1] * 4)
    inside = nn.functional.pad(torch.ones_like(x), [1] * 4)
    sums, counts = (each.unfold(2, 3, 2).unfold(3, 3, 2).sum((-1, -2)) for each in (zeros, inside))
    return sums / counts


@pytest.mark.parametrize("shape", [(3, 48, 64), (1, 45, 47)])
@pytest.mark.parametrize("options", [{}, {"conditioning": Concatenation(3)}])
def test_each_scale_judges_the_image_at_half_the_size(shape, options):
    torch.manual_seed(0)
    discriminator = MultiScalePatchDiscriminator(shape, 3, width=4, depth=1, **options).double()
    x, labels = torch.randn(3, *shape).double(), torch.arange(3) if options else None
    outputs = discriminator(x, labels)
    assert len(outputs) == 3
    for part, output in zip(discriminator.parts, outputs, strict=True):
        expected = part(x, labels)
        torch.testing.assert_close(output.logits, expected.logits)
        torch.testing.assert_close(output.features, expected.features)
        assert len(output.hidden) == 2
        assert part.shape == x.shape[1:]
        x = pooled(x)
    assert not discriminator.mixes_samples


def test_several_scales_see_larger_patches():
    discriminator = MultiScalePatchDiscriminator((1, 128, 128), 3, width=2, depth=1, instance_norm=False)
    x, patches = torch.randn(1, 1, 128, 128).requires_grad_(), []
    for output in discriminator(x):
        rows = int(len(output.logits) ** 0.5)
        (gradient,) = torch.autograd.grad(output.logits[rows * (rows // 2) + rows // 2], x, retain_graph=True)
        patches.append(int((gradient[0].abs().amax((0, 1)) > 0).sum()))
    assert patches == [16, 33, 67], "2 p + 1 for each pooling of 3 with stride 2"


def test_losses_of_several_scales_are_the_sums_of_those_of_each():
    torch.manual_seed(0)
    discriminator = MultiScalePatchDiscriminator((1, 32, 32), 2, width=4, depth=1)
    losses = AdversarialLosses(discriminator, LeastSquares(), {"features": LayerwiseFeatureMatching()}, {})
    real, fake = torch.randn(2, 2, 1, 32, 32)
    pair = RealFakePair(real, fake)
    assert losses.allows_joint_pass(pair)
    loss = losses.of_discriminator(losses.passes(pair, torch.Generator()), 0)
    of_generator = losses.of_generator(fake, None, real, None)
    on_real, on_fake = discriminator(real), discriminator(fake)
    expected = sum(
        0.5 * (r.logits - 1).square().mean() + 0.5 * f.logits.square().mean()
        for r, f in zip(on_real, on_fake, strict=True)
    )
    torch.testing.assert_close(loss.total, expected)
    differences = [
        (r - f).abs().mean()
        for one, two in zip(on_real, on_fake, strict=True)
        for r, f in zip(one.hidden, two.hidden, strict=True)
    ]
    torch.testing.assert_close(of_generator.terms[0][1], sum(differences))


def test_several_scales_take_any_side_that_is_large_enough_for_the_coarsest():
    discriminator = MultiScalePatchDiscriminator((1, 32, 40), 2, width=2, depth=1)
    assert discriminator.least_side == 11
    assert [len(output.logits) for output in discriminator(torch.randn(2, 1, 11, 12))] == [2 * 3 * 4, 2]
    with pytest.raises(InputError, match=r"MultiScalePatchDiscriminator was built for .* sides of at least 11"):
        discriminator(torch.randn(2, 1, 10, 12))
    assert MultiScalePatchDiscriminator((1, 11, 11), 2, width=2, depth=1).least_side == 11
    with pytest.raises(InputError, match="of 2 scales and depth 1 needs images of at least 11 x 11 and got 10 x 20: s"):
        MultiScalePatchDiscriminator((1, 10, 20), 2, depth=1)
    with pytest.raises(InputError, match="use the Dense networks"):
        MultiScalePatchDiscriminator((2,))
    with pytest.raises(InputError, match="scales 0"):
        MultiScalePatchDiscriminator((1, 64, 64), 0)


@pytest.mark.parametrize("options", [{}, {"instance_norm": False, "spectral_norm": True}])
def test_every_weight_of_several_scales_learns_and_arguments_are_attributes(options):
    discriminator = MultiScalePatchDiscriminator((1, 32, 32), width=4, depth=1, **options)
    outputs = discriminator(torch.randn(2, 1, 32, 32))
    sum((output.logits * torch.randn_like(output.logits)).sum() for output in outputs).backward()
    assert all(p.grad.abs().max() > 0 for p in discriminator.parameters() if p.dim() > 1)
    values = {"shape": (1, 32, 32), "width": 4, "depth": 1, **options}
    for name, parameter in inspect.signature(MultiScalePatchDiscriminator).parameters.items():
        assert getattr(discriminator, name) == values.get(name, parameter.default), name
