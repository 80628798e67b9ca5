"""Metrics of disentanglement on codes that are known: perfect, permuted, doubled, rotated, all in one, and noise."""

import math

import numpy as np
import pytest
import torch

from lightning_gen import InputError
from lightning_gen.metrics import FactorCodes, dci, factor_vae_score, mutual_information_gap
from lightning_gen.metrics.dci import concentration
from lightning_gen.metrics.disentanglement import BINS

SIZES = (3, 4, 6, 8)
FACTORS = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))
COUNT, KINDS = len(FACTORS), len(SIZES)
PERFECT = (FACTORS - FACTORS.double().mean(0)) / FACTORS.double().std(0)
SHUFFLED = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
CHANCE = sum(1 / size for size in SIZES) / KINDS


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rotation(dimensions, seed=0):
    return torch.linalg.qr(normal(dimensions, dimensions, seed=seed))[0]


def halves(codes, factors=FACTORS):
    """Two thirds to fit on and another third to test on."""
    found = FactorCodes(codes, factors)
    return found[SHUFFLED[: 2 * COUNT // 3]], found[SHUFFLED[2 * COUNT // 3 :]]


PERFECT_CODES = {
    "as they are": PERFECT,
    "permuted": PERFECT[:, [2, 0, 3, 1]],
    "rescaled and shifted": PERFECT * torch.tensor([3.0, -0.5, 100.0, 0.2]) + torch.tensor([0.0, 7.0, -50.0, 1.0]),
    "beside dead latents": torch.cat([torch.zeros(COUNT, 2), PERFECT, torch.full((COUNT, 1), 9.0)], 1),
    "each value elsewhere": torch.stack(
        [torch.randperm(n).double()[f] for n, f in zip(SIZES, FACTORS.T, strict=True)], 1
    ),
}


@pytest.mark.parametrize("codes", PERFECT_CODES.values(), ids=PERFECT_CODES.keys())
def test_a_latent_for_each_factor_scores_one_everywhere(codes):
    gap = mutual_information_gap(
        FactorCodes(codes, FACTORS)
    )  # of all combinations, so that the factors are independent
    assert gap.gaps.tolist() == pytest.approx([1] * KINDS, abs=1e-9)
    assert gap.entropies.tolist() == pytest.approx([math.log(size) for size in SIZES])
    votes = factor_vae_score(FactorCodes(codes, FACTORS), train_votes=200, eval_votes=200)
    assert (votes.score, votes.train_score, votes.active) == (1, 1, KINDS)
    found = dci(*halves(codes))
    assert found.disentanglement == pytest.approx(1, abs=1e-6)
    assert found.completeness == pytest.approx(1, abs=1e-6)
    assert found.accuracies.tolist() == [1] * KINDS


def test_noise_scores_nothing():
    factors = FACTORS.repeat(10, 1)
    found = FactorCodes(normal(len(factors), 6), factors)
    assert mutual_information_gap(found).score < 0.01
    votes = factor_vae_score(found)
    assert votes.score == pytest.approx(1 / KINDS, abs=0.03)
    assert votes.active == 6
    train, test = halves(normal(COUNT, 6))
    classified = dci(train, test)
    assert classified.disentanglement < 0.05
    assert classified.completeness < 0.05
    assert classified.informativeness == pytest.approx(CHANCE, abs=0.06)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_rotated_code_holds_as_much_and_scores_less(seed):
    codes = PERFECT @ rotation(KINDS, seed)
    assert mutual_information_gap(FactorCodes(codes, FACTORS)).score < 0.3
    assert factor_vae_score(FactorCodes(codes, FACTORS), train_votes=2000, eval_votes=2000).score < 0.9
    found = dci(*halves(codes))
    assert found.disentanglement < 0.3
    assert found.completeness < 0.3
    assert found.informativeness > 2 * CHANCE


def test_latents_that_mix_all_factors_equally_are_not_disentangled_at_all():
    """A rotation whose entries are all plus or minus one half: every latent tells the same of a factor."""
    signs = torch.tensor([[1, 1], [1, -1]], dtype=torch.float64)
    codes = PERFECT @ (torch.kron(signs, signs) / 2)
    assert mutual_information_gap(FactorCodes(codes, FACTORS)).score == pytest.approx(0, abs=0.01)
    assert factor_vae_score(FactorCodes(codes, FACTORS)).score == pytest.approx(1 / KINDS, abs=0.03)
    found = dci(*halves(codes))
    assert found.disentanglement < 0.02
    assert found.completeness < 0.02
    assert found.informativeness > 1.5 * CHANCE


def test_one_latent_with_everything_has_no_meaning_of_its_own():
    codes = torch.zeros(COUNT, 3, dtype=torch.float64)
    codes[:, 1] = torch.arange(COUNT)[SHUFFLED]
    found = FactorCodes(codes / codes.std(), FACTORS)
    assert mutual_information_gap(found).score < 0.1
    votes = factor_vae_score(found)
    assert votes.active == 1
    assert votes.score == pytest.approx(1 / KINDS, abs=0.03)  # there is one latent to name all factors
    classified = dci(*halves(found.codes))
    assert classified.disentanglement == pytest.approx(0, abs=1e-9)
    assert classified.completeness == pytest.approx(1, abs=1e-9)


def test_a_collapsed_code_scores_nothing():
    codes = torch.full((COUNT, 5), 0.1)
    gap = mutual_information_gap(FactorCodes(codes, FACTORS))
    assert gap.score == pytest.approx(0, abs=1e-12)
    votes = factor_vae_score(FactorCodes(codes, FACTORS))
    assert (votes.score, votes.train_score, votes.active) == (0, 0, 0)
    found = dci(*halves(codes))
    assert (found.disentanglement, found.completeness) == (0, 0)
    assert found.informativeness == pytest.approx(CHANCE, abs=0.05)


# mutual information gap


def test_values_that_share_a_bin_cost_what_their_entropy_says():
    factors = torch.cartesian_prod(torch.arange(12), torch.arange(2))
    codes = torch.stack([factors[:, 0].double() ** 2, factors[:, 1].double()], 1)
    gap = mutual_information_gap(FactorCodes(codes, factors))
    # bins are 121 / 20 wide: 0, 1 and 4 fall into the first, 9, 16, 25 ... 121 into one each
    assert gap.informations[0, 0].item() == pytest.approx(math.log(12) - 3 / 12 * math.log(3))
    assert gap.score == pytest.approx((1 - 3 / 12 * math.log(3) / math.log(12) + 1) / 2)


def test_a_factor_in_two_latents_has_no_gap():
    gap = mutual_information_gap(FactorCodes(PERFECT.repeat(1, 2), FACTORS))
    assert gap.score == pytest.approx(0, abs=1e-12)


def test_one_latent_may_stand_for_two_factors_without_a_loss_of_gap():
    factors = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    gap = mutual_information_gap(FactorCodes((2 * factors[:, :1] + factors[:, 1:]).double(), factors))
    assert gap.score == pytest.approx(1)


def entropy_of_rows(table):
    shares = np.unique(table, axis=0, return_counts=True)[1] / len(table)
    return -(shares * np.log(shares)).sum()


def test_it_is_what_entropies_counted_by_hand_give():
    factors = FACTORS.repeat(3, 1)
    codes = (PERFECT.repeat(3, 1) @ rotation(KINDS)).tanh() + 0.1 * normal(len(factors), KINDS)
    gaps = []
    for factor in factors.T.numpy():
        told = []
        for latent in codes.T.numpy():
            width = (latent.max() - latent.min()) / 20
            bins = np.minimum((latent - latent.min()) // width, 19)
            joint = entropy_of_rows(np.stack([factor, bins], 1))
            told.append(entropy_of_rows(factor[:, None]) + entropy_of_rows(bins[:, None]) - joint)
        best, second = sorted(told, reverse=True)[:2]
        gaps.append((best - second) / entropy_of_rows(factor[:, None]))
    found = mutual_information_gap(FactorCodes(codes, factors))
    assert found.gaps.tolist() == pytest.approx(gaps, abs=1e-9)
    assert found.score == pytest.approx(np.mean(gaps), abs=1e-9)


def test_the_figure_names_its_estimator():
    (measurement,) = mutual_information_gap(FactorCodes(PERFECT, FACTORS)).measurements()
    assert f"{BINS}-bin histograms of {COUNT} mean codes" in measurement.meaning


# FactorVAE score


def voted_by_hand(codes, votes, seed):
    """The score of the published procedure, one vote after another."""
    generator = np.random.default_rng(seed)
    spread = codes[generator.integers(COUNT, size=10_000)].var(0, ddof=1)
    steps = np.cumprod((1, *SIZES[:0:-1]))[::-1]
    ballots = []
    for _ in range(2):
        ballot = np.zeros((KINDS, codes.shape[1]))
        for _ in range(votes):
            factor = generator.integers(KINDS)
            drawn = generator.integers(SIZES, size=(64, KINDS))
            drawn[:, factor] = drawn[0, factor]
            ballot[factor, (codes[drawn @ steps].var(0, ddof=1) / spread).argmin()] += 1
        ballots.append(ballot)
    named = ballots[0].argmax(0)
    return ballots[1][named, np.arange(len(named))].sum() / votes


def test_it_is_what_votes_drawn_one_by_one_give():
    codes = PERFECT @ rotation(KINDS, seed=3)
    found = factor_vae_score(FactorCodes(codes, FACTORS), train_votes=4000, eval_votes=4000)
    deviation = math.sqrt(found.score * (1 - found.score) * 2 / 4000)
    assert 0.4 < found.score < 0.95
    assert abs(found.score - voted_by_hand(codes.numpy(), 4000, seed=3)) < 5 * deviation


def test_latents_that_hardly_vary_do_not_vote():
    codes = torch.cat([PERFECT, 0.04 * normal(COUNT, 3)], 1)
    assert factor_vae_score(FactorCodes(codes, FACTORS), train_votes=50, eval_votes=50).active == KINDS
    assert factor_vae_score(FactorCodes(codes * 2, FACTORS), train_votes=50, eval_votes=50).active == KINDS + 3


def test_the_seed_alone_decides_and_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    found = FactorCodes(PERFECT @ rotation(KINDS), FACTORS)
    first, again, other = (factor_vae_score(found, seed, 500, 500) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), before)


# disentanglement, completeness, informativeness


def test_a_factor_in_two_latents_is_disentangled_and_not_complete():
    found = dci(*halves(PERFECT.repeat(1, 2)))
    assert found.disentanglement == pytest.approx(1, abs=1e-6)
    assert found.importances.sum(0).tolist() == pytest.approx([1] * KINDS)
    # equal shares of two among eight latents would have 1 - log 2 / log 8; ten trees share unequally by chance
    assert 1 - math.log(2) / math.log(2 * KINDS) - 1e-6 < found.completeness < 0.8


def test_concentration_is_that_of_shares_worked_out_by_hand():
    importances = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    assert concentration(importances) == pytest.approx((1 - math.log(2) / math.log(3)) / 2 + 0.5)
    assert concentration(importances.T) == pytest.approx(1)
    assert concentration(torch.ones(4, 3)) == pytest.approx(0, abs=1e-6)
    assert concentration(torch.ones(4, 1)) == 1
    assert concentration(torch.zeros(4, 3)) == 0


def test_accuracy_is_of_codes_that_were_not_fitted_on():
    """Noise that no two codes share is learned by heart and tells nothing of others."""
    train, test = halves(normal(COUNT, 4))
    assert dci(train, train).informativeness > 0.9
    found = dci(train, test)
    assert found.informativeness < 0.4
    shares = [max(np.unique(factor, return_counts=True)[1]) / len(test) for factor in test.factors.T]
    assert found.chances.tolist() == pytest.approx(shares)


@pytest.mark.parametrize("seed", [0, -1, 2**40])
def test_any_seed_repeats_its_forests(seed):
    codes = PERFECT @ rotation(KINDS)
    assert torch.equal(*(dci(*halves(codes), seed=seed).importances for _ in range(2)))


# what goes in


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (torch.zeros(3, 2, 2), FACTORS[:3], r"codes.flatten\(1\)"),
        (torch.zeros(3, 2), FACTORS[:4], "do not match"),
        (torch.zeros(0, 2), FACTORS[:0], "do not match"),
        (torch.tensor([[0.0], [math.nan]]), torch.tensor([[0], [1]]), "earlier checkpoint"),
        (torch.zeros(2, 1), torch.tensor([[0, 1], [0, 0]]), "leave out its column"),
        (torch.zeros(2, 1), torch.tensor([[0.5], [1.0]]), "whole numbers from 0"),
        (torch.zeros(2, 1), torch.tensor([[-1], [1]]), "whole numbers from 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(codes, factors, message):
    with pytest.raises(InputError, match=message):
        FactorCodes(codes, factors)
