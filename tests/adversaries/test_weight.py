"""The adaptive weight against explicit derivatives."""

import pytest
import torch
from torch import nn

from lightning_gen.adversaries import AdaptiveWeight, last_weight
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, ConvDecoder, DenseDecoder, PatchDiscriminator, ResidualDecoder
from lightning_gen.schedules import Linear


def test_it_is_the_ratio_of_the_gradients_norms():
    """The losses a·w and b·w have the gradients a and b."""
    w = torch.randn(2, 3, requires_grad=True)
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    found = AdaptiveWeight(0.5)((a * w).sum(), (b * w).sum(), w, 0)
    assert found.item() == pytest.approx(0.5 * a.norm().item() / (b.norm().item() + 1e-4), rel=1e-6)
    assert not found.requires_grad
    assert AdaptiveWeight(1.0, largest=3.0)((1e3 * w).sum(), w.sum(), w, 0).item() == 3.0
    assert AdaptiveWeight()((1e3 * w).sum(), 0 * w.sum(), w, 0).item() == pytest.approx(0.8e4)


def test_the_pulls_at_the_weight_are_equal_then():
    decoder = DenseDecoder((1, 4, 4), 3, widths=(8,))
    output, w = decoder(torch.randn(5, 3)), last_weight(decoder)
    objective, adversarial = output.square().sum(), output.tanh().mean()
    weight = AdaptiveWeight(1.0)(objective, adversarial, w, 0)
    first = torch.autograd.grad(objective, w, retain_graph=True)[0].norm()
    second = torch.autograd.grad(weight * adversarial, w)[0].norm()
    torch.testing.assert_close(first, second, rtol=1e-2, atol=0)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_pull_is_the_one_promised_at_every_resolution(size):
    """0.8, with the discriminator of VQGAN as it is made, and an absolute error that is summed over the pixels."""
    torch.manual_seed(0)
    shape = (3, size, size)
    decoder, discriminator = ResidualDecoder(shape, 8, width=8, downsamplings=2), PatchDiscriminator(shape)
    output = decoder(torch.randn(2, 8, size // 4, size // 4))
    objective = (output - torch.rand(2, *shape)).abs().sum() / 2
    adversarial, w = -discriminator(output.view(2, *shape)).logits.mean(), last_weight(decoder)
    weight = AdaptiveWeight()(objective, adversarial, w, 0, dimensions=3 * size**2)
    pulled, pull = (
        torch.autograd.grad(loss, w, retain_graph=True)[0].double().norm() for loss in (objective, weight * adversarial)
    )
    assert (pull / pulled).item() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("largest", "dimensions", "expected"), [(None, 1, 1e4), (None, 12, 12e4), (3.0, 12, 3.0)])
def test_the_bound_is_in_proportion_to_the_numbers_of_a_sample(largest, dimensions, expected):
    """The sum of D equal numbers has D times the gradient of their mean, which the bound 1e4 is for."""
    w = torch.randn(2, 3, requires_grad=True)
    found = AdaptiveWeight(1.0, largest)(1e9 * w.sum(), 1e-3 * w.sum(), w, 0, dimensions)
    assert found.item() == pytest.approx(expected)


def test_its_factor_may_be_a_schedule():
    w = torch.ones(1, 1, requires_grad=True)
    weight = AdaptiveWeight(Linear(100, first=0.0, last=1.0))
    found = [weight(w.sum(), w.sum(), w, images).item() for images in (0, 50, 100)]
    assert found == pytest.approx([0, 0.5, 1], rel=1e-3)


@pytest.mark.parametrize(
    "decoder",
    [
        DenseDecoder((2, 8, 8), 3, widths=(16,)),
        DenseDecoder((2, 8, 8), 3, widths=()),
        ConvDecoder((2, 8, 8), 3, width=8),
        ResidualDecoder((2, 8, 8), 3, width=8),
        ConvDecoder((2, 8, 8), 3, width=8, conditioning=Concatenation(3)),
    ],
)
def test_the_last_weight_is_that_of_the_layer_that_gives_the_output(decoder):
    """Nothing else of the decoder moves the output once that weight and its bias are 0."""
    weight = last_weight(decoder)
    weight.data.zero_()
    labels = None if decoder.num_classes is None else torch.tensor([0, 1])
    one, other = decoder(torch.randn(2, 3), labels)
    assert torch.equal(one, other)


def test_what_cannot_be_weighed_is_refused():
    with pytest.raises(InputError, match="adversarial_weight"):
        last_weight(nn.Flatten())
    with pytest.raises(InputError, match="above 0"):
        AdaptiveWeight(largest=0)
