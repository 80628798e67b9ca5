"""Schedules against their closed forms, against torch's, and against the batch size."""

import inspect
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from lightning_gen import InputError
from lightning_gen.schedules import Constant, Cosine, Exponential, ImageSchedule, Linear, Ramp, at

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # no optimizer steps here

# each ramp and its value after a share t of the way, written again
RAMPS = {
    Linear: lambda first, last, t: (1 - t) * first + t * last,
    Cosine: lambda first, last, t: last + 0.5 * (first - last) * (1 + np.cos(np.pi * t)),
    Exponential: lambda first, last, t: first ** (1 - t) * last**t,
}
every_ramp = pytest.mark.parametrize("cls", RAMPS)


def sgd(lr=0.5):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def adam(lr=0.5, betas=(0.1, 0.9)):
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr, betas=betas)


def rate(schedule, images):
    schedule.step_to(images)
    return schedule.optimizer.param_groups[0]["lr"]


@every_ramp
@pytest.mark.parametrize(("first", "last"), [(1.0, 0.1), (0.2, 3.0), (0.7, 0.7)])
def test_ramps_are_their_closed_forms(cls, first, last):
    ramp = cls(end_images=1100, start_images=100, first=first, last=last)
    for images in (0, 50, 100, 101, 350, 600, 1099, 1100, 99_999):
        t = min(1, max(0, (images - 100) / 1000))
        assert ramp(images) == pytest.approx(RAMPS[cls](first, last, t), rel=1e-12), images


@every_ramp
@pytest.mark.parametrize(("first", "last"), [(1.0, 0.1), (0.2, 3.0)])
def test_a_rise_from_0_goes_to_where_the_schedule_is_then(cls, first, last):
    plain, warmed = (cls(end_images=1000, first=first, last=last, warmup_images=warmup) for warmup in (0, 200))
    for images in (1, 40, 199):
        assert warmed(images) == pytest.approx(plain(200) * images / 200, rel=1e-12)
    assert warmed(0) == pytest.approx(plain(200) / 200), "a learning rate of exactly 0 would waste the first update"
    for images in (200, 201, 700, 2000):
        assert warmed(images) == plain(images)


def test_a_constant_with_and_without_a_rise():
    assert [Constant(0.3)(images) for images in (0, 7, 10**9)] == [0.3, 0.3, 0.3]
    assert [Constant(0.3, 10)(images) for images in (0, 5, 10, 11)] == pytest.approx([0.03, 0.15, 0.3, 0.3])


def test_a_number_or_a_schedule():
    assert at(0.25, 10**6) == 0.25
    assert at(Linear(1000, first=0.0, last=2.0), 250) == 0.5


@pytest.mark.parametrize("images", [0, 100, 300, 555, 1000])
def test_the_learning_rate_is_that_of_torchs_schedulers(images):
    pairs = (
        (Linear(1000, last=0.1), partial(LinearLR, start_factor=1.0, end_factor=0.1, total_iters=1000)),
        (Linear(1000, first=0.25, last=1.0), partial(LinearLR, start_factor=0.25, end_factor=1.0, total_iters=1000)),
        (Cosine(1000, last=0.2), partial(CosineAnnealingLR, T_max=1000, eta_min=0.1)),
    )
    for schedule, make in pairs:
        reference = sgd()
        theirs = make(reference)
        for _ in range(images):
            reference.step()
            theirs.step()
        ours = ImageSchedule(sgd(), schedule)
        assert rate(ours, images) == pytest.approx(reference.param_groups[0]["lr"], rel=1e-6)
        assert ours.get_last_lr() == [ours.optimizer.param_groups[0]["lr"]]


@pytest.mark.parametrize("images", [0, 100, 555, 5000])
def test_beta2_moves_as_torchs_scheduler_moves_a_learning_rate(images):
    reference = sgd(lr=0.9)
    theirs = CosineAnnealingLR(reference, T_max=1000, eta_min=0.99)
    for _ in range(min(images, 1000)):
        reference.step()
        theirs.step()
    optimizer = adam()
    schedule = ImageSchedule(optimizer, beta2=Cosine(1000, first=0.9, last=0.99))
    assert rate(schedule, images) == 0.5, "the learning rate stays"
    assert optimizer.param_groups[0]["betas"] == (0.1, pytest.approx(reference.param_groups[0]["lr"], rel=1e-6))


def test_each_group_keeps_its_own_learning_rate():
    one, two = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([{"params": [one], "lr": 1.0}, {"params": [two], "lr": 4.0, "betas": (0.5, 0.8)}])
    schedule = ImageSchedule(optimizer, Linear(100), Linear(100, first=0.9, last=0.7))
    schedule.step_to(25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.75, 3.0]
    assert [group["betas"] for group in optimizer.param_groups] == [
        (0.9, pytest.approx(0.85)),
        (0.5, pytest.approx(0.85)),
    ]


def test_what_is_scheduled_is_set_before_the_first_update():
    optimizer = adam()
    ImageSchedule(optimizer, Constant(1.0, warmup_images=1000), Constant(0.95))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 / 1000)
    assert optimizer.param_groups[0]["betas"] == (0.1, 0.95)


def test_adam_with_a_moved_beta2_is_adam_with_that_beta2():
    """The optimizer reads its groups at each step: two runs, one by the schedule and one by hand."""
    weights = []
    for scheduled in (True, False):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([weight], lr=0.1, betas=(0.0, 0.9))
        schedule = ImageSchedule(optimizer, beta2=Linear(4, first=0.9, last=0.5)) if scheduled else None
        for step in range(4):
            optimizer.zero_grad()
            weight.pow(4).sum().backward()
            if schedule is None:
                optimizer.param_groups[0]["betas"] = (0.0, 0.9 - 0.1 * step)
            optimizer.step()
            if schedule is not None:
                schedule.step_to(step + 1)
        weights.append(weight.detach())
    torch.testing.assert_close(*weights)


def test_a_schedule_comes_back_from_its_state():
    first, second = (ImageSchedule(adam(), Linear(1000), Linear(1000, first=0.9, last=0.99)) for _ in range(2))
    first.step_to(400)
    state = first.state_dict()
    assert all(isinstance(value, (int, float, list)) for value in state.values()), "plain data"
    second.load_state_dict(state)
    second.apply()
    assert second.images == 400
    assert second.get_last_lr() == first.get_last_lr()
    assert second.optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * 0.6)
    assert second.optimizer.param_groups[0]["betas"] == (0.1, pytest.approx(0.936))


@pytest.mark.parametrize("batch_size", [20, 40])
def test_the_rate_depends_on_images_not_on_batches(gan, trainer, batch_size):
    data = torch.utils.data.DataLoader(torch.rand(200, 1, 8, 8), batch_size=batch_size)
    module = gan(
        generator_scheduler=partial(ImageSchedule, learning_rate=Cosine(end_images=400)), discriminator_updates=2
    )
    trainer(max_epochs=1).fit(module, data)
    # the generator's last turn was at the last even batch
    seen = 200 // (2 * batch_size) * 2 * batch_size
    expected = 0.1 * 0.5 * (1 + math.cos(math.pi * seen / 400))
    assert module.trainer.optimizers[1].param_groups[0]["lr"] == pytest.approx(expected)


def test_a_resumed_run_goes_on_with_the_schedule_where_it_was(gan, trainer, tmp_path):
    data = torch.utils.data.DataLoader(torch.rand(80, 1, 8, 8), batch_size=20)

    def make(end):
        return gan(
            discriminator_optimizer=partial(torch.optim.Adam, lr=0.01, betas=(0.0, 0.9)),
            discriminator_scheduler=partial(
                ImageSchedule, learning_rate=Linear(end), beta2=Linear(end, first=0.9, last=0.98)
            ),
        )

    runner = trainer(max_epochs=1)
    runner.fit(make(320), data)
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    for end in (320, 640):  # unchanged, and with another length
        module, groups = make(end), []
        runner = trainer(max_epochs=2)
        original = module.training_step

        def spy(batch, batch_idx, original=original, groups=groups, runner=runner):
            groups.append({**runner.optimizers[0].param_groups[0]})
            original(batch, batch_idx)

        module.training_step = spy
        runner.fit(module, data, ckpt_path=tmp_path / "gan.ckpt")
        assert [group["lr"] for group in groups] == pytest.approx([0.01 * (1 - n / end) for n in (80, 100, 120, 140)])
        assert [group["betas"][1] for group in groups] == pytest.approx(
            [0.9 + 0.08 * n / end for n in (80, 100, 120, 140)]
        )


def test_an_optimizer_without_betas_is_refused():
    with pytest.raises(InputError, match="SGD has no betas: leave out beta2"):
        ImageSchedule(sgd(), beta2=Constant(0.9))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(1.0, -1),
        lambda: Linear(100, warmup_images=-5),
        lambda: Linear(5, 5),
        lambda: Cosine(0),
        lambda: Exponential(9, 10),
    ],
)
def test_an_impossible_length_is_refused(make):
    with pytest.raises(InputError, match="must be at least"):
        make()


@pytest.mark.parametrize(("first", "last"), [(1.0, 0.0), (0.0, 1.0), (-1.0, -2.0)])
def test_a_ratio_of_nothing_is_refused(first, last):
    with pytest.raises(InputError, match="use Linear or Cosine"):
        Exponential(100, first=first, last=last)


@every_ramp
def test_constructor_arguments_are_attributes(cls):
    assert issubclass(cls, Ramp)
    values = {"end_images": 9, "start_images": 3, "first": 2.0, "last": 5.0, "warmup_images": 1}
    assert set(inspect.signature(cls).parameters) == set(values)
    assert {name: getattr(cls(**values), name) for name in values} == values
