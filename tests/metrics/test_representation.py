"""What can be read off codes, against classifiers by brute force and figures measured elsewhere."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from lightning_gen import InputError
from lightning_gen.data import Digits, FashionMNIST
from lightning_gen.data.reading import labelled
from lightning_gen.metrics import Vectors, fit_pca, neighbour_accuracy, probe_accuracy, representation


def vectors_of(data, split):
    batches = list(labelled(data, split))
    return Vectors(torch.cat([x for x, _ in batches]).flatten(1), torch.cat([labels for _, labels in batches]))


@pytest.fixture(scope="module")
def digits():
    data = Digits(size=8)
    data.setup()
    return vectors_of(data, data.train_set)[:400], vectors_of(data, data.test_set)


def test_neighbours_are_those_of_all_distances(digits):
    train, test = digits
    x, y = train.arrays()
    distances = ((test.arrays()[0][:, None] - x[None]) ** 2).sum(2)
    votes = y[np.argsort(distances, axis=1, kind="stable")[:, :5]]
    elected = np.array([np.bincount(vote, minlength=10).argmax() for vote in votes])
    assert neighbour_accuracy(train, test) == pytest.approx((elected == test.labels.numpy()).mean(), abs=0.006)


def by_hand(train, test):
    """Accuracy of the minimum of Σ -log p(y|x) + |W|²/2 on standardised x, found by another optimizer."""
    x, y = (np.float64(train.x), train.labels.numpy())
    mean, deviation = x.mean(0), x.std(0)
    scaled = [(np.float64(each) - mean) / np.where(deviation == 0, 1, deviation) for each in (train.x, test.x)]
    scaled = [np.concatenate([each, np.ones((len(each), 1))], 1) for each in scaled]

    def objective(flat):
        weights = flat.reshape(-1, 10)
        logits = scaled[0] @ weights
        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        gradient = scaled[0].T @ (p - np.eye(10)[y])
        gradient[:-1] += weights[:-1]
        return -np.log(p[np.arange(len(y)), y]).sum() + (weights[:-1] ** 2).sum() / 2, gradient.ravel()

    found = minimize(objective, np.zeros(scaled[0].shape[1] * 10), jac=True, method="L-BFGS-B", tol=1e-10)
    return ((scaled[1] @ found.x.reshape(-1, 10)).argmax(1) == test.labels.numpy()).mean()


def test_the_probe_is_converged_logistic_regression_whatever_the_scale_of_the_code(digits):
    train, test = digits
    found = probe_accuracy(train, test)
    assert found.accuracy == pytest.approx(by_hand(train, test), abs=0.006)
    assert found.iterations < representation.ITERATIONS
    stretched = [Vectors(1000 * each.x + 5, each.labels) for each in digits]
    assert probe_accuracy(*stretched).accuracy == pytest.approx(found.accuracy, abs=0.006)


def test_classes_that_can_be_told_are_told_and_chance_is_chance():
    labels = torch.arange(200) % 4
    noise = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    told, blind = Vectors(torch.eye(4)[labels], labels), Vectors(noise, labels)
    for accuracy in (neighbour_accuracy, lambda *sets: probe_accuracy(*sets).accuracy):
        assert accuracy(told, told[:50]) == 1
        assert accuracy(blind[:150], blind[150:]) < 0.5


def test_an_unfinished_probe_is_seen_by_its_iterations(digits, monkeypatch):
    monkeypatch.setattr(representation, "ITERATIONS", 3)
    assert probe_accuracy(*digits).iterations == 3


def test_what_cannot_be_told_apart_is_refused():
    few = Vectors(torch.rand(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(InputError, match="4 training samples, and 5 neighbours vote: give more"):
        neighbour_accuracy(few, few)
    with pytest.raises(InputError, match="all of one class"):
        probe_accuracy(few, few)
    many = Vectors(torch.rand(101, 2), torch.arange(101))
    with pytest.raises(InputError, match="101 classes"):
        probe_accuracy(many, many)
    with pytest.raises(InputError, match="diverged"):
        Vectors(torch.full((2, 2), torch.inf), torch.arange(2))


@pytest.mark.slow
def test_fashion_mnist_gives_the_accuracies_measured_elsewhere():
    """PCA with 32 dimensions: 5 nearest neighbours .852 and a linear probe .815; of raw pixels .8554."""
    data = FashionMNIST(download=False, val_size=0)
    try:
        data.prepare_data()
    except InputError as error:
        pytest.skip(str(error))
    data.setup()
    train, test = vectors_of(data, data.train_set), vectors_of(data, data.test_set)
    pca = fit_pca([train.x], 32, train.x.numel())
    codes = [Vectors(pca.transform(each.x), each.labels) for each in (train, test)]
    assert neighbour_accuracy(*codes) == pytest.approx(0.852, abs=0.001)
    assert probe_accuracy(*codes).accuracy == pytest.approx(0.815, abs=0.003)
    assert neighbour_accuracy(train, test) == pytest.approx(0.8554, abs=0.0005)
