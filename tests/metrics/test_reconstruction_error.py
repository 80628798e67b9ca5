"""Reconstruction error against values worked out by hand and against scikit-image."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lightning_gen import InputError
from lightning_gen.media import Images, Points, Volumes
from lightning_gen.metrics import reconstruction_error
from lightning_gen.metrics.reconstruction import ssim_skip_reason


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_pixels_are_compared_in_zero_to_one():
    black, grey = torch.full((2, 1, 3, 3), -1.0), torch.full((2, 1, 3, 3), 0.0)
    found = reconstruction_error([(black, grey)])
    assert found.mse == pytest.approx(0.25)
    assert found.psnr_db == pytest.approx(10 * math.log10(4))
    assert found.samples == 2


def test_outputs_are_clipped():
    white = torch.full((1, 1, 2, 2), 1.0)
    assert reconstruction_error([(-white, 7 * white)]).mse == pytest.approx(1.0)
    assert reconstruction_error([(white, 7 * white)]).mse == 0


def test_psnr_is_the_mean_over_images_and_not_that_of_the_mean_error():
    x, output = uniform(6, 3, 5, 4), uniform(6, 3, 5, 4, seed=1) * torch.linspace(0.1, 1, 6).view(-1, 1, 1, 1)
    pairs = zip(((x + 1) / 2).double().numpy(), ((output + 1) / 2).double().numpy(), strict=True)
    reference = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs]
    found = reconstruction_error([(x, output)])
    assert found.psnr_db == pytest.approx(sum(reference) / 6, rel=1e-6)
    assert found.psnr_db > 10 * math.log10(1 / found.mse)


@pytest.mark.parametrize("shape", [(1, 11, 11), (1, 28, 28), (3, 16, 20)], ids=str)
def test_ssim_is_that_of_the_paper(shape):
    x, noise = uniform(5, *shape), uniform(5, *shape, seed=1)
    output = 1.2 * (x + torch.linspace(0, 1, 5).view(-1, 1, 1, 1) * noise)
    pairs = zip(*(((each.clamp(-1, 1) + 1) / 2).double().numpy() for each in (x, output)), strict=True)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    reference = [structural_similarity(a, b, channel_axis=0, **settings) for a, b in pairs]
    found = reconstruction_error(zip(x.split(2), output.split(2), strict=True)).ssim
    assert found == pytest.approx(sum(reference) / 5, abs=1e-5)
    assert reconstruction_error([(x, x)]).ssim == pytest.approx(1)


def test_ssim_needs_pictures_as_large_as_its_window():
    x = uniform(2, 1, 10, 28)
    assert reconstruction_error([(x, x)]).ssim is None
    assert "10 x 28 pixels are smaller than its 11 x 11 window" in ssim_skip_reason(x.shape[1:], Images())
    assert ssim_skip_reason((1, 11, 11), Images()) is None
    assert "points" in ssim_skip_reason((2,), Points())


def test_batches_of_unequal_size_give_what_one_batch_gives():
    x, output = uniform(11, 1, 4, 4), uniform(11, 1, 4, 4, seed=1)
    whole = reconstruction_error([(x, output)])
    parts = reconstruction_error(zip(x.split(4), output.split(4), strict=True))
    assert parts.mse == pytest.approx(whole.mse, rel=1e-12)
    assert parts.psnr_db == pytest.approx(whole.psnr_db, rel=1e-12)
    assert parts.samples == 11


def test_many_small_errors_beside_a_large_one_are_not_lost():
    x = torch.zeros(200_001, 1)
    output = torch.cat([torch.full((1, 1), 4096.0), torch.full((200_000, 1), 1.0)])
    found = reconstruction_error(zip(x.split(1000), output.split(1000), strict=True))
    assert found.mse == pytest.approx((4096**2 + 200_000) / 200_001, rel=1e-12)


def test_points_are_compared_as_they_are_and_have_no_psnr():
    found = reconstruction_error([(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 3.0]]))])
    assert found.mse == 8
    assert found.psnr_db is None
    assert [measurement.name for measurement in found.measurements("pca_")] == ["pca_mse"]


def test_volumes_are_no_images():
    x = torch.rand(2, 1, 8, 8, 8) * 2 - 1
    meanings = {each.name: each.meaning for each in reconstruction_error([(x, 0.9 * x)], Volumes()).measurements()}
    assert meanings["psnr_db"] == "peak signal-to-noise ratio in dB, mean over volumes, higher is better"


def test_an_image_given_back_exactly_has_no_finite_psnr():
    x = uniform(1, 1, 2, 2)
    assert reconstruction_error([(x, x)]).psnr_db == math.inf


def test_what_is_not_finite_or_not_there_is_refused():
    with pytest.raises(InputError, match="not finite"):
        reconstruction_error([(torch.zeros(1, 2), torch.full((1, 2), torch.nan))])
    with pytest.raises(InputError, match="no sample"):
        reconstruction_error([])
