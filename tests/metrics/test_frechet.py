"""The Fréchet distance against closed forms for Gaussians, scipy's matrix square root and torchmetrics."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from lightning_gen import InputError
from lightning_gen.metrics import GaussianStatistics, frechet_distance


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def white(n, dimensions, seed=0):
    """Features whose mean is 0 and whose covariance is the identity, exactly."""
    x = normal(n, dimensions, seed=seed)
    x = x - x.mean(dim=0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T


class Given(torch.nn.Identity):
    """Stands where torchmetrics wants a network that makes features."""

    num_features = 12


def test_of_a_set_from_itself_it_is_0_in_any_order():
    x = normal(200, 16)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-9)


def test_a_shift_costs_the_square_of_its_length():
    x, shift = normal(200, 16), normal(16, seed=1)
    assert frechet_distance(x, x + shift).item() == pytest.approx(shift.square().sum().item(), rel=1e-9)


def test_between_gaussians_of_diagonal_covariance_it_is_that_of_their_deviations():
    a, b, shift = normal(6, seed=1).abs(), normal(6, seed=2).abs(), normal(6, seed=3)
    x, y = white(300, 6) * a, white(500, 6, seed=4) * b + shift
    expected = shift.square().sum() + (a - b).square().sum()
    assert frechet_distance(x, y).item() == pytest.approx(expected.item(), rel=1e-9)


def test_between_covariances_that_commute_it_is_that_of_their_roots():
    turn = torch.linalg.qr(normal(6, 6)).Q
    a, b = ((turn * normal(6, seed=seed).abs()) @ turn.T for seed in (1, 2))
    x, y = white(300, 6) @ a, white(500, 6, seed=4) @ b
    assert frechet_distance(x, y).item() == pytest.approx((a - b).square().sum().item(), rel=1e-9)


def test_it_is_the_same_from_either_side_and_moved_or_turned_with_both():
    x, y, turn = normal(30, 8), normal(50, 8, seed=1) * 2, torch.linalg.qr(normal(8, 8, seed=2)).Q
    expected = pytest.approx(frechet_distance(x, y).item(), rel=1e-9)
    assert frechet_distance(y, x).item() == expected
    assert frechet_distance(x + 5, y + 5).item() == expected
    assert frechet_distance(x @ turn, y @ turn).item() == expected


def test_it_agrees_with_torchmetrics():
    x, y = normal(300, 12) @ normal(12, 12, seed=1), normal(400, 12, seed=2) @ normal(12, 12, seed=3) + 1
    metric = FrechetInceptionDistance(Given()).set_dtype(torch.float64)
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert frechet_distance(x, y).item() == pytest.approx(metric.compute().item(), rel=1e-9)


@pytest.mark.parametrize(("n", "dimensions"), [(50, 8), (8, 50)])
def test_statistics_are_the_mean_and_a_root_of_the_covariance(n, dimensions):
    x = normal(n, dimensions)
    found = GaussianStatistics.of(x)
    assert len(found.root) == min(n, dimensions)
    np.testing.assert_allclose(found.mean, x.mean(dim=0), rtol=1e-12)
    np.testing.assert_allclose(found.root.T @ found.root, np.cov(x.numpy(), rowvar=False), atol=1e-12)


def test_it_agrees_with_the_square_root_of_the_product_by_scipy():
    x, y = normal(300, 12) @ normal(12, 12, seed=1), normal(400, 12, seed=2) @ normal(12, 12, seed=3) + 1
    a, b = np.cov(x.numpy(), rowvar=False), np.cov(y.numpy(), rowvar=False)
    gap = (x.mean(dim=0) - y.mean(dim=0)).square().sum().item()
    expected = gap + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y).item() == pytest.approx(expected, rel=1e-9)


def test_far_from_the_origin_in_float32_it_keeps_its_digits():
    x, y = white(300, 6), white(300, 6, seed=1) * 2
    moved = frechet_distance((x + 1000).float(), (y + 1000).float()).item()
    assert moved == pytest.approx(6, rel=1e-4)


def test_fewer_features_than_dimensions_lose_no_digit():
    """A covariance twice as far from 0 lies its trace away, two of one mean without a common direction both traces."""
    x = normal(10, 40)
    assert frechet_distance(x, x.flip(0)).item() == pytest.approx(0, abs=1e-12)
    mean, trace = x.mean(dim=0), x.T.cov().trace().item()
    assert frechet_distance(x, mean + 2 * (x - mean)).item() == pytest.approx(trace, rel=1e-12)
    apart = torch.cat([torch.zeros(10, 40), x - mean], dim=1)
    beside = torch.cat([x - mean, torch.zeros(10, 40)], dim=1)
    assert frechet_distance(apart, beside).item() == pytest.approx(2 * trace, rel=1e-12)


def test_a_collapsed_set_is_no_trouble():
    y = normal(10, 40, seed=1)
    expected = (y.mean(dim=0).square().sum() + y.T.cov().trace()).item()
    assert frechet_distance(torch.zeros(10, 40), y).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [(normal(5, 3), normal(5, 4)), (normal(1, 3), normal(5, 3)), (normal(5), normal(5))],
    ids=("dimensions", "one", "flat"),
)
def test_features_that_cannot_be_compared_are_refused(x, y):
    with pytest.raises(InputError, match="cannot be compared"):
        frechet_distance(x, y)


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="not finite"):
        frechet_distance(normal(5, 3), torch.full((5, 3), torch.nan))


def test_it_is_torch_fidelitys_fid():
    theirs = pytest.importorskip("torch_fidelity.metric_fid")
    x, y = normal(300, 12), 0.7 * normal(200, 12, seed=1) + 0.2
    one, other = (theirs.fid_features_to_statistics(each) for each in (x, y))
    expected = theirs.fid_statistics_to_metric(one, other, False)["frechet_inception_distance"]
    assert frechet_distance(x, y).item() == pytest.approx(expected, rel=1e-7)
