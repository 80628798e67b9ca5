"""The parts of the table on augmentation: subsets, what changes a batch, intervals, and results that are kept."""

import json

import augmentation
import numpy as np
import pytest
import torch
from augmentation import CLASSES, Results, Subset, best, difference, joined, mixed, parts, shifted, subset, verdict
from scipy.stats import beta, ttest_rel

from lightning_gen.data import ArrayDataset, DataModule, Splits


class Squares(DataModule):
    """As Fashion-MNIST in shape; each image has its number in the training split in two pixels."""

    def __init__(self, count=600):
        super().__init__(shape=(1, 28, 28), num_classes=CLASSES)
        self.count = count

    def splits(self):
        labels = torch.arange(self.count) % CLASSES
        x = torch.zeros(self.count, 1, 28, 28, dtype=torch.uint8)
        x[:, 0, 0, 0], x[:, 0, 0, 1] = torch.arange(self.count) // 256, torch.arange(self.count) % 256
        return Splits(*[ArrayDataset(x, labels)] * 3)


@pytest.fixture
def data():
    found = Squares()
    found.setup()
    return found


def numbers(samples):
    x = samples[:].x.long()
    return (256 * x[:, 0, 0, 0] + x[:, 0, 0, 1]).tolist()


def test_subsets_are_balanced_nested_and_of_their_seed(data):
    few, more, other = subset(data, 5, 0), subset(data, 10, 0), subset(data, 5, 1)
    assert torch.bincount(few.labels).tolist() == [5] * CLASSES
    assert numbers(more)[: len(few)] == numbers(few)
    assert len(set(numbers(more))) == 100
    assert set(numbers(other)) != set(numbers(few))
    assert [number % CLASSES for number in numbers(few)] == few.labels.tolist()


def test_a_fifth_is_held_out_of_each_class(data):
    few = subset(data, 20, 0)
    most, fifth = parts(few)
    assert torch.bincount(most[:].labels).tolist() == [16] * CLASSES
    assert torch.bincount(fifth[:].labels).tolist() == [4] * CLASSES
    assert sorted(numbers(most) + numbers(fifth)) == sorted(numbers(few))


def test_samples_are_added_in_proportion_and_in_all_classes(data):
    few, samples = subset(data, 5, 0), data.train_set
    assert numbers(joined(few, samples, 3)) == numbers(few) + list(range(150))


def test_mixtures_have_the_classes_in_the_proportion_of_their_images():
    labels = torch.arange(CLASSES).repeat(7)
    x = labels.float().view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    generator, shares = torch.Generator().manual_seed(0), []
    for _ in range(200):
        changed, targets = mixed(x, labels, generator)
        torch.testing.assert_close(targets.sum(1), torch.ones(70))
        torch.testing.assert_close(changed[:, 0, 3, 3], targets @ torch.arange(CLASSES).float())
        shares.append(targets.max(1).values.min().item())  # of a pair of different classes
    expected = 2 * beta(0.2, 0.2).cdf(0.1)
    assert np.mean(np.array(shares) > 0.9) == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 200) ** 0.5)


def test_shifted_images_keep_their_classes_and_are_flipped_in_half_of_cases():
    x = torch.full((2000, 1, 28, 28), -1.0)
    x[:, :, :, :14] = 1
    changed, labels = shifted(x, torch.arange(2000), torch.Generator().manual_seed(0))
    assert torch.equal(labels, torch.arange(2000))
    left, right = changed[:, 0, :, 4:10].mean((1, 2)), changed[:, 0, :, 18:24].mean((1, 2))
    assert 0.45 < (left < right).double().mean() < 0.55


def test_differences_are_those_of_a_paired_t_test():
    first, second = np.random.default_rng(0).normal(size=(2, 10))
    mean, half = difference(first.tolist(), second.tolist())
    interval = ttest_rel(first, second).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high))
    assert difference([0.5], [0.2]) == (pytest.approx(0.3), float("inf"))


@pytest.mark.parametrize(
    ("mean", "half", "words"),
    [
        (0.1, 0.2, "no difference shown"),
        (-0.3, 0.2, "does not help, it harms"),
        (0.3, 0.2, "helps"),
        (0.3, float("inf"), "one subset has no interval"),
    ],
)
def test_a_difference_is_said_in_words(mean, half, words):
    assert verdict(mean, half) == words


def test_the_least_ratio_is_taken_of_equals():
    assert best({1: 0.5, 3: 0.7, 10: 0.7}) == 3
    assert best({1: 0.5, 3: 0.5, 10: 0.5}) == 1
    assert best({1: 0.5, 3: 0.5, 10: 0.6}) == 10


def test_what_is_stored_is_not_computed_again_and_other_settings_are_refused(tmp_path):
    path, computed = tmp_path / "x.json", []
    for _ in range(2):
        assert Results(path, {"updates": 3}).once("a", lambda: computed.append(1) or 7) == 7
    assert computed == [1]
    assert json.loads(path.read_text())["cpu"]["a"] >= 0
    with pytest.raises(SystemExit, match="results of another setting"):
        Results(path, {"updates": 4})


def test_a_subset_is_measured_once_and_reads_the_test_split_once_a_row(data, tmp_path, monkeypatch):
    """With a model that needs no training, an interruption in the middle, and rows told apart by what they train on."""
    reads, fits = [], []

    def fit(samples, shape, num_classes, seed, steps, augment):
        fits.append((len(samples), augment))
        return len(samples)

    def accuracy_of(module, samples):
        if samples is data.test_set:
            reads.append(module)
            if len(reads) == 4 and not (tmp_path / "stopped").exists():
                (tmp_path / "stopped").touch()
                reads.pop()
                raise KeyboardInterrupt
        return module / 10_000

    monkeypatch.setattr(augmentation, "fit_classifier", fit)
    monkeypatch.setattr(augmentation, "accuracy_of", accuracy_of)
    monkeypatch.setattr(Subset, "samples", lambda self, name, results, images: data.train_set)
    one = Subset(data, 5, 0, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        one.measure()
    found = one.measure()
    # on a fifth more samples look better to this classifier, so that 10 are added to each of 50 images
    assert found == {
        "nothing": 0.005,
        "augmented": 0.005,
        "mixup": 0.005,
        "samples": 0.055,
        "both": 0.055,
        "twice": 0.01,
    }
    assert len(reads) == len(found)
    assert len(fits) == 6 + len(found) + 1, "six ratios, the rows, and the one that was stopped"
    assert [augment for size, augment in fits[-3:]] == [None, shifted, None]
    assert one.measure() == found
    assert len(reads) == len(found)
