"""Modes of stacked digits: counts made by hand, a perfect sampler and a collapsed one."""

import math

import pytest
import torch
from scipy.stats import chi2, entropy

from lightning_gen import InputError
from lightning_gen.data import Digits, StackedDigits
from lightning_gen.metrics import stacked_classes, stacked_modes, trained_extractor


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    return trained_extractor(Digits(size=8), cache_dir=str(tmp_path_factory.mktemp("cache")))


def test_counts_made_by_hand():
    found = stacked_modes(torch.tensor([0, 0, 5, 999]))
    assert (found.samples, found.modes) == (4, 3)
    assert found.kl == pytest.approx(entropy([2, 1, 1, *[0] * 997], [1] * 1000))
    assert found.kl == pytest.approx(0.5 * math.log(500) + 0.5 * math.log(250))
    assert found.kl_floor == pytest.approx(999 / 8)


def test_every_mode_equally_often_has_no_divergence():
    found = stacked_modes(torch.arange(1000).repeat(26))
    assert found.modes == 1000
    assert found.kl == pytest.approx(0, abs=1e-12)
    assert found.kl_floor == pytest.approx(0.0192, abs=1e-4)


def test_half_of_the_modes_diverge_by_the_logarithm_of_2():
    found = stacked_modes(torch.arange(500).repeat(26))
    assert found.modes == 500
    assert found.kl == pytest.approx(math.log(2))


def test_the_floor_is_what_uniform_labels_score_on_average():
    generator = torch.Generator().manual_seed(0)
    found = [stacked_modes(torch.randint(1000, (26_000,), generator=generator)) for _ in range(20)]
    # 2 n KL is about chi-square distributed with 999 degrees of freedom
    total = sum(2 * 26_000 * modes.kl for modes in found)
    assert 1e-4 < chi2.sf(total, 20 * 999) < 1 - 1e-4
    assert sum(modes.kl for modes in found) / 20 == pytest.approx(found[0].kl_floor, rel=0.02)


def test_without_samples_there_is_nothing_to_count():
    with pytest.raises(InputError, match="draw at least one"):
        stacked_modes(torch.tensor([], dtype=torch.int64))


def test_real_stacks_have_the_labels_that_the_classifier_sees(extractor):
    data = StackedDigits(size=8, count=5000)
    data.setup()
    x, labels = data.scaled(data.train_set[:])
    seen = stacked_classes(extractor, x.split(1000))
    assert (seen == labels).float().mean() > 0.97**3
    found = stacked_modes(seen)
    assert found.modes > 980  # of 1,000 modes with 5 expected each, 7 are missed by chance
    assert found.kl < 1.2 * found.kl_floor


def test_a_collapsed_sampler_has_one_mode_of_a_thousand(extractor):
    data = StackedDigits(size=8, count=100)
    data.setup()
    x, label = data.scaled(data.train_set[:1])
    found = stacked_modes(stacked_classes(extractor, [x.expand(300, -1, -1, -1)]))
    assert found.modes == 1
    assert found.counts[label.item()] == 300
    assert found.kl == pytest.approx(math.log(1000))
