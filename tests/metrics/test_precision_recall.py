"""Precision and recall, density and coverage, on sets of points whose figures are known by hand."""

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from lightning_gen import InputError
from lightning_gen.metrics import density_coverage, precision_recall
from lightning_gen.metrics.precision_recall import CHUNK, Balls


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cluster(centre, count, seed=0):
    return torch.tensor([float(centre), 0.0]) + 0.1 * normal(count, 2, seed=seed)


LINE = torch.arange(5.0).unsqueeze(1)
"""0, 1, 2, 3, 4; with one neighbour every ball has radius 1, with two the radii are 2, 1, 1, 1, 2."""


def test_radii_on_a_line():
    assert Balls.about(LINE, 1).radii.tolist() == [1] * 5
    assert Balls.about(LINE, 2).radii.tolist() == [2, 1, 1, 1, 2]
    assert Balls.about(LINE, 4).radii.tolist() == [4, 3, 2, 3, 4]


def test_balls_hold_their_border():
    assert Balls.about(LINE, 1).holding(torch.tensor([[5.0], [5.01], [2.0], [2.5], [-9.0]])).tolist() == [1, 0, 3, 2, 0]
    assert Balls.about(LINE, 1).held(torch.tensor([[5.0], [5.01], [2.0]])).tolist() == [0, 1, 1, 1, 1]


def test_identical_sets_are_perfect():
    x = normal(2 * CHUNK + 7, 8)
    found = precision_recall(x, x.flip(0))
    assert (found.precision, found.recall) == (1, 1)


def test_disjoint_sets_have_nothing_in_common():
    x = normal(50, 8)
    found = precision_recall(x, x + 1000)
    assert (found.precision, found.recall) == (0, 0)
    both = density_coverage(x, x + 1000)
    assert (both.density, both.coverage) == (0, 0)


def test_half_of_the_modes_is_precise_and_recalls_half():
    real = torch.cat([cluster(0, 40), cluster(100, 40, seed=1)])
    found = precision_recall(real, real[:40])
    assert (found.precision, found.recall) == (1, 0.5)
    assert density_coverage(real, real[:40]).coverage == 0.5


def test_samples_of_which_half_are_bad_recall_all():
    real = cluster(0, 40)
    found = precision_recall(real, torch.cat([real, cluster(100, 40, seed=1)]))
    assert (found.precision, found.recall) == (0.5, 1)
    assert density_coverage(real, torch.cat([real, cluster(100, 40, seed=1)])).coverage == 1


def test_samples_that_are_all_the_same_recall_nothing():
    real = normal(40, 8)
    found = precision_recall(real, real[:1].expand(40, -1))
    assert found.precision == 1
    assert found.recall == 1 / 40  # the very picture that is repeated


def test_equal_features_are_at_distance_0_whatever_their_size():
    same = 1e4 + normal(1, 64).expand(20, -1)
    found = precision_recall(same, same.clone())
    assert (found.precision, found.recall) == (1, 1)


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_figures_agree_with_scikit_learn(neighbours):
    real, fake = normal(70, 3), 0.7 * normal(60, 3, seed=1) + 0.4

    def inside(samples, centres):
        radii = NearestNeighbors(n_neighbors=neighbours + 1).fit(centres).kneighbors(centres)[0][:, -1]
        gaps = (samples[:, None] - centres[None]).square().sum(dim=-1).sqrt()
        return gaps <= torch.as_tensor(radii)

    found = precision_recall(real, fake, neighbours)
    assert found.precision == pytest.approx(inside(fake, real).any(dim=1).float().mean().item())
    assert found.recall == pytest.approx(inside(real, fake).any(dim=1).float().mean().item())
    both = density_coverage(real, fake, neighbours)
    assert both.density == pytest.approx(inside(fake, real).sum().item() / (neighbours * 60))
    assert both.coverage == pytest.approx(inside(fake, real).any(dim=0).float().mean().item())


def test_a_perfect_sampler_has_the_density_and_the_coverage_of_the_paper():
    found = density_coverage(normal(3000, 4), normal(3000, 4, seed=1))
    assert found.density == pytest.approx(1, abs=0.03)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.01)


@pytest.mark.parametrize("bad", [normal(3, 2), torch.full((9, 2), torch.inf), normal(9)], ids=("few", "inf", "flat"))
@pytest.mark.parametrize("swap", [False, True])
def test_features_without_neighbours_are_refused(bad, swap):
    sets = (bad, normal(9, 2)) if swap else (normal(9, 2), bad)
    with pytest.raises(InputError, match="at least 4"):
        precision_recall(*sets)
