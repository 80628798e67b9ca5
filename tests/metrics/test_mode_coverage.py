"""Mode coverage against perfect and collapsed samplers and against counts made by hand."""

import math

import pytest
import torch
from scipy.stats import chi2, entropy

from lightning_gen import InputError
from lightning_gen.data import GaussianMixture, Grid, Ring
from lightning_gen.metrics import ModeCoverage, mode_coverage

SQUARE = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def drawn(data, n):
    """Points drawn from the mixture itself."""
    centres = torch.tensor(data.centres)
    return centres[torch.randint(len(centres), (n,))] + data.scale * torch.randn(n, centres.shape[1]), centres


@pytest.mark.parametrize(
    "data",
    [Ring(), Grid(), GaussianMixture([[0.0] * 5, [9.0] * 5, [-9.0] * 5], scale=0.5)],
    ids=("ring", "grid", "five dimensions"),
)
def test_a_perfect_sampler_is_at_ceilings_and_floor(data):
    n = 100_000
    found = mode_coverage(*drawn(data, n), data.scale)
    modes, share = len(data.centres), chi2.cdf(9, len(data.centres[0]))
    assert found.modes == modes
    assert found.high_quality_percent_ceiling == pytest.approx(100 * share, rel=1e-9)
    deviation = 100 * math.sqrt(share * (1 - share) / n)
    assert abs(found.high_quality_percent - found.high_quality_percent_ceiling) < 5 * deviation
    # 2 n KL is chi-square distributed with modes - 1 degrees of freedom
    assert chi2.sf(2 * n * found.reverse_kl, modes - 1) > 1e-5


def test_in_the_plane_the_ceiling_is_the_published_one():
    assert ModeCoverage((1,), (1,), 2).high_quality_percent_ceiling == pytest.approx(100 * (1 - math.exp(-4.5)))


def test_the_floor_is_the_mean_of_perfect_samplers():
    counts = torch.distributions.Multinomial(500, torch.ones(8)).sample((2000,)).int().tolist()
    found = [ModeCoverage(tuple(row), tuple(row), 2) for row in counts]
    mean = sum(coverage.reverse_kl for coverage in found) / len(found)
    assert mean == pytest.approx(found[0].reverse_kl_floor, rel=0.05)


@pytest.mark.parametrize("data", [Ring(), Grid()], ids=("ring", "grid"))
def test_a_collapsed_sampler_has_one_mode_and_the_largest_divergence(data):
    centres = torch.tensor(data.centres)
    found = mode_coverage(centres[3] + data.scale * torch.randn(1000, 2), centres, data.scale)
    assert found.modes == 1
    assert found.reverse_kl == pytest.approx(math.log(len(centres)))


def test_counts_made_by_hand():
    samples = torch.tensor(
        [[0.0, 2.9], [0.0, 3.1], [2.2, 2.2], [10.0, 0.0], [13.1, 10.0], [-50.0, 8.0], [-50.0, 9.0], [3, 0]]
    )
    found = mode_coverage(samples, SQUARE, scale=1.0)
    assert found.counts == (2, 1, 0, 0)  # (2.2, 2.2) is in the box of three sigma and not in the ball
    assert found.assigned == (4, 1, 2, 1)
    assert found.modes == 2
    assert found.high_quality_percent == pytest.approx(37.5)
    assert found.reverse_kl == pytest.approx(entropy([4, 1, 2, 1], [1, 1, 1, 1]))


def test_small_modes_far_from_the_origin_are_resolved():
    centres = torch.tensor([[1000.0, 1000.0], [1000.0, 1001.0]])
    found = mode_coverage(torch.tensor([[1000.0, 1000.028], [1000.0, 1000.032]]), centres, scale=0.01)
    assert found.counts == (1, 0)


def test_more_samples_than_are_compared_at_a_time():
    found = mode_coverage(SQUARE.repeat(7500, 1), SQUARE, scale=0.1)
    assert found.assigned == found.counts == (7500,) * 4
    assert found.reverse_kl == pytest.approx(0)


@pytest.mark.parametrize("samples", [torch.zeros(0, 2), torch.zeros(5, 3), torch.zeros(5, 1, 2, 2)])
def test_what_cannot_be_assigned_is_refused(samples):
    with pytest.raises(InputError, match="points"):
        mode_coverage(samples, SQUARE, 1.0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_sampler_is_refused(value):
    with pytest.raises(InputError, match="not finite"):
        mode_coverage(torch.tensor([[0.0, value]]), SQUARE, 1.0)
