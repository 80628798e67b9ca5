"""Mel spectra against published values and closed forms; distances of sounds against another implementation."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from lightning_gen.errors import InputError
from lightning_gen.spectra import (
    MelSpectrum,
    filters,
    fitting,
    hertz,
    log_mel_distances,
    mel,
    si_sdr_each,
    spectra_of,
)

FREQUENCIES = (0, 85.317, 170.635, 255.952, 938.49, 1024.856, 1119.114, 2262.393, 5453.621, 10096.408, 11025)
"""Some of the frequencies that the documentation of librosa lists, ``mel_frequencies(n_mels=40)``."""
PLACES = (0, 1, 2, 3, 11, 12, 13, 21, 31, 38, 39)


def sine(hz, rate=8000, length=4096, amplitude=0.5):
    return amplitude * torch.sin(2 * math.pi * hz * torch.arange(length) / rate)[None, None]


def test_the_scale_is_that_of_slaney():
    top = mel(torch.tensor(11025.0, dtype=torch.float64))
    found = hertz(torch.linspace(0, 1, 40, dtype=torch.float64) * top)[list(PLACES)]
    assert found.tolist() == pytest.approx(FREQUENCIES, abs=6e-4)
    assert mel(torch.tensor([60.0, 110, 220, 440])).tolist() == pytest.approx([0.9, 1.65, 3.3, 6.6])


def test_filters_are_triangles_of_area_1():
    rate, window, bands = 8000, 8192, 12
    found = filters(rate, window, bands)
    assert found.shape == (bands, window // 2 + 1)
    torch.testing.assert_close(found.sum(1) * rate / window, torch.ones(bands).double(), rtol=1e-3, atol=0)
    edges = np.interp(np.linspace(0, float(mel(torch.tensor(rate / 2))), bands + 2), [0, 15], [0, 1000])[:6]
    peaks = found.argmax(1)[:4] * rate / window
    assert peaks.tolist() == pytest.approx(edges[1:5], abs=rate / window)


def test_filters_are_kept_for_their_rate():
    """HiFi-GAN's cache is asked for one name and filled under another, and knows no rate."""
    low, high = MelSpectrum(8000, 512, 40).of(sine(1000)), MelSpectrum(16000, 512, 40).of(sine(1000))
    assert low[..., 8].argmax() != high[..., 8].argmax()
    assert not torch.equal(filters(8000, 512, 40), filters(16000, 512, 40))


@pytest.mark.parametrize("hz", [250, 1000, 3000])
def test_a_sine_is_loudest_in_its_band_and_as_loud_as_its_window_says(hz):
    spectrum = MelSpectrum(8000, 512, 40)
    found = spectrum.of(sine(hz))
    assert found.shape == (1, 1, 40, 4096 // 128 + 1)
    weights = filters(8000, 512, 40)[:, hz * 512 // 8000 - 2 : hz * 512 // 8000 + 3]
    assert found[0, 0, :, 16].argmax() == weights.sum(1).argmax()
    if hz == 1000:  # the middle of a frequency of the window: half the sum of a Hann window, and a quarter beside it
        expected = filters(8000, 512, 40)[:, 63:66] @ (0.5 * torch.tensor([64.0, 128.0, 64.0])).double()
        torch.testing.assert_close(found[0, 0, :, 16], expected.float(), rtol=1e-3, atol=1e-4)


def test_a_band_without_a_frequency_is_refused_with_the_window_that_works():
    with pytest.raises(InputError, match=r"32 samples at 44,100 Hz leaves some of 10 .* a window of 64 "):
        MelSpectrum(44100, 32, 10)
    MelSpectrum(44100, 64, 10)
    with pytest.raises(InputError, match="one number of bands for each window"):
        spectra_of(8000, (32, 64), (5,))
    for spectrum in fitting(44100):
        assert (filters(44100, spectrum.window, spectrum.bands) > 0).any(1).all()
        assert spectrum.bands <= 320


@pytest.mark.parametrize("length", [1, 100, 4097])
def test_sounds_of_any_length_have_a_spectrum(length):
    assert MelSpectrum(8000, 256, 20).log(torch.zeros(2, 3, length)).eq(-5).all()


def test_half_as_loud_is_log10_of_2_away_whatever_the_channels():
    x = torch.randn(3, 2, 4096, generator=torch.Generator().manual_seed(0))
    found = log_mel_distances(x, x / 2, spectra_of(8000))
    torch.testing.assert_close(found, torch.full((3,), math.log10(2)), rtol=1e-3, atol=0)
    assert log_mel_distances(x, x, spectra_of(8000)).eq(0).all()
    silence = torch.zeros(1, 1, 4096)
    assert log_mel_distances(silence, silence + 1e-9, spectra_of(8000)) == 0, "below the floor"


def test_si_sdr_is_that_of_another_implementation():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 1, 500, generator=generator) + 0.3
    output = 0.4 * x + 0.2 * torch.randn(4, 1, 500, generator=generator)
    expected = scale_invariant_signal_distortion_ratio(output, x, zero_mean=True)[:, 0]
    torch.testing.assert_close(si_sdr_each(x, output), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(si_sdr_each(x, 7 * output), expected, rtol=1e-4, atol=1e-4)


def test_si_sdr_of_an_orthogonal_error_of_a_tenth_is_20_db():
    x, error = sine(1000, length=4000), sine(500, length=4000, amplitude=0.05)
    assert float(si_sdr_each(x, x + error)) == pytest.approx(20, abs=1e-3)


def test_silence_has_no_si_sdr_and_silent_or_equal_reconstructions_have_a_bounded_one():
    x = torch.cat([torch.zeros(1, 1, 100), torch.full((1, 1, 100), 0.3), sine(1000, length=100)])
    assert si_sdr_each(x, torch.ones_like(x)).isnan().tolist() == [True, True, False]
    assert si_sdr_each(x, torch.zeros_like(x))[2] == -100
    assert si_sdr_each(x, x)[2] == 100


def test_unlike_lengths_are_refused():
    """stable-audio-tools cuts to the shorter one."""
    with pytest.raises(InputError, match="cannot be compared"):
        si_sdr_each(torch.zeros(1, 1, 100), torch.zeros(1, 1, 99))
    with pytest.raises(InputError, match="cannot be compared"):
        log_mel_distances(torch.zeros(1, 1, 100), torch.zeros(1, 1, 99), spectra_of(8000))
