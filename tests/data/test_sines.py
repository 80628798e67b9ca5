"""Sines, and the anomalies that are put into them."""

import pytest
import torch

from lightning_gen.data import Sines
from lightning_gen.data.sines import ANOMALIES, Waves, with_anomalies
from lightning_gen.errors import InputError


def test_a_window_solves_the_equation_of_its_sine():
    """x(t + 1) + x(t - 1) = 2 cos(w) x(t), with the same w in all channels."""
    data = Sines(count=200, noise=0.0)
    data.setup()
    x = data.train_set[:].x.double()
    sides, middle = x[..., 2:] + x[..., :-2], x[..., 1:-1]
    cosine = (sides * middle).sum(-1) / middle.square().sum(-1) / 2
    assert (cosine[:, 0] - cosine[:, 1]).abs().max() < 1e-5
    assert (sides - 2 * cosine[..., None] * middle).abs().max() < 1e-4
    cycles = cosine.arccos() * 64 / (2 * torch.pi)
    assert 0.99 < cycles.min() < 1.3
    assert 3.7 < cycles.max() < 4.01


def test_splits_differ_and_are_the_same_for_a_seed():
    first, again, other = Sines(count=100), Sines(count=100), Sines(count=100, seed=1)
    for data in (first, again, other):
        data.setup()
    assert torch.equal(first.train_set[:].x, again.train_set[:].x)
    assert not torch.equal(first.train_set[:].x, other.train_set[:].x)
    assert not torch.equal(first.val_set[:].x, first.test_set[:].x)
    assert len(first.test_set) == 10


def test_model_values_have_a_variance_of_1():
    data = Sines(count=5000)
    data.setup()
    x = data.scaled(data.train_set[:]).x
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02


def test_an_anomaly_changes_what_it_should_and_nothing_else():
    count, length = 300, 64
    phase = torch.linspace(0, 12, length).expand(count, 2, length).contiguous()
    waves = Waves(phase, torch.ones(count, 2, 1))
    kinds = torch.arange(count) % 3
    change = with_anomalies(waves, kinds, torch.Generator().manual_seed(0)) - waves.values
    assert ((change != 0).any(2).sum(1) == 1).all(), "one channel"
    assert (change[..., : length // 4] == 0).all()
    line = change.sum(1)
    spikes, levels, slips = (line[kinds == kind] for kind in range(3))
    assert ((spikes != 0).sum(1) == 1).all()
    assert (spikes.abs().amax(1) >= 0.2).all()
    after = levels[:, -1:]
    assert ((levels == 0) | ((levels - after).abs() < 1e-5)).all(), "a step"
    assert ((after.abs() > 0.09) & (after.abs() < 0.51)).all()
    assert (slips.abs() <= 1.4143).all()
    assert ((slips != 0).sum(1) > 8).all()


def test_the_anomalies_are_labelled_in_equal_parts():
    found = Sines(count=300).anomalies()[:]
    assert found.labels.bincount().tolist() == [10] * len(ANOMALIES)


@pytest.mark.parametrize("options", [{"length": 8}, {"channels": 0}, {"count": 9}, {"noise": -1.0}])
def test_bad_options_of_sines_are_refused(options):
    with pytest.raises(InputError, match=f"--data.{next(iter(options))}"):
        Sines(**options)
