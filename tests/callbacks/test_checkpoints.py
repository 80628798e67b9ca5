"""Checkpoints at a rhythm in images, at the end, and of the best validation figure."""

import contextlib
import os
import signal
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from lightning_gen import GANModule, InputError
from lightning_gen.callbacks import ImageCheckpoint, MaxImages, PreemptionCheckpoint, best_checkpoint
from lightning_gen.data import Digits
from lightning_gen.schedules import Linear


class Written(Callback):
    """Notes when a checkpoint is made."""

    def __init__(self):
        self.images = []

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        self.images.append(pl_module.images_seen)


def digits(batch_size=64):
    return Digits(size=8, batch_size=batch_size)


@pytest.fixture
def trainer(trainer):
    """Make a Trainer that may write checkpoints."""
    return partial(trainer, enable_checkpointing=True)


def stored(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("every", "expected"), [(256, [256, 512, 640]), (100, [128, 256, 320, 448, 512, 640]), (None, [640])]
)
def test_last_is_written_at_multiples_and_at_the_end(gan, trainer, tmp_path, every, expected):
    written = Written()
    callbacks = [written, ImageCheckpoint(every, tmp_path), MaxImages(640)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits())
    assert written.images == expected
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert stored(tmp_path / "last.ckpt")["lightning_gen"]["images_seen"] == 640


def test_the_latest_states_stay_under_their_images(gan, trainer, tmp_path):
    callbacks = [ImageCheckpoint(128, tmp_path, keep=3), MaxImages(576)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"images-{images:09d}.ckpt" for images in (384, 512, 576)),
        "last.ckpt",
    ]
    for images in (384, 512, 576):
        assert stored(tmp_path / f"images-{images:09d}.ckpt")["lightning_gen"]["images_seen"] == images
    assert (tmp_path / "last.ckpt").samefile(tmp_path / "images-000000576.ckpt"), "takes no room twice"


def test_the_latest_states_are_those_that_were_written_last(gan, trainer, tmp_path):
    """The run goes on from the first of three states: what it writes stays, although others are of more images."""

    def train(every, images, ckpt_path=None):
        callbacks = [ImageCheckpoint(every, tmp_path, keep=3), MaxImages(images)]
        trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits(), ckpt_path=ckpt_path)
        return sorted(int(path.stem[-9:]) for path in tmp_path.glob("images-*.ckpt"))

    assert train(128, 1024) == [768, 896, 1024]
    assert train(64, 960, tmp_path / "images-000000768.ckpt") == [832, 896, 960]


def test_validation_every_so_many_batches_over_epochs_keeps_its_rhythm(gan, trainer, tmp_path):
    class Validated(Callback):
        def on_validation_end(self, trainer, pl_module):
            found.append(pl_module.images_seen)

    class Killed(Callback):
        def __init__(self, images):
            self.images = images

        def on_train_batch_end(self, trainer, pl_module, *args):
            if pl_module.images_seen == self.images:
                raise KeyError

    def train(*callbacks, ckpt_path=None):
        options = {"max_epochs": -1, "val_check_interval": 7, "check_val_every_n_epoch": None}
        callbacks = [Validated(), MaxImages(64 * 30), *callbacks, ImageCheckpoint(256, tmp_path)]
        trainer(callbacks=callbacks, **options).fit(gan(), digits(), ckpt_path=ckpt_path)

    found, last = [], tmp_path / "last.ckpt"
    train()
    whole, found = found, []
    with pytest.raises(KeyError):
        train(Killed(6 * 64))
    with pytest.raises(KeyError):
        train(Killed(13 * 64), ckpt_path=last)
    train(ckpt_path=last)
    assert found == whole == [64 * batch for batch in (7, 14, 21, 28, 30)]


def test_one_state_at_least_must_stay(tmp_path):
    with pytest.raises(InputError, match="keep_checkpoints must be at least 1, not 0"):
        ImageCheckpoint(None, tmp_path, keep=0)


def test_it_is_written_between_updates_of_accumulated_gradients(autoencoder, trainer, tmp_path):
    """Three batches an update: a state that waits for its update goes on to the same weights."""

    def train(images, ckpt_path=None):
        torch.manual_seed(1)
        written = Written()
        callbacks = [written, MaxImages(images), ImageCheckpoint(128, tmp_path)]
        module = autoencoder(variational=True)
        run = trainer(max_epochs=-1, callbacks=callbacks, accumulate_grad_batches=3)
        run.fit(module, digits(), ckpt_path=ckpt_path)
        return module, written.images

    whole, images = train(1152)
    assert images == [192, 384, 576, 768, 960, 1152], "every third batch, although 128 images are two"
    assert train(500)[0].images_seen == 576, "the last update is made whole"
    joined, _ = train(1152, tmp_path / "last.ckpt")
    assert joined.images_seen == 1152
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in whole.state_dict().items())


class Stateful(DataLoader):
    """A loader of others that keeps its place, as torchdata's does: it counts what it has handed out."""

    place = 0

    def __iter__(self):
        batches = list(super().__iter__())
        while self.place < len(batches):
            self.place += 1
            yield batches[self.place - 1]
        self.place = 0

    def state_dict(self):
        return {"place": self.place}

    def load_state_dict(self, state):
        self.place = state["place"]


@pytest.mark.parametrize("asked", [False, True])
def test_a_loader_of_others_that_keeps_its_place_loses_no_batch(gan, trainer, tmp_path, asked):
    """The state is written right after a batch: before the next one, the loader would count that as used."""

    class Stop(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            if pl_module.images_seen == 48:
                if asked:
                    os.kill(os.getpid(), signal.SIGTERM)
                else:
                    raise KeyboardInterrupt

    images = torch.rand(96, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1

    def train(*callbacks, ckpt_path=None):
        torch.manual_seed(1)
        module, last = gan(), ImageCheckpoint(32, tmp_path)
        callbacks = [MaxImages(192), *callbacks, last, PreemptionCheckpoint(last)]
        with contextlib.suppress(SystemExit):
            trainer(max_epochs=-1, callbacks=callbacks).fit(
                module, Stateful(images, batch_size=16), ckpt_path=ckpt_path
            )
        return module

    whole = train()
    train(Stop())
    assert stored(tmp_path / "last.ckpt")["lightning_gen"]["images_seen"] == (48 if asked else 32)
    joined = train(ckpt_path=tmp_path / "last.ckpt")
    assert joined.images_seen == 192
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in whole.state_dict().items())


def test_what_is_written_is_the_module_as_it_is(gan, trainer, tmp_path):
    module = gan()
    trainer(max_epochs=-1, callbacks=[MaxImages(640), ImageCheckpoint(None, tmp_path)]).fit(module, digits())
    loaded = GANModule.load_from_checkpoint(tmp_path / "last.ckpt")
    assert loaded.images_seen == module.images_seen == 640
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in module.state_dict().items())


LENGTHS = [{"images": 1600}, {"images": 1408}, {"max_steps": 50}, {"max_epochs": 1}]


@pytest.mark.parametrize("first", LENGTHS, ids=["inside an epoch", "between epochs", "max_steps", "max_epochs"])
def test_a_finished_run_that_is_made_longer_ends_as_one_long_run(gan, trainer, tmp_path, first):
    def train(images=10_000, ckpt_path=None, **limits):
        module, data = gan(batch_norm=True), digits()
        callbacks = [MaxImages(images), ImageCheckpoint(None, tmp_path)]
        trainer(**{"max_epochs": -1, **limits}, callbacks=callbacks).fit(module, data, ckpt_path=ckpt_path)
        return module

    torch.manual_seed(1)
    whole = train(3200)
    epoch = stored(tmp_path / "last.ckpt")["epoch"]
    torch.manual_seed(1)
    assert train(**first).images_seen < 2000
    torch.manual_seed(2)
    joined = train(3200, tmp_path / "last.ckpt")
    assert stored(tmp_path / "last.ckpt")["epoch"] == epoch
    assert joined.images_seen == whole.images_seen == 3200
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in whole.state_dict().items())


def test_resuming_a_run_that_is_complete_leaves_its_checkpoint_alone(gan, trainer, tmp_path):
    def train(ckpt_path=None):
        callbacks = [MaxImages(1600), ImageCheckpoint(None, tmp_path)]
        trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits(), ckpt_path=ckpt_path)
        return (tmp_path / "last.ckpt").read_bytes()

    assert train() == train(tmp_path / "last.ckpt")


@pytest.mark.parametrize(("kind", "figure"), [("gan", "val/sliced_wasserstein"), ("autoencoder", "val/loss")])
def test_best_is_the_checkpoint_of_the_lowest_figure(request, trainer, tmp_path, kind, figure):
    class Figures(Callback):
        def on_validation_end(self, trainer, pl_module):
            found.append((float(trainer.callback_metrics[figure]), pl_module.images_seen))

    found = []
    module = request.getfixturevalue(kind)()
    callbacks = [Figures(), best_checkpoint(module, tmp_path)]
    trainer(max_epochs=4, callbacks=callbacks).fit(module, digits())
    assert len(found) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]
    assert stored(tmp_path / "best.ckpt")["lightning_gen"]["images_seen"] == min(found)[1]


def test_a_run_that_is_made_longer_does_not_take_a_worse_state_for_the_best(autoencoder, trainer, tmp_path):
    """The best figure is that of the validation after the last batch of the first part."""

    class Figure(Callback):
        def on_validation_end(self, trainer, pl_module):
            trainer.callback_metrics["val/loss"].fill_(1.0 if pl_module.images_seen == 640 else 2.0)

    def train(images, ckpt_path=None):
        module = autoencoder()
        callbacks = [Figure(), MaxImages(images), best_checkpoint(module, tmp_path), ImageCheckpoint(None, tmp_path)]
        trainer(max_epochs=-1, callbacks=callbacks).fit(module, digits(), ckpt_path=ckpt_path)
        return stored(tmp_path / "best.ckpt")["lightning_gen"]["images_seen"]

    assert train(640) == 640
    assert train(1280, tmp_path / "last.ckpt") == 640


def test_best_is_not_a_state_that_won_by_a_weight_that_had_yet_to_rise(autoencoder, trainer, tmp_path):
    """Weighed as they are in training, the losses are lowest while the divergence costs next to nothing."""
    rise = Linear(6 * 1408, start_images=2 * 1408, first=0.0, last=2.0)

    class Figures(Callback):
        def on_validation_end(self, trainer, pl_module):
            images, figures = pl_module.images_seen, trainer.callback_metrics
            error, divergence = (float(figures[f"val/{name}"]) for name in ("reconstruction", "kl"))
            found.append((images, error + 2 * divergence, error + rise(images) * divergence))

    found = []
    module = autoencoder(variational=True, optimizer=partial(torch.optim.Adam, lr=0.02))
    module.objective["kl"].weight = rise
    trainer(max_epochs=6, callbacks=[Figures(), best_checkpoint(module, tmp_path)]).fit(module, digits())
    chosen = stored(tmp_path / "best.ckpt")["lightning_gen"]["images_seen"]
    assert chosen == min(found, key=lambda each: each[1])[0]
    assert chosen != min(found, key=lambda each: each[2])[0]
