"""AUROC with its interval, and p-values: against scikit-learn, closed forms and simulation."""

from statistics import NormalDist

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from lightning_gen.errors import InputError
from lightning_gen.metrics.detection import detection, fewest_held_out, p_values

NORMAL, ABNORMAL = 300, 200


def draws(n, shift=0.0, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def truth(normal, abnormal):
    return np.r_[np.zeros(len(normal)), np.ones(len(abnormal))], np.r_[normal.numpy(), abnormal.numpy()]


def test_the_area_is_scikit_learns_also_with_ties():
    normal, abnormal = (2 * draws(NORMAL)).round(), (2 * draws(ABNORMAL, 0.5, 1)).round()
    found = detection(normal, abnormal)
    assert found.auroc == pytest.approx(roc_auc_score(*truth(normal, abnormal)), abs=1e-12)
    assert (found.normal, found.abnormal) == (NORMAL, ABNORMAL)


def test_the_interval_covers_the_area_of_two_gaussians_as_often_as_it_says():
    """The area of N(0, 1) against N(d, 1) is Φ(d / √2)."""
    expected, covered = NormalDist().cdf(1 / 2**0.5), 0
    for seed in range(400):
        found = detection(draws(40, seed=2 * seed), draws(30, 1.0, 2 * seed + 1))
        covered += found.low <= expected <= found.high
    assert 0.92 < covered / 400 < 0.98  # 0.95 and three deviations


def test_without_a_pair_out_of_order_the_interval_is_the_binomial_one():
    found = detection(torch.arange(50.0), torch.arange(100.0, 110.0))
    assert (found.auroc, found.high) == (1.0, 1.0)
    assert found.average_precision == pytest.approx(1)
    assert found.low**10 == pytest.approx(0.025)
    other = detection(torch.arange(100.0, 110.0), torch.arange(50.0))
    assert (other.auroc, other.low) == (0.0, 0.0)
    assert other.high == pytest.approx(1 - found.low)


def test_scores_without_information_have_half_the_area_and_the_share_as_precision():
    found = detection(torch.zeros(30), torch.zeros(10))
    assert (found.auroc, found.average_precision) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("normal", "abnormal", "sentence"),
    [
        (torch.zeros(1), torch.zeros(5), "1 normal and 5 abnormal samples are too few"),
        (torch.zeros(5), torch.tensor([0.0, torch.nan]), "not finite"),
    ],
)
def test_bad_scores_get_a_sentence(normal, abnormal, sentence):
    with pytest.raises(InputError, match=sentence):
        detection(normal, abnormal)


def test_p_values_count_held_out_scores_that_are_as_high():
    held_out = torch.tensor([3.0, 1.0, 2.0, 2.0])
    assert p_values(torch.tensor([0.0, 1.0, 2.0, 2.5, 4.0]), held_out).tolist() == [1.0, 1.0, 0.8, 0.4, 0.2]


def test_of_normal_samples_no_larger_share_is_flagged_than_asked_for():
    """Whichever of n + 1 exchangeable samples is tested: ⌊rate (n + 1)⌋ of them have a p-value up to the rate."""
    scores = draws(60)
    found = [float(p_values(scores[i : i + 1], torch.cat([scores[:i], scores[i + 1 :]]))) for i in range(60)]
    for rate in (0.05, 0.1, 0.5):
        assert sum(p <= rate for p in found) == int(rate * 60)


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.07, 0.05, 0.01, 0.003, 1 / 3])
def test_the_fewest_held_out_samples_are_those_that_reach_the_rate(rate):
    least = fewest_held_out(rate)
    assert 1 / (least + 1) <= rate
    assert least == 1 or 1 / least > rate
