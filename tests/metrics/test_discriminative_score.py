"""The discriminative score of sets that are alike, that differ, and that share half of their samples."""

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.metrics import discriminative_score


def normal(count, seed, shape=(1, 16)):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 16), (3, 9), (1, 8, 8)])
def test_sets_of_one_distribution_cannot_be_told_apart(shape):
    found = discriminative_score(normal(500, 0, shape), normal(500, 1, shape), steps=100)
    assert found.held_out == 200
    assert found.score == abs(found.accuracy - 0.5) < 0.12  # three deviations of 200 coins


@pytest.mark.parametrize("shape", [(1, 16), (3, 9)])
def test_sets_far_from_each_other_have_a_score_of_one_half(shape):
    assert discriminative_score(normal(500, 0, shape), normal(500, 1, shape) + 5, steps=100).score == 0.5


def test_a_set_of_which_half_can_be_told_is_half_way():
    other = normal(1000, 1)
    other[::2] += 8
    assert discriminative_score(normal(1000, 0), other, steps=150).score == pytest.approx(0.25, abs=0.08)


def test_unlike_lengths_and_few_samples_are_refused():
    with pytest.raises(InputError, match=r"differ in shape, \(99, 1, 16\) and \(99, 1, 15\)"):
        discriminative_score(normal(99, 0), normal(99, 1, (1, 15)))
    with pytest.raises(InputError, match=r"too few .* at least 40"):
        discriminative_score(normal(39, 0), normal(39, 1))
    assert discriminative_score(normal(40, 0), normal(40, 1), steps=1).held_out == 16
