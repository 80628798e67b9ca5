"""The errors of sounds: means without silent ones, their protocol, and their place beside those of images."""

import math

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Images, Sound
from lightning_gen.metrics import log_mel_distance, reconstruction_error, si_sdr


def pairs():
    x = torch.randn(4, 1, 2000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3) / 4
    x[2] = 0
    return [(x[:2], x[:2] / 2), (x[2:], x[2:] / 2 + 1e-4 * torch.sin(torch.arange(2000.0)))]


def test_silent_sounds_are_left_out_and_counted():
    """Of silence others tell NaN, or 80 dB."""
    found = si_sdr(pairs())
    assert found.left_out == 1
    expected = [100.0, 100.0, 10 * math.log10(float((pairs()[1][0][1] / 2).square().sum() / (1e-8 * 1000)))]
    assert found.mean == pytest.approx(sum(expected) / 3, abs=0.1)
    (measurement,) = found.measurements()
    assert measurement.name == "si_sdr_db"
    assert "without 1 that have none, higher is better" in measurement.meaning
    assert found.protocol["left_out"] == 1


def test_the_protocol_tells_all_that_a_log_mel_distance_depends_on():
    x = torch.randn(2, 1, 2000, generator=torch.Generator().manual_seed(0))
    found = log_mel_distance([(x, x / 10)], 8000, windows=(256, 512), bands=(20, 40))
    assert found.mean == pytest.approx(1, rel=1e-2)
    assert found.protocol["rate"] == 8000
    assert found.protocol["windows"] == [256, 512]
    assert found.protocol["bands"] == [20, 40]
    assert "at least 1e-05" in found.protocol["of"]
    assert "Slaney" in found.protocol["scale"]


def test_no_sound_is_refused():
    with pytest.raises(InputError, match=r"there is no sound to compare"):
        si_sdr([])


def test_sounds_have_their_own_errors_and_images_theirs():
    found = reconstruction_error(pairs(), Sound(8000))
    assert found.psnr_db is None
    assert found.ssim is None
    names = [measurement.name for measurement in found.measurements("pca_", " by PCA")]
    assert names == ["pca_mse", "pca_si_sdr_db", "pca_log_mel_distance"]
    x = torch.rand(2, 1, 16, 16)
    of_images = reconstruction_error([(x, x * 0.9)], Images())
    assert of_images.others == ()
    assert [measurement.name for measurement in of_images.measurements()] == ["mse", "psnr_db", "ssim"]


def test_reconstructions_are_compared_as_they_would_be_played():
    x = torch.ones(1, 1, 100).cumsum(2) / 100
    assert reconstruction_error([(x, x.clone().where(x < 1, 5.0))], Sound(8000)).mse == 0
