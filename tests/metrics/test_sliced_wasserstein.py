"""The sliced Wasserstein distance against closed forms."""

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from lightning_gen import InputError
from lightning_gen.metrics import SlicedWasserstein, sliced_wasserstein


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_in_one_dimension_it_is_the_cost_of_the_best_assignment():
    x, y = normal(50, 1), 2 * normal(50, 1, seed=1) + 1
    costs = (x - y.T).square().numpy()
    expected = costs[linear_sum_assignment(costs)].mean() ** 0.5
    assert float(sliced_wasserstein(x, y, projections=3)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(5,), (3, 4, 4)])
def test_a_shift_costs_its_length_over_the_root_of_the_dimensions(shape):
    x, shift = normal(20, *shape), normal(*shape, seed=1)
    expected = shift.norm() / shift.numel() ** 0.5
    torch.testing.assert_close(sliced_wasserstein(x, x + shift, projections=20_000), expected, rtol=0.02, atol=0)


def test_between_centred_gaussians_it_is_the_difference_of_their_deviations():
    x, y = normal(20_000, 2), 3 * normal(20_000, 2, seed=1)
    assert float(sliced_wasserstein(x, y, projections=64)) == pytest.approx(2, rel=0.03)


def test_it_is_symmetric_and_blind_to_order():
    x, y = normal(40, 6), normal(40, 6, seed=1)
    assert sliced_wasserstein(x, y) == sliced_wasserstein(y, x) > 0
    assert sliced_wasserstein(x, x.flip(0)) == 0


def test_it_scales_with_the_samples():
    x, y = normal(40, 6), normal(40, 6, seed=1)
    torch.testing.assert_close(sliced_wasserstein(4 * x, 4 * y), 4 * sliced_wasserstein(x, y))


@pytest.mark.parametrize("other", [(7, 3), (8, 2)])
def test_sets_of_other_shapes_are_refused(other):
    with pytest.raises(InputError, match="differ in shape"):
        sliced_wasserstein(normal(8, 3), normal(*other))


def test_batch_by_batch_the_metric_is_the_function():
    x, y = normal(30, 1, 4, 4), normal(30, 1, 4, 4, seed=1)
    metric = SlicedWasserstein(projections=32)
    for real, fake in zip(x.split(7), y.split(7), strict=True):
        metric.update(real, fake)
    torch.testing.assert_close(metric.compute(), sliced_wasserstein(x, y, projections=32))


def test_the_metric_keeps_the_first_samples_up_to_its_limit():
    x, y = normal(30, 4), normal(30, 4, seed=1)
    metric = SlicedWasserstein(projections=32, limit=12)
    for real, fake in zip(x.split(5), y.split(5), strict=True):
        metric.update(real, fake)
    torch.testing.assert_close(metric.compute(), sliced_wasserstein(x[:12], y[:12], projections=32))


def test_before_the_first_batch_and_after_a_reset_the_metric_is_not_a_number():
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert SlicedWasserstein().compute().isnan()
    metric = SlicedWasserstein()
    metric.update(normal(4, 2), normal(4, 2))
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute().isnan()
