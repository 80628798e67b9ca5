"""PCA as a baseline against a singular value decomposition, and against figures measured elsewhere."""

import numpy as np
import pytest
import torch

from lightning_gen import InputError
from lightning_gen.data import Digits, FashionMNIST
from lightning_gen.data.reading import batches
from lightning_gen.metrics import fit_pca, pca, reconstruction_error


@pytest.fixture(scope="module")
def digits():
    data = Digits(size=8)
    data.setup()
    return torch.cat(list(batches(data, data.train_set))), torch.cat(list(batches(data, data.test_set)))


def by_svd(train, test, components):
    """Reconstructions by the leading right singular vectors of the centred data."""
    train, test = (x.flatten(1).double().numpy() for x in (train, test))
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:components]
    return torch.from_numpy((test - mean) @ axes.T @ axes + mean)


@pytest.mark.parametrize("components", [1, 5, 20])
def test_reconstructions_are_those_of_a_singular_value_decomposition(digits, components):
    train, test = digits
    found = fit_pca(train.split(500), components, train.numel())
    assert found.reconstruct(test).shape == test.shape
    assert found.transform(test).shape == (len(test), components)
    expected = by_svd(train, test, components).reshape(test.shape)
    torch.testing.assert_close(found.reconstruct(test).double(), expected, rtol=0, atol=5e-4)
    assert found.protocol["dimensions"] == components
    assert found.samples == len(train)


def test_for_wide_data_the_randomized_solver_is_as_good_and_repeats():
    data = Digits(size=32)
    data.setup()
    train, test = (torch.cat(list(batches(data, split))) for split in (data.train_set, data.test_set))
    once, again = (fit_pca([train], 16, train.numel()).reconstruct(test) for _ in range(2))
    assert torch.equal(once, again)
    exact = by_svd(train, test, 16).reshape(test.shape)
    found = reconstruction_error([(test, once)]).mse
    assert found == pytest.approx(reconstruction_error([(test, exact)]).mse, rel=1e-3)


def test_data_too_large_for_memory_are_fitted_in_batches_and_nearly_as_well(digits, monkeypatch):
    train = digits[0][:1400]
    exact = fit_pca([train], 8, train.numel())
    monkeypatch.setattr(pca, "EXACT_VALUES", 0)
    found = fit_pca([*train.split(200), digits[0][1400:1405]], 8, train.numel())
    assert "IncrementalPCA" in found.protocol["estimator"]
    assert found.samples == 1400  # the last five samples are fewer than the components
    best, error = (float((fit.reconstruct(train) - train).square().mean()) for fit in (exact, found))
    assert best < error < 1.03 * best  # nothing linear is better on the samples that it was fitted on


def test_the_samples_are_left_as_they_are(digits, monkeypatch):
    before = digits[0].clone()
    fit_pca([digits[0]], 8, before.numel())
    monkeypatch.setattr(pca, "EXACT_VALUES", 0)
    fit_pca([digits[0]], 8, before.numel())
    assert torch.equal(digits[0], before)


def test_data_of_few_dimensions_are_given_back():
    plane = torch.randn(100, 2) @ torch.randn(2, 7) + 3
    torch.testing.assert_close(fit_pca([plane], 2, plane.numel()).reconstruct(plane), plane, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("components", [7, 8, 20])
def test_more_components_than_pca_can_have_are_refused(components):
    assert pca.skip_reason(6, 7, 100) is None
    assert "7 dimensions" in pca.skip_reason(components, 7, 100)
    assert "7 training samples" in pca.skip_reason(components, 100, 7)
    with pytest.raises(InputError, match=f"{components} numbers"):
        fit_pca([torch.randn(100, 7)], components, 700)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("components", "mse", "psnr_db"), [(8, 0.02661, 16.30), (32, 0.01514, 18.97), (64, 0.01037, 20.81)]
)
def test_fashion_mnist_gives_the_figures_measured_elsewhere(components, mse, psnr_db):
    """Fitted on 60,000 training images: MSE before clipping, mean of every image's PSNR after it."""
    data = FashionMNIST(download=False, val_size=0)
    try:
        data.prepare_data()
    except InputError as error:
        pytest.skip(str(error))
    data.setup()
    found = fit_pca(batches(data, data.train_set), components, len(data.train_set) * 784)
    test = torch.cat(list(batches(data, data.test_set)))
    output = found.reconstruct(test)
    error = reconstruction_error([(test, output)])
    assert (found.samples, error.samples) == (60_000, 10_000)
    assert float((output - test).square().mean()) / 4 == pytest.approx(mse, abs=1e-5)  # before clipping
    assert 0.9 * mse < error.mse < mse  # clipping helps
    assert error.psnr_db == pytest.approx(psnr_db, abs=0.005)
