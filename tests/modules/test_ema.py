"""The average of the generator's weights against its closed form."""

import copy

import pytest
import torch
from torch import nn

from lightning_gen import EMA, InputError


def test_half_of_a_weight_is_left_after_a_half_life():
    average, source = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(average.weight, 1.0)
    nn.init.constant_(source.weight, 0.0)
    ema = EMA(half_life_images=640, ramp_up=None)
    for step in range(10):
        ema.update(average, source, images=64, images_seen=64 * (step + 1))
    assert average.weight.item() == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("batch", [8, 64, 320])
def test_the_half_life_does_not_depend_on_the_batch_size(batch):
    ema = EMA(half_life_images=1000, ramp_up=None)
    kept = 1.0
    for _ in range(6400 // batch):
        kept *= ema.decay(batch, images_seen=10**6)
    assert kept == pytest.approx(0.5**6.4)


def test_ramp_up_shortens_the_half_life_early_on():
    ema = EMA(half_life_images=10_000, ramp_up=0.05)
    assert ema.decay(64, images_seen=6_400) == pytest.approx(0.5 ** (64 / 320))
    assert ema.decay(64, images_seen=10**9) == pytest.approx(0.5 ** (64 / 10_000))


def test_it_agrees_with_a_loop_over_parameters():
    source = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = copy.deepcopy(source)
    expected = [p.detach().clone() for p in average.parameters()]
    for step in range(5):
        for p in source.parameters():
            nn.init.normal_(p)
        source[1].running_mean.fill_(step)
        decay = EMA(500).decay(32, 32 * (step + 1))
        expected = [decay * e + (1 - decay) * p.detach() for e, p in zip(expected, source.parameters(), strict=True)]
        EMA(500).update(average, source, 32, 32 * (step + 1))
    for e, p in zip(expected, average.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), e)
    assert average[1].running_mean.eq(4).all(), "buffers are copied"


@pytest.mark.parametrize("options", [{"half_life_images": 0}, {"half_life_images": -5}, {"ramp_up": 0}])
def test_values_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError, match="must be above 0"):
        EMA(**options)
