"""Plucked strings: their pitch, decay and brightness are those that were asked for."""

import math

import numpy as np
import pytest
import torch

from lightning_gen.data import Plucks
from lightning_gen.data.plucks import strings
from lightning_gen.errors import InputError
from lightning_gen.media import Sound


def small(**settings):
    return Plucks(length=2048, decays=2, brightnesses=2, plucks=1, **settings)


def periods_of(sounds, rate, lowest=100.0, highest=450.0):
    """The periods of sounds ``(n, length)`` by their autocorrelation, with a parabola through its greatest value."""
    spectra = np.abs(np.fft.rfft(sounds, 4 * sounds.shape[1])) ** 2
    correlation = np.fft.irfft(spectra)[:, : math.ceil(rate / lowest) + 2]
    correlation[:, : int(rate / highest)] = 0
    at, every = correlation.argmax(1), np.arange(len(sounds))
    before, here, after = (correlation[every, at + shift] for shift in (-1, 0, 1))
    return at + (before - after) / (before - 2 * here + after) / 2


def test_pitches_are_those_of_the_classes():
    data = Plucks()
    factors = torch.cartesian_prod(torch.arange(12), torch.tensor([4]), torch.tensor([2]))
    sounds = data.medium.to_model(data.draw(factors))[:, 0].numpy()
    expected = np.array(data.factor_values["pitch"])
    cents = 1200 * np.log2(data.rate / periods_of(sounds, data.rate) / expected)
    assert np.abs(cents).max() < 15
    assert data.classes[0] == "A2"
    assert data.classes[3] == "C3"
    assert expected[3] == pytest.approx(130.81, abs=0.01), "the frequency of C3"


def test_a_string_falls_by_60_db_in_its_decay():
    rate, seconds = 8000, 0.5
    hz = np.array([200.0])
    tone = np.sin(2 * np.pi * np.arange(40) / 40)[None]  # a burst of the fundamental alone
    sound = strings(tone, rate / hz, 10 ** (-3 / (hz * seconds)), np.array([0.1]), rate)[0]
    loud = [np.abs(sound[at : at + 400]).max() for at in (400, 400 + int(seconds * rate))]
    assert 20 * np.log10(loud[1] / loud[0]) == pytest.approx(-60, abs=3)


def test_bright_strings_have_more_of_high_frequencies():
    data = Plucks()
    factors = torch.tensor([[0, 4, level] for level in range(5)])
    power = np.stack(
        [np.mean([np.abs(np.fft.rfft(data.draw(factors, pluck)[:, 0].numpy())) ** 2 for pluck in range(20)], 0)]
    )[0]
    shares = power[:, power.shape[1] // 4 :].sum(1) / power.sum(1)
    assert (np.diff(shares) > 0).all()


def test_the_data_say_that_they_are_sounds():
    data = small(batch_size=8)
    data.setup()
    assert data.medium == Sound(8000)
    assert data.shape == (1, 2048)
    assert len(data.train_set) + len(data.val_set) + len(data.test_set) == 12 * 2 * 2
    batch = data.train_set[:]
    assert batch.x.dtype == torch.int16
    x = data.scaled(batch).x
    assert x.dtype == torch.float32
    assert x.abs().amax(2).sub(0.9).abs().max() < 1e-4, "every sound has the same greatest amplitude"


def test_no_two_sounds_are_the_same_and_they_do_not_depend_on_the_seed():
    one, other = (small(seed=seed, val_fraction=0, test_fraction=0) for seed in (0, 1))
    x, y = (data.splits().train[:].x for data in (one, other))
    assert not torch.equal(x, y)
    assert len(x.unique(dim=0)) == len(x)
    assert torch.equal(x.unique(dim=0), y.unique(dim=0))
    again = Plucks(plucks=2)
    factors = again.factors[:3]
    assert not torch.equal(again.draw(factors), again.draw(factors, pluck=1))


def test_factors_are_known():
    data = small()
    known = data.known_factors
    assert known.names == ("pitch", "decay", "brightness")
    assert len(known.combinations) == math.prod(known.sizes) == 48
    rows = known.combinations[[5, 40]]
    assert torch.equal(known.draw(rows), data.draw(data.factors)[[5, 40]])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": 500}, "500 samples a second cannot hold a string of 208 Hz, .* set --data.rate to 831"),
        ({"pitches": 1}, "--data.pitches must be at least 2"),
        ({"length": 0}, "--data.length must be at least 1"),
        ({"length": 10**12}, "would take .* set smaller --data.length"),
    ],
)
def test_what_cannot_be_plucked_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Plucks(**settings)


def test_factors_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"indices of pitch, decay, brightness from 0 to below 12, 2, 2"):
        small().draw(torch.tensor([[12, 0, 0]]))
