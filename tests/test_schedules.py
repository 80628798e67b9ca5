"""Schedules against their closed forms, and against the batch size."""

import math
from functools import partial

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.schedules import CosineDecay, LinearDecay, Warmup

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # no optimizer steps here


def optimizer(lr=0.5):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rate(schedule, images):
    schedule.step_to(images)
    return schedule.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(("images", "expected"), [(0, 0.5 / 1000), (250, 0.125), (1000, 0.5), (5000, 0.5)])
def test_warmup_rises_linearly(images, expected):
    assert rate(Warmup(optimizer(), warmup_images=1000), images) == pytest.approx(expected)


@pytest.mark.parametrize(("images", "expected"), [(0, 0.5), (100, 0.5), (600, 0.275), (1100, 0.05), (9999, 0.05)])
def test_linear_decay_falls_between_its_ends(images, expected):
    schedule = LinearDecay(optimizer(), start_images=100, end_images=1100, final=0.1)
    assert rate(schedule, images) == pytest.approx(expected)


@pytest.mark.parametrize("images", [200, 300, 555, 1200, 4000])
def test_cosine_decay_is_the_one_of_torch(images):
    ours = CosineDecay(optimizer(), warmup_images=200, end_images=1200, final=0.2)
    reference = optimizer()
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=1000, eta_min=0.1)
    for _ in range(min(images, 1200) - 200):
        reference.step()
        theirs.step()
    assert rate(ours, images) == pytest.approx(reference.param_groups[0]["lr"], rel=1e-6)
    assert rate(ours, 100) == pytest.approx(0.25)


def test_a_schedule_comes_back_from_its_state():
    first = LinearDecay(optimizer(), end_images=1000)
    first.step_to(400)
    second = LinearDecay(optimizer(), end_images=1000)
    second.load_state_dict(first.state_dict())
    assert second.images == 400
    assert second.factor(second.images) == pytest.approx(0.6)


@pytest.mark.parametrize("batch_size", [20, 40])
def test_the_rate_depends_on_images_not_on_batches(gan, trainer, batch_size):
    data = torch.utils.data.DataLoader(torch.rand(200, 1, 8, 8), batch_size=batch_size)
    module = gan(generator_scheduler=partial(CosineDecay, end_images=400), discriminator_updates=2)
    trainer(max_epochs=1).fit(module, data)
    # the generator's last turn was at the last even batch
    seen = 200 // (2 * batch_size) * 2 * batch_size
    expected = 0.1 * 0.5 * (1 + math.cos(math.pi * seen / 400))
    assert module.trainer.optimizers[1].param_groups[0]["lr"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "make", [lambda o: Warmup(o, 0), lambda o: LinearDecay(o, 5, 5), lambda o: CosineDecay(o, 9, 9)]
)
def test_an_impossible_length_is_refused(make):
    with pytest.raises(InputError, match="must be at least"):
        make(optimizer())
