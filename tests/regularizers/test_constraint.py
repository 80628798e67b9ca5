"""Constraints on weights."""

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.networks import DenseDiscriminator
from lightning_gen.regularizers import WeightClipping


@pytest.mark.parametrize("bound", [0.01, 0.1, 5.0])
def test_clipping_is_the_nearest_point_of_the_box(bound):
    critic = DenseDiscriminator((6,), widths=(8,))
    before = {name: p.detach().clone() for name, p in critic.named_parameters()}
    WeightClipping(bound)(critic)
    for name, p in critic.named_parameters():
        assert torch.equal(p.detach(), before[name].clamp(-bound, bound)), name
        assert p.requires_grad
        assert p.grad_fn is None


def test_clipping_bounds_the_slope_of_a_critic():
    """|D(x) - D(y)| <= Π |Wₖ| |x - y|, and |W| <= bound · sqrt(rows · columns)."""
    critic = DenseDiscriminator((6,), widths=(8,))
    WeightClipping(0.05)(critic)
    x, y = torch.randn(2, 500, 6).unbind()
    slope = (critic(x).logits - critic(y).logits).abs() / (x - y).norm(dim=1)
    assert slope.max() <= 0.05**2 * (6 * 8) ** 0.5 * 8**0.5


@pytest.mark.parametrize("bound", [0, -1.0, float("nan")])
def test_a_bound_that_means_nothing_is_refused(bound):
    with pytest.raises(InputError, match="give a number above 0"):
        WeightClipping(bound)


def test_constructor_arguments_are_attributes():
    assert WeightClipping().bound == 0.01
    assert WeightClipping(0.5).bound == 0.5
