"""What sounds are measured beside: known errors of mu-law and decimation, and the pitch of known tones."""

import math

import numpy as np
import pytest
import sound
import torch


def tone(hz, rate=8000, length=4096):
    return torch.sin(2 * math.pi * hz * torch.arange(length) / rate)[None, None]


def test_mu_law_has_256_levels_and_errs_by_half_a_step_of_its_logarithm():
    x = torch.linspace(-1, 1, 200_001)[None, None]
    output = sound.mu_law(x)
    assert len(output.unique()) == 256
    assert (output - x).abs().max() <= (1 + 1 / 255) * (256 ** (1 / 255) - 1) + 1e-6
    assert (output - x).abs()[x.abs() < 1e-3].max() < 2e-4, "quiet sounds are finer"


@pytest.mark.parametrize(("hz", "kept"), [(100, True), (200, True), (1000, False), (3000, False)])
def test_decimation_keeps_what_is_below_half_the_new_rate(hz, kept):
    x = tone(hz)
    found = sound.decimated(x, 256)  # 500 samples a second
    middle = slice(1000, 3000)
    share = float(found[..., middle].square().mean() / x[..., middle].square().mean())
    assert share == pytest.approx(float(kept), abs=0.05)


@pytest.mark.parametrize("cents", [-120, -30, 0, 30, 80])
def test_pitches_are_measured_in_cents(cents):
    hz = np.array([110.0, 146.8, 207.7])
    sounds = np.stack([tone(each * 2 ** (cents / 1200))[0, 0].numpy() for each in hz])
    assert sound.cents_off(sounds, hz, 8000) == pytest.approx(np.full(3, cents), abs=3)
