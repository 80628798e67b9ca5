"""A run that is not finite ends or goes back, names the first value that was not, and keeps the last good state."""

import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import recorded
import torch
from host_reads import Reads
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

from lightning_gen import EMA, AdversarialAutoencoderModule, GenerativeModule
from lightning_gen.adversaries import PriorMatching
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.callbacks import ImageCheckpoint, MaxImages, NonFiniteGuard, PreemptionCheckpoint, best_checkpoint
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.errors import InputError, NonFiniteError
from lightning_gen.media import Images
from lightning_gen.networks import DenseDecoder, DenseDiscriminator, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, NonSaturating
from lightning_gen.priors import Normal
from lightning_gen.regularizers import Penalty
from lightning_gen.schedules import Constant, ImageSchedule, Schedule
from lightning_gen.terms import Term
from lightning_gen.training import Loss

SHAPE = (1, 8, 8)


def exact(x, value):
    """Something that is `value` and has a good gradient."""
    return x.mean() * 0 + value


def steep(x, value):
    """Zero, with a gradient that is not a number."""
    return (x - x).square().sum().sqrt()


class Part:
    """Costs nothing, but in some of its calls, counted from 1."""

    def prepare(self, calls, value=math.nan, cost=exact):
        self.calls = calls
        self.value = value
        self.cost = cost
        self.called = 0
        return self

    def paid(self, x):
        self.called += 1
        return self.cost(x, self.value) if self.called in self.calls else exact(x, 0.0)


class Fine(Part, Penalty):
    """A term of the discriminator."""

    def __init__(self, weight=1.0):
        super().__init__(weight)

    def forward(self, contest):
        return self.paid(contest.on_real.logits)


class Toll(Part, Term):
    """A term of an autoencoder."""

    def forward(self, record):
        return self.paid(record.output)


class Game(Part, NonSaturating):
    """An objective whose generator loss is replaced."""

    def generator(self, real_logits, fake_logits):
        return super().generator(real_logits, fake_logits) + self.paid(fake_logits)


def adversarial(objective=None, penalty=None, **options):
    """A small adversarial autoencoder."""
    return AdversarialAutoencoderModule(
        encoder=DenseEncoder(SHAPE, 3, widths=(16,)),
        decoder=DenseDecoder(SHAPE, 3, widths=(16,)),
        bottleneck=IdentityBottleneck(3, prior=Normal()),
        objective={"reconstruction": BernoulliLikelihood(), "toll": objective or Toll().prepare(())},
        discriminator=DenseDiscriminator((3,), widths=(16,)),
        matching=PriorMatching(),
        adversarial=NonSaturating(),
        penalties={"fine": penalty} if penalty else {},
        **options,
    )


def digits():
    return Digits(size=8, batch_size=64)


@pytest.fixture
def fit(trainer, tmp_path):
    """Train a module for some batches; returns it."""

    def run(
        module, batches=12, every=None, rollbacks=0, looks=5, before=(), after=(), last_of_all=(), data=None, **options
    ):
        guard = NonFiniteGuard(rollbacks, looks)
        last = ImageCheckpoint(every, tmp_path, guard=guard)
        callbacks = [*before, guard, *after, MaxImages(64 * batches), last, *last_of_all]
        options = {"enable_checkpointing": True, "max_epochs": -1, "limit_val_batches": 0, **options}
        trainer(callbacks=callbacks, **options).fit(module, data or digits())
        return module

    return run


@dataclass(frozen=True)
class Scans(Images):
    """Images of another name."""

    noun: ClassVar[str] = "scans"


class Seen(Callback):
    """Notes what the run did."""

    def __init__(self):
        self.batches = 0
        self.images = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.batches += 1
        self.images.append(pl_module.images_seen)


# who is to blame ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("network", "figure"), [("discriminator", "fine"), ("generator", "loss")])
def test_the_first_loss_that_is_not_finite_is_named(gan, fit, network, figure, value):
    part = (Fine() if network == "discriminator" else Game()).prepare((3,), value)
    module = gan(penalties={"fine": part}) if network == "discriminator" else gan(objective=part)
    seen = Seen()
    with pytest.raises(NonFiniteError) as end:
        fit(module, before=[seen])
    assert str(end.value).startswith(f"the {network}'s {figure} became {value} in the batch up to 192 images: ")
    assert seen.batches == 5, "it looks after the fifth batch"
    for option in (f"--model.{network}_optimizer.lr", f"--model.{network}_clip 1"):
        assert option in str(end.value)
    assert "bf16" not in str(end.value)


def test_samples_have_the_name_of_their_medium(autoencoder, fit):
    module = autoencoder(objective={"reconstruction": BernoulliLikelihood(), "toll": Toll().prepare((4,))})
    data = digits()
    data.medium = Scans()
    with pytest.raises(NonFiniteError, match="the autoencoder's toll became nan in the batch up to 256 scans: there"):
        fit(module, data=data)


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_a_gradient_that_is_not_finite_names_its_network_although_the_loss_is_fine(gan, fit, network):
    part = (Fine() if network == "discriminator" else Game()).prepare((3,), cost=steep)
    module = gan(penalties={"fine": part}) if network == "discriminator" else gan(objective=part)
    with pytest.raises(NonFiniteError, match=f"the {network}'s gradient became nan in the batch up to 192 images"):
        fit(module)


@pytest.mark.parametrize(("cost", "figure"), [(exact, "toll"), (steep, "gradient")])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_autoencoder_is_looked_at_as_well(autoencoder, fit, cost, figure, accumulate):
    module = autoencoder(objective={"reconstruction": BernoulliLikelihood(), "toll": Toll().prepare((4,), cost=cost)})
    with pytest.raises(NonFiniteError, match=f"the autoencoder's {figure} became nan in the batch up to 256") as end:
        fit(module, accumulate_grad_batches=accumulate)
    assert "a lower --model.optimizer.lr, or --trainer.gradient_clip_val 1" in str(end.value)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    ("network", "figure", "cost"), [("autoencoder", "toll", exact), ("discriminator", "gradient", steep)]
)
def test_both_networks_of_an_adversarial_autoencoder_are_looked_at(fit, network, figure, cost, accumulate):
    call = (3 * accumulate,)
    if network == "autoencoder":
        module = adversarial(Toll().prepare(call, cost=cost), accumulate=accumulate)
    else:
        module = adversarial(penalty=Fine().prepare(call, cost=cost), accumulate=accumulate)
    with pytest.raises(NonFiniteError, match=f"the {network}'s {figure} became nan in the batch up to 192 images"):
        fit(module)


def test_a_figure_that_is_only_logged_may_be_infinite(gan, fit):
    class Logged(Callback):
        def on_train_start(self, trainer, pl_module):
            first, *others = pl_module._phases
            figures = {"figure": torch.tensor(math.inf)}
            pl_module._phases = [replace(first, loss=lambda part: Loss(first.loss(part).total, figures)), *others]

    assert fit(gan(), before=[Logged()]).images_seen == 12 * 64


def test_the_end_is_looked_at_although_no_look_is_due(gan, fit, tmp_path):
    with pytest.raises(NonFiniteError, match="fine became nan in the batch up to 640 images"):
        fit(gan(penalties={"fine": Fine().prepare((10,))}), looks=1000)
    assert not list(tmp_path.glob("*.ckpt"))


class Own(GenerativeModule):
    """A module of a user's own, which notes nothing."""

    def __init__(self, rate=0.1):
        super().__init__()
        self.rate = rate
        self.linear = nn.Linear(64, 1)

    @property
    def data_shape(self):
        return SHAPE

    def sample(self, n, labels=None, generator=None):
        raise NotImplementedError

    def evaluation_step(self, batch):
        return {}

    def training_step(self, batch, batch_idx):
        self.count(batch)
        return self.linear(batch.x.flatten(1)).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.rate)


def test_a_module_that_notes_nothing_is_left_alone_until_its_weights_are_to_be_kept(fit, tmp_path):
    assert fit(Own()).images_seen == 12 * 64
    with pytest.raises(NonFiniteError, match=r"the model's weights became (nan|inf) in the batch up to 768 images"):
        fit(Own(rate=1e30))


# the last good state ------------------------------------------------------------------------------------------------


class Kept(Callback):
    """Notes the bytes of a file while each batch is trained, by the images before it."""

    def __init__(self, path):
        self.path = path
        self.content = {}

    def on_train_batch_end(self, trainer, pl_module, *args):
        if self.path.exists():
            self.content[pl_module.images_seen - pl_module.batch_images] = self.path.read_bytes()


def test_a_good_last_checkpoint_is_not_written_over(gan, fit, tmp_path):
    kept = Kept(tmp_path / "last.ckpt")
    with pytest.raises(NonFiniteError, match=r"up to 320 images: resume from the last good .*last\.ckpt"):
        fit(gan(penalties={"fine": Fine().prepare((5,))}), every=128, looks=1000, before=[kept])
    assert kept.content[256] != kept.content[128]
    assert kept.path.read_bytes() == kept.content[256]


def test_weights_that_are_not_finite_are_not_written_although_all_losses_are(gan, fit, tmp_path):
    """Zero divided by zero in the last step of the network that is trained last."""
    kept = Kept(tmp_path / "last.ckpt")

    class Spoil(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            if pl_module.images_seen == 256:
                next(pl_module.generator.parameters()).data[0] = math.nan

    with pytest.raises(NonFiniteError, match="the generator's weights became nan in the batch up to 256 images"):
        fit(gan(), every=128, looks=1000, before=[kept, Spoil()])
    assert kept.path.read_bytes() == kept.content[128]


class Lost(Schedule):
    """A half-life of one's own that goes wrong."""

    def value(self, images):
        return math.nan if images > 192 else 100.0


def test_an_average_that_is_not_finite_is_not_written_although_the_weights_are(gan, fit, tmp_path):
    kept = Kept(tmp_path / "last.ckpt")
    with pytest.raises(NonFiniteError, match="the generator's averaged weights became nan in the batch up to 256 im"):
        fit(gan(ema=EMA(Lost(), ramp_up=None)), every=128, looks=1000, before=[kept])
    assert kept.path.read_bytes() == kept.content[128]


def test_the_best_checkpoint_is_not_written_over(gan, fit, trainer, tmp_path):
    kept = Kept(tmp_path / "best.ckpt")
    module = gan(penalties={"fine": Fine().prepare((30,))})
    best = best_checkpoint(module, tmp_path)
    with pytest.raises(NonFiniteError, match="up to 1,920 images"):
        fit(module, 60, looks=1000, before=[kept, best], limit_val_batches=None)
    assert list(kept.content) == [22 * 64 + 64 * batch for batch in range(22)]
    assert kept.path.read_bytes() == kept.content[22 * 64]


class Signal(Callback):
    """Stops the run after its fifth batch."""

    def on_train_batch_end(self, trainer, pl_module, *args):
        if pl_module.images_seen == 320:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_is_asked_to_leave_keeps_its_good_checkpoint(gan, trainer, tmp_path):
    guard, kept = NonFiniteGuard(every_batches=1000), Kept(tmp_path / "last.ckpt")
    last = ImageCheckpoint(256, tmp_path, guard=guard)
    callbacks = [kept, guard, Signal(), MaxImages(1000), last, PreemptionCheckpoint(last)]
    with pytest.raises(NonFiniteError, match="fine became nan in the batch up to 320 images"):
        trainer(callbacks=callbacks, enable_checkpointing=True, limit_val_batches=0).fit(
            gan(penalties={"fine": Fine().prepare((5,))}), digits()
        )
    assert kept.path.read_bytes() == kept.content[256]


def test_without_checkpoints_the_run_ends_and_says_so(gan, trainer):
    module, guard = gan(penalties={"fine": Fine().prepare((3,))}), NonFiniteGuard(rollbacks=3, every_batches=2)
    with pytest.raises(NonFiniteError, match="there is no checkpoint yet to go back to, start again with a lower"):
        trainer(max_epochs=1, callbacks=[guard]).fit(module, digits())
    assert module.finiteness is None


# going back ---------------------------------------------------------------------------------------------------------


class Back(Checkpoint):
    """Compares everything with the checkpoint before the first batch after a rollback."""

    def __init__(self, path):
        self.path = path
        self.latest = 0
        self.compared = []

    def on_train_batch_start(self, trainer, pl_module, *args):
        if pl_module.images_seen < self.latest:
            stored = torch.load(self.path, weights_only=True)
            own = {
                "state_dict": pl_module.state_dict(),
                "optimizer_states": [optimizer.state_dict() for optimizer in trainer.optimizers],
                "lr_schedulers": [each.scheduler.state_dict() for each in trainer.lr_scheduler_configs],
            }
            for name, state in own.items():
                torch.testing.assert_close(state, stored[name], rtol=0, atol=0)
            progress, (random,) = stored["lightning_gen"], stored["lightning_gen"]["processes"]
            assert {"images_seen": pl_module.images_seen, **pl_module.progress()}.items() <= progress.items()
            assert not torch.equal(pl_module.rng.get_state(), random["rng"]), "the run would take the same way again"
            self.compared.append((pl_module.images_seen, len(own["lr_schedulers"])))
        self.latest = pl_module.images_seen


def finite(module):
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


ADAM = partial(torch.optim.Adam, lr=1e-3)


@pytest.mark.parametrize("kind", ["gan", "autoencoder", "adversarial"])
@pytest.mark.parametrize("cost", [exact, steep])
def test_a_run_that_goes_back_is_in_the_state_of_its_checkpoint_to_the_bit(
    gan, autoencoder, fit, tmp_path, capsys, kind, cost
):
    fine, toll = (part.prepare((7,), cost=cost) for part in (Fine(), Toll()))
    schedule = partial(ImageSchedule, learning_rate=Constant(warmup_images=1000))
    if kind == "gan":
        optimizers = {"generator_optimizer": ADAM, "discriminator_optimizer": ADAM, "generator_scheduler": schedule}
        module = gan(batch_norm=True, penalties={"fine": fine}, **optimizers)
    elif kind == "autoencoder":
        objective = {"reconstruction": BernoulliLikelihood(), "toll": toll}
        module = autoencoder(variational=True, objective=objective, optimizer=ADAM, scheduler=schedule)
    else:
        module = adversarial(toll, autoencoder_scheduler=schedule)
    back, seen = Back(tmp_path / "last.ckpt"), Seen()
    fit(module, 12, every=256, rollbacks=1, looks=3, after=[seen], last_of_all=[back])
    assert back.compared == [(256, 1)]
    assert seen.images == [64 * n for n in (*range(1, 9), *range(5, 13))]
    assert finite(module)
    figure = {exact: "fine" if kind == "gan" else "toll", steep: "gradient"}[cost]
    network = "discriminator" if kind == "gan" else "autoencoder"
    assert capsys.readouterr().err == (
        f"the {network}'s {figure} became nan in the batch up to 448 images: back to the 256 of "
        f"{tmp_path}/last.ckpt, rollback 1 of 1\n"
    )


def test_a_run_that_went_on_from_an_earlier_state_goes_back_to_that_and_not_to_a_later_one(tmp_path, capsys, turning):
    words = ("--checkpoint_every_images=128", "--keep_checkpoints=3", "--nonfinite_rollbacks=1")
    folder = recorded.fit(tmp_path, "gan", "gan/dcgan", 384, *words) / "checkpoints"
    capsys.readouterr()
    turning(1)
    main(["fit", f"--ckpt_path={folder}/images-000000128.ckpt", "--max_images=320"])
    assert f"back to the 128 of {folder}/images-000000128.ckpt, rollback 1 of 1" in capsys.readouterr().err


def test_a_state_that_an_earlier_run_has_left_is_not_gone_back_to(gan, fit, tmp_path):
    fit(gan(), 2)
    with pytest.raises(NonFiniteError, match="there is no checkpoint yet to go back to"):
        fit(gan(penalties={"fine": Fine().prepare((3,))}), rollbacks=1)


def test_half_an_update_is_forgotten_with_the_rest(autoencoder, fit):
    """The run goes back between the two batches of an update: neither gradients nor codes of the first may stay."""
    toll = Toll().prepare((5,))
    module = autoencoder(objective={"reconstruction": BernoulliLikelihood(), "toll": toll}, optimizer=ADAM)
    fit(module, 12, every=128, rollbacks=1, looks=5, accumulate_grad_batches=2)
    assert toll.called > 12
    assert finite(module)


def test_a_run_that_went_wrong_at_its_end_goes_on_to_its_length(gan, fit):
    module = gan(penalties={"fine": Fine().prepare((12,))})
    assert fit(module, 12, every=256, rollbacks=1, looks=1000).images_seen == 12 * 64
    assert module.penalties["fine"].called == 16
    assert finite(module)


def test_a_run_whose_epochs_are_over_ends_with_the_state_of_its_checkpoint(gan, fit, tmp_path):
    module = gan(penalties={"fine": Fine().prepare((22,))})
    fit(module, 1000, every=512, rollbacks=1, looks=1000, max_epochs=1)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert module.images_seen == stored["lightning_gen"]["images_seen"] == 1024
    torch.testing.assert_close(module.state_dict(), stored["state_dict"], rtol=0, atol=0)


def test_a_run_goes_back_so_often_and_then_stops(gan, fit, tmp_path, capsys):
    kept = Kept(tmp_path / "last.ckpt")
    with pytest.raises(
        NonFiniteError, match="fine became nan in the batch up to 320 images, after 2 rollbacks: resume"
    ):
        fit(gan(penalties={"fine": Fine().prepare(range(5, 99))}), every=256, rollbacks=2, before=[kept])
    assert capsys.readouterr().err.count("rollback") == 2
    assert kept.path.read_bytes() == kept.content[256]


def test_figures_of_seldom_turns_are_forgotten_with_the_rest(gan, fit, tmp_path):
    found = []

    class Figures(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            found.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    module = gan(objective=Game().prepare((4,)), discriminator_updates=2)
    fit(module, 12, every=128, rollbacks=1, looks=8, log_every_n_steps=1, after=[Figures()])
    assert math.isnan(found[7]["train/generator_loss"])
    assert all(math.isfinite(value) for figures in found[9:] for value in figures.values())


# float16 ------------------------------------------------------------------------------------------------------------


class Rounding(Callback):
    """Notes the scale after each batch."""

    def __init__(self):
        self.scales = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.scales.append(trainer.precision_plugin.scaler.get_scale())


def float16(scale):
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]


def test_what_a_float16_scaler_skips_while_it_finds_its_scale_is_no_error(gan, fit):
    rounding = Rounding()
    module = fit(gan(), 40, looks=1, before=[rounding], plugins=float16(2.0**40))
    assert rounding.scales[0] < 2.0**40, "nothing overflowed"
    assert 1 <= rounding.scales[-1] == rounding.scales[-5] < 2.0**40
    assert finite(module)


def test_a_gradient_that_no_scale_mends_is_one(gan, fit):
    module = gan(penalties={"fine": Fine().prepare(range(1, 99), cost=steep)})
    with pytest.raises(
        NonFiniteError, match=r"the discriminator's gradient became nan .*--trainer\.precision bf16-mixed"
    ):
        fit(module, 40, plugins=float16(16.0))


def test_the_scale_goes_back_as_well(gan, fit, tmp_path):
    rounding, back = Rounding(), Back(tmp_path / "last.ckpt")
    module = gan(penalties={"fine": Fine().prepare((7,))})
    fit(module, 12, every=256, rollbacks=1, looks=7, before=[back], after=[rounding], plugins=float16(16.0))
    assert len(back.compared) == 1
    assert rounding.scales[6] == 16.0, "the bad step halved it"
    assert finite(module)


# what it costs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_the_host_waits_once_every_so_many_batches(request, fit, kind):
    sgd, reads = partial(torch.optim.SGD, lr=0.01), Reads()
    module = request.getfixturevalue(kind)(**({"optimizer": sgd} if kind == "autoencoder" else {}))
    fit(module, 12, after=[reads], log_every_n_steps=1000)
    reads.counts[0] = 0  # an autoencoder looks at its first batch
    assert reads.counts == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]


def test_nothing_is_noted_where_nobody_looks_and_training_is_the_same(gan, trainer):
    def train(callbacks):
        torch.manual_seed(3)
        module = gan()
        trainer(max_epochs=1, callbacks=callbacks).fit(module, digits())
        return module

    alone, guarded = train([]), train([NonFiniteGuard(every_batches=3)])
    torch.testing.assert_close(alone.state_dict(), guarded.state_dict(), rtol=0, atol=0)
    assert alone.finiteness is guarded.finiteness is None


@pytest.mark.parametrize(
    ("options", "said"), [({"every_batches": 0}, "every_batches"), ({"rollbacks": -1}, "rollbacks")]
)
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(InputError, match=f"{said} must be at least"):
        NonFiniteGuard(**options)


# the command line ---------------------------------------------------------------------------------------------------


@pytest.fixture
def turning(monkeypatch):
    """Let the discriminator's loss be nan in some of its calls, counted from 1."""

    def spoil(*calls):
        count, pay = [0], NonSaturating.discriminator

        def paid(self, real_logits, fake_logits):
            count[0] += 1
            return pay(self, real_logits, fake_logits) * (math.nan if count[0] in calls else 1)

        monkeypatch.setattr(NonSaturating, "discriminator", paid)

    return spoil


def test_fit_stops_with_one_sentence_and_leaves_the_last_good_checkpoint(tmp_path, capsys, turning):
    last = recorded.fit(tmp_path, "gan", "gan/dcgan", 128) / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    turning(3)
    with pytest.raises(SystemExit) as end:
        recorded.fit(tmp_path, "gan", "gan/dcgan", 512, "--ckpt_path=last")
    assert end.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: the discriminator's loss became nan in the batch up to 320 images: resume from the last good "
        f"checkpoint with --ckpt_path {last} and a lower --model.discriminator_optimizer.lr, or "
        "--model.discriminator_clip 1"
    )
    assert last.read_bytes() == before


def test_fit_goes_back_and_hides_the_way_that_led_nowhere(tmp_path, capsys, turning):
    turning(7)
    words = ("--checkpoint_every_images=192", "--nonfinite_rollbacks=1")
    found = recorded.events(recorded.fit(tmp_path, "gan", "gan/dcgan", 640, *words))
    assert "rollback 1 of 1" in capsys.readouterr().err
    for tag in ("train/discriminator_loss", "train/generator_loss"):
        assert recorded.steps(found, tag) == list(range(64, 641, 64))
        assert all(math.isfinite(event.value) for event in found.Scalars(tag))
    assert all(event.value > 0 for event in found.Scalars("train/images_per_second"))


def test_a_run_that_goes_on_goes_back_as_often_as_before(tmp_path, capsys, turning):
    folder = recorded.fit(tmp_path, "gan", "gan/dcgan", 128, "--nonfinite_rollbacks=2")
    turning(*range(1, 99))
    with pytest.raises(SystemExit) as end:
        main(["fit", f"--ckpt_path={folder}/checkpoints/last.ckpt", "--max_images=256"])
    assert end.value.code == 1
    assert "after 2 rollbacks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--trainer.fast_dev_run=1", "--trainer.barebones=true", "--trainer.enable_checkpointing=false"]
)
def test_trials_and_runs_without_checkpoints_are_guarded_too(tmp_path, capsys, turning, option):
    turning(1)
    with pytest.raises(SystemExit) as end:
        recorded.fit(tmp_path, "gan", "gan/dcgan", 128, option)
    assert end.value.code == 1
    assert "there is no checkpoint yet to go back to, start again with" in capsys.readouterr().err


TURNING = """
import math

import torch

from lightning_gen.objectives import NonSaturating

class Turning(NonSaturating):
    \"\"\"Its discriminator's loss becomes nan on one of two processes, once.\"\"\"

    def __init__(self):
        super().__init__()
        self.called = 0

    def discriminator(self, real_logits, fake_logits):
        self.called += 1
        bad = self.called == 7 and torch.distributed.get_rank() == 1
        return super().discriminator(real_logits, fake_logits) * (math.nan if bad else 1)
"""
TWO = (
    *("fit", "--data.size=8", "--model.generator.width=4", "--model.discriminator.width=4", "--max_images=768"),
    *("--trainer.limit_val_batches=0", "--checkpoint_every_images=256", "--model.objective=turning.Turning"),
    *("--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"),
)
BLAMED = "the discriminator's loss became nan in the batch up to 448 images"


@pytest.mark.slow
def test_two_processes_act_after_the_same_batch_with_the_same_sentence(tmp_path):
    (tmp_path / "turning.py").write_text(TURNING)
    last = Path("runs/projection/checkpoints/last.ckpt")
    run = partial(subprocess.run, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    done = run([sys.executable, "-m", "lightning_gen", *TWO])
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert set(said) == {said[0]}
    assert said[0].startswith(f"error: {BLAMED}: resume from the last good checkpoint with --ckpt_path {last} ")
    assert torch.load(tmp_path / last, weights_only=True)["lightning_gen"]["images_seen"] == 256
    done = run([sys.executable, "-m", "lightning_gen", *TWO, "--nonfinite_rollbacks=1", "--name=back"])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"{BLAMED}: back to the 256 of runs/back/checkpoints/last.ckpt, rollback 1 of 1\n") == 1
    stored = torch.load(tmp_path / "runs/back/checkpoints/last.ckpt", weights_only=True)
    assert stored["lightning_gen"]["images_seen"] == 768
    assert stored["lightning_gen"]["updates"] == {"discriminator": 12, "generator": 12}
    assert all(bool(value.isfinite().all()) for value in stored["state_dict"].values())
