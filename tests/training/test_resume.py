"""What a run that goes on has of its optimizers: what was not changed to the bit, what was changed as it is now."""

import copy
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim import SGD, Adam, AdamW
from torch.optim import lr_scheduler as schedulers
from torch.utils.data import DataLoader

from lightning_gen import InputError
from lightning_gen.schedules import Constant, ImageSchedule, Linear

pytestmark = pytest.mark.filterwarnings("ignore:.*not kept in checkpoints", "ignore:The epoch parameter")

BATCHES = 6


def loader():
    return DataLoader(torch.rand(16 * BATCHES, 1, 8, 8, generator=torch.Generator().manual_seed(5)), batch_size=16)


class Options(Callback):
    """Keeps the options of all groups before each batch, without the parameters."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *args):
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self.seen.append([{k: copy.copy(v) for k, v in group.items() if k != "params"} for group in groups])

    def rates(self, name="lr"):
        return [[group[name] for group in groups] for groups in self.seen]


def decayed(parameters, lr=1e-3, decay=0.1):
    """Biases without weight decay."""
    parameters = list(parameters)
    plain, matrices = ([p for p in parameters if (p.ndim > 1) == wide] for wide in (False, True))
    return AdamW([{"params": matrices, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}], lr=lr)


def two_rates(parameters, lr=1e-3):
    parameters = list(parameters)
    return Adam([{"params": parameters[:2], "lr": lr / 10}, {"params": parameters[2:]}], lr=lr)


def warm_then_cosine(optimizer):
    first = schedulers.LinearLR(optimizer, 0.1, total_iters=4)
    return schedulers.SequentialLR(optimizer, [first, schedulers.CosineAnnealingLR(optimizer, 10)], milestones=[4])


def chained(optimizer):
    return schedulers.ChainedScheduler(
        [schedulers.ConstantLR(optimizer, 0.5, total_iters=4), schedulers.ExponentialLR(optimizer, 0.9)]
    )


KINDS = {
    "Adam": (partial(Adam, lr=1e-3), None),
    "AdamW with groups": (decayed, None),
    "Adam with two rates": (two_rates, None),
    "two rates and a schedule": (two_rates, partial(schedulers.StepLR, step_size=2, gamma=0.5)),
    "OneCycleLR": (partial(Adam, lr=1e-3), partial(schedulers.OneCycleLR, max_lr=0.03, total_steps=14)),
    "OneCycleLR with groups": (two_rates, partial(schedulers.OneCycleLR, max_lr=[0.01, 0.03], total_steps=14)),
    "OneCycleLR of momentum": (
        partial(SGD, lr=1e-3, momentum=0.5),
        partial(schedulers.OneCycleLR, max_lr=0.03, total_steps=14),
    ),
    "CyclicLR": (
        partial(SGD, lr=1e-3, momentum=0.5),
        partial(schedulers.CyclicLR, base_lr=1e-3, max_lr=0.02, step_size_up=4),
    ),
    "CyclicLR of betas": (
        partial(Adam, lr=5e-3),
        partial(schedulers.CyclicLR, base_lr=1e-3, max_lr=0.02, step_size_up=4, mode="exp_range", gamma=0.9),
    ),
    "CosineAnnealingLR": (partial(Adam, lr=1e-2), partial(schedulers.CosineAnnealingLR, T_max=9)),
    "warm restarts": (partial(Adam, lr=1e-2), partial(schedulers.CosineAnnealingWarmRestarts, T_0=4)),
    "MultiStepLR": (partial(Adam, lr=1e-2), partial(schedulers.MultiStepLR, milestones=[3, 8])),
    "LambdaLR": (partial(Adam, lr=1e-2), partial(schedulers.LambdaLR, lr_lambda=lambda n: 1 / (1 + n))),
    "PolynomialLR": (partial(Adam, lr=1e-2), partial(schedulers.PolynomialLR, total_iters=20)),
    "SequentialLR": (partial(Adam, lr=1e-2), warm_then_cosine),
    "ChainedScheduler": (partial(Adam, lr=1e-2), chained),
    "ImageSchedule": (
        partial(Adam, lr=1e-2, betas=(0.0, 0.9)),
        partial(ImageSchedule, learning_rate=Linear(400, warmup_images=150), beta2=Linear(300, first=0.9, last=0.99)),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def run(autoencoder, trainer, tmp_path):
    """Train for so many epochs; returns the module, its options before each batch and the checkpoint."""

    def make(epochs, optimizer, scheduler, start=None, strip=False):
        torch.manual_seed(1)
        module, options = autoencoder(variational=True, optimizer=optimizer, scheduler=scheduler), Options()
        runner = trainer(max_epochs=epochs, callbacks=[options])
        runner.fit(module, loader(), ckpt_path=start)
        path = tmp_path / f"{epochs}-{start is not None}.ckpt"
        runner.save_checkpoint(path)
        if strip:  # as versions before this one wrote it
            stored = torch.load(path, weights_only=True)
            del stored["lightning_gen"]["built"]
            torch.save(stored, path)
        return module, options, path

    return make


@pytest.mark.parametrize(
    ("kind", "strip"),
    [*((kind, False) for kind in KINDS), ("two rates and a schedule", True), ("CyclicLR of betas", True)],
)
def test_a_run_that_goes_on_is_the_uninterrupted_one_to_the_bit(run, kind, strip):
    whole, expected, _ = run(2, *KINDS[kind])
    _, first, path = run(1, *KINDS[kind], strip=strip)
    module, second, _ = run(2, *KINDS[kind], start=path)
    assert first.seen + second.seen == expected.seen
    assert len(expected.seen) == 2 * BATCHES
    torch.testing.assert_close(module.state_dict(), whole.state_dict(), rtol=0, atol=0)
    stored, own = (each.trainer.lr_scheduler_configs for each in (whole, module))
    assert [c.scheduler.state_dict() for c in own if kind != "LambdaLR"] == [
        c.scheduler.state_dict() for c in stored if kind != "LambdaLR"
    ]


def test_a_run_that_goes_on_twice_is_the_uninterrupted_one_to_the_bit(run):
    kind = KINDS["OneCycleLR with groups"]
    whole, expected, _ = run(2, *kind)
    _, _, path = run(1, *kind)
    _, _, path = run(1, *kind, start=path)
    module, options, _ = run(2, *kind, start=path)
    assert options.seen == expected.seen[BATCHES:]
    torch.testing.assert_close(module.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("strip", [False, True], ids=["", "of an earlier version"])
def test_what_the_user_changes_wins_and_the_rest_of_a_group_stays(run, strip):
    _, _, path = run(1, decayed, None, strip=strip)
    _, options, _ = run(2, lambda parameters: decayed(parameters, lr=3e-3, decay=0.2), None, start=path)
    assert options.rates() == [[3e-3, 3e-3]] * BATCHES
    assert options.rates("weight_decay") == [[0.2, 0.0]] * BATCHES
    _, _, path = run(1, partial(Adam, lr=1e-3), None, strip=strip)
    _, options, _ = run(2, partial(Adam, lr=1e-3, betas=(0.5, 0.9), eps=1e-4), None, start=path)
    assert options.rates("betas") == [[(0.5, 0.9)]] * BATCHES
    assert options.rates("eps") == [[1e-4]] * BATCHES
    assert options.rates() == [[1e-3]] * BATCHES


@pytest.mark.parametrize("strip", [False, True], ids=["", "of an earlier version"])
@pytest.mark.parametrize(
    "scheduler",
    [
        partial(schedulers.StepLR, step_size=2, gamma=0.5),
        partial(schedulers.CosineAnnealingLR, T_max=20),
        partial(ImageSchedule, learning_rate=Linear(400)),
        warm_then_cosine,
    ],
    ids=["StepLR", "CosineAnnealingLR", "ImageSchedule", "SequentialLR"],
)
def test_a_changed_rate_scales_what_is_left_of_the_way(run, scheduler, strip):
    _, expected, _ = run(2, partial(Adam, lr=1e-3), scheduler)
    _, _, path = run(1, partial(Adam, lr=1e-3), scheduler, strip=strip)
    module, options, _ = run(2, partial(Adam, lr=4e-3), scheduler, start=path)
    for now, before in zip(options.rates(), expected.rates()[BATCHES:], strict=True):
        assert now == pytest.approx([4 * rate for rate in before], rel=1e-6)
    (config,) = module.trainer.lr_scheduler_configs
    assert config.scheduler.get_last_lr() == [module.trainer.optimizers[0].param_groups[0]["lr"]]


def test_a_changed_number_of_a_scheduler_wins(run):
    """A cycle made higher and longer goes on at its place of the new one; a step that is made smaller counts."""
    _, _, path = run(1, partial(Adam, lr=1e-3), partial(schedulers.OneCycleLR, max_lr=0.03, total_steps=14))
    longer = partial(schedulers.OneCycleLR, max_lr=0.06, total_steps=28)
    _, options, _ = run(2, partial(Adam, lr=1e-3), longer, start=path)
    _, expected, _ = run(2, partial(Adam, lr=1e-3), longer)
    assert options.seen[1:] == expected.seen[BATCHES + 1 :]
    _, _, path = run(1, partial(SGD, lr=0.1), partial(schedulers.StepLR, step_size=6, gamma=0.1))
    _, options, _ = run(2, partial(SGD, lr=0.1), partial(schedulers.StepLR, step_size=4, gamma=0.5), start=path)
    assert [rate for (rate,) in options.rates()] == pytest.approx([0.01] * 2 + [0.005] * 4)


def test_a_scheduler_that_is_added_or_taken_away_sets_the_rate_of_the_new_optimizer(run):
    _, _, path = run(1, partial(SGD, lr=0.1), None)
    _, options, _ = run(2, partial(SGD, lr=0.1), partial(ImageSchedule, learning_rate=Linear(192)), start=path)
    assert [rate for (rate,) in options.rates()] == pytest.approx([0.1 * (1 - n / 192) for n in range(96, 192, 16)])
    _, _, path = run(1, partial(SGD, lr=0.1), partial(schedulers.StepLR, step_size=2, gamma=0.5))
    _, options, _ = run(2, partial(SGD, lr=0.1), None, start=path)
    assert options.rates() == [[0.1]] * BATCHES
    assert "initial_lr" not in options.seen[0][0]


def test_a_scheduler_of_one_player_is_not_taken_for_that_of_the_other(gan, trainer, tmp_path):
    """Lightning puts states of schedulers back in their order, whosever they are."""
    step = partial(schedulers.StepLR, step_size=4, gamma=0.5)
    runner = trainer(max_epochs=1)
    runner.fit(gan(generator_scheduler=step), loader())
    runner.save_checkpoint(tmp_path / "gan.ckpt")
    options = Options()
    both = {"generator_scheduler": step, "discriminator_scheduler": step}
    trainer(max_epochs=2, callbacks=[options]).fit(gan(**both), loader(), ckpt_path=tmp_path / "gan.ckpt")
    discriminator, generator = zip(*options.rates(), strict=True)
    assert discriminator == pytest.approx([0.1] * 4 + [0.05] * 2)
    assert generator == pytest.approx([0.05] * 2 + [0.025] * 4)


def test_a_rate_that_was_set_by_hand_stays(run):
    _, _, path = run(1, partial(Adam, lr=1e-3), None)
    stored = torch.load(path, weights_only=True)
    stored["optimizer_states"][0]["param_groups"][0]["lr"] = 5e-4
    torch.save(stored, path)
    _, options, _ = run(2, partial(Adam, lr=1e-3), None, start=path)
    assert options.rates() == [[5e-4]] * BATCHES


def test_other_groups_are_refused_before_anything_is_put_back(run):
    _, _, path = run(1, decayed, None)
    with pytest.raises(InputError, match=r"groups of \[\[\d+, \d+\]\] parameters and these have \[\[\d+\]\]: build"):
        run(2, partial(AdamW, lr=1e-3), None, start=path)


def test_a_warm_up_that_is_over_is_not_begun_again(run):
    warm = partial(ImageSchedule, learning_rate=Constant(warmup_images=64))
    _, _, path = run(1, partial(Adam, lr=1e-2), warm)
    _, options, _ = run(2, partial(Adam, lr=1e-2), warm, start=path)
    assert options.rates() == [[1e-2]] * BATCHES
