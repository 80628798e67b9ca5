"""Checkpoints at an interval in images, at the end, and of the best validation metric."""

import contextlib
import os
import signal
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch.utils.data import DataLoader

from lightning_gen import GANModule, InputError
from lightning_gen.callbacks import ImageCheckpoint, MaxImages, PreemptionCheckpoint, best_checkpoint
from lightning_gen.callbacks import checkpoints as written_by
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
    """A run resumes from the first of three states: its states are kept, although others have more images."""

    def train(every, images, ckpt_path=None):
        callbacks = [ImageCheckpoint(every, tmp_path, keep=3), MaxImages(images)]
        trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits(), ckpt_path=ckpt_path)
        return sorted(int(path.stem[-9:]) for path in tmp_path.glob("images-*.ckpt"))

    assert train(128, 1024) == [768, 896, 1024]
    assert train(64, 960, tmp_path / "images-000000768.ckpt") == [832, 896, 960]


def test_the_clock_has_no_say_in_which_states_stay(gan, trainer, tmp_path):
    """The newest file is older than all others, as it is where the clock was put back."""

    class Earlier(Callback):
        def on_train_batch_start(self, trainer, pl_module, *args):
            for path in tmp_path.glob("images-*.ckpt"):
                os.utime(path, (2_000_000_000 - pl_module.images_seen,) * 2)

    mine = tmp_path / "images-mine.ckpt"
    mine.touch()
    callbacks = [ImageCheckpoint(64, tmp_path, keep=2), Earlier(), MaxImages(384)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits())
    mine.unlink()  # it is still there
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "images-000000320.ckpt",
        "images-000000384.ckpt",
        "last.ckpt",
    ]


def test_states_of_a_way_that_is_no_longer_taken_go_first(gan, trainer, tmp_path):
    """They lie between those of the new way: those of 512 and 768 images are written from 256 on with another step."""

    def train(every, images, ckpt_path=None):
        callbacks = [ImageCheckpoint(every, tmp_path, keep=4), MaxImages(images)]
        trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits(), ckpt_path=ckpt_path)
        return sorted(int(path.stem[-9:]) for path in tmp_path.glob("images-*.ckpt"))

    assert train(256, 1024) == [256, 512, 768, 1024]
    assert train(448, 896, tmp_path / "images-000000256.ckpt") == [256, 448, 896, 1024]
    assert train(64, 960, tmp_path / "images-000000896.ckpt") == [256, 448, 896, 960]


def test_a_disk_without_hard_links_keeps_copies(gan, trainer, tmp_path, monkeypatch):
    def link(*args):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", link)
    callbacks = [ImageCheckpoint(128, tmp_path, keep=2), MaxImages(384)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits())
    assert [stored(path)["lightning_gen"]["images_seen"] for path in sorted(tmp_path.glob("images-*"))] == [256, 384]
    assert len(list(tmp_path.iterdir())) == 3


class Minutes(Callback):
    """Lets each batch of 64 images take a minute."""

    def __init__(self, monkeypatch):
        self.seconds = 1000.0
        monkeypatch.setattr(written_by, "time", SimpleNamespace(monotonic=lambda: self.seconds))

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.seconds += 60


@pytest.mark.parametrize(("every_images", "expected"), [(None, [192, 384, 576, 640]), (256, [192, 256, 448, 512, 640])])
def test_last_is_written_where_time_is_up(gan, trainer, tmp_path, monkeypatch, every_images, expected):
    """After three minutes without, whoever wrote it last."""
    written = Written()
    last = ImageCheckpoint(every_images, tmp_path, every_minutes=3)
    callbacks = [Minutes(monkeypatch), written, last, MaxImages(640)]
    trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), digits())
    assert written.images == expected


def test_what_is_written_as_time_is_up_goes_on_to_the_same_weights(gan, trainer, tmp_path, monkeypatch):
    class Killed(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            if pl_module.images_seen == 512:
                raise KeyError

    def train(*callbacks, ckpt_path=None):
        torch.manual_seed(1)
        module, last = gan(batch_norm=True), ImageCheckpoint(None, tmp_path, every_minutes=3)
        callbacks = [Minutes(monkeypatch), MaxImages(1600), *callbacks, last]
        with contextlib.suppress(KeyError):
            trainer(max_epochs=-1, callbacks=callbacks).fit(module, digits(), ckpt_path=ckpt_path)
        return module

    whole = train()
    train(Killed())
    assert stored(tmp_path / "last.ckpt")["lightning_gen"]["images_seen"] == 384
    joined = train(ckpt_path=tmp_path / "last.ckpt")
    assert joined.images_seen == 1600
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in whole.state_dict().items())


def test_it_waits_for_the_update_where_time_is_up(autoencoder, trainer, tmp_path, monkeypatch):
    """Four minutes are over inside of an update of three batches, which has to be made whole."""
    written = Written()
    callbacks = [Minutes(monkeypatch), written, MaxImages(1152), ImageCheckpoint(None, tmp_path, every_minutes=4)]
    trainer(max_epochs=-1, callbacks=callbacks, accumulate_grad_batches=3).fit(autoencoder(), digits())
    assert written.images == [384, 768, 1152]


def test_several_processes_ask_each_other_whether_time_is_up(tmp_path, monkeypatch):
    """Every ten batches; one of them is enough."""
    asked = []

    def ask(decision, all):
        assert not all
        asked.append((batch, decision))
        return batch == 29

    two = SimpleNamespace(
        world_size=2,
        strategy=SimpleNamespace(reduce_boolean_decision=ask),
        fit_loop=SimpleNamespace(_should_accumulate=lambda: False),
        should_stop=False,
        max_steps=-1,
    )
    monkeypatch.setattr(written_by, "counted", lambda module: None)
    minutes, last = Minutes(monkeypatch), ImageCheckpoint(None, tmp_path, every_minutes=15)
    last._since = minutes.seconds
    for batch in range(35):  # noqa: B007
        minutes.on_train_batch_end(two, None)
        last.on_train_batch_end(two, None)
    assert asked == [(9, False), (19, True), (29, True)]
    assert last._due


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_time_must_go_by(tmp_path, minutes):
    with pytest.raises(InputError, match=f"checkpoint_every_minutes must be above 0, or null for never, not {minutes}"):
        ImageCheckpoint(None, tmp_path, every_minutes=minutes)


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
    """Three batches an update: a state with accumulated gradients resumes to the same weights."""

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


def test_a_run_that_is_made_longer_does_not_take_a_worse_state_for_the_best(train, tmp_path):
    """The best figure is that of the validation after the last batch of the first part."""

    def figure(images):
        return 1.0 if images == 640 else 2.0

    assert train(tmp_path, figure, 640) == 640
    assert train(tmp_path, figure, 1280, tmp_path / "last.ckpt") == 640


class Figure(Callback):
    """Sets the figure that states are compared by."""

    def __init__(self, figure):
        self.figure = figure

    def on_validation_end(self, trainer, pl_module):
        trainer.callback_metrics["val/loss"].fill_(self.figure(pl_module.images_seen))


@pytest.fixture
def train(autoencoder, trainer):
    """Train an autoencoder up to so many images, with a figure of one's own; returns the images of best.ckpt."""

    def run(folder, figure, images, ckpt_path=None, *callbacks):
        module = autoencoder()
        own = [Figure(figure), MaxImages(images), best_checkpoint(module, folder), ImageCheckpoint(None, folder)]
        trainer(max_epochs=-1, callbacks=[*own, *callbacks]).fit(module, digits(), ckpt_path=ckpt_path)
        return stored(folder / "best.ckpt")["lightning_gen"]["images_seen"]

    return run


def risen(images):
    """The first state is the best."""
    return images / 1000


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_was_moved_keeps_the_best(train, tmp_path, linked):
    assert train(tmp_path / "old", risen, 640) == 640
    (tmp_path / "old").rename(tmp_path / "new")
    new = tmp_path / "new"
    if linked:
        (tmp_path / "link").symlink_to(new)
        new = tmp_path / "link"
    assert train(new, risen, 1280, new / "last.ckpt") == 640
    assert train(new, lambda images: 100 / images, 1920, new / "last.ckpt") == 1920, "a better one takes its place"


def test_a_best_state_that_is_gone_is_followed_by_another(train, tmp_path):
    assert train(tmp_path, risen, 640) == 640
    (tmp_path / "best.ckpt").unlink()
    assert train(tmp_path, risen, 1280, tmp_path / "last.ckpt") == 1280


def test_a_run_under_another_name_has_a_best_state_of_its_own(train, tmp_path):
    assert train(tmp_path / "one", risen, 640) == 640
    assert train(tmp_path / "two", risen, 1280, tmp_path / "one" / "last.ckpt") == 1280
    assert stored(tmp_path / "one" / "best.ckpt")["lightning_gen"]["images_seen"] == 640


def test_a_run_that_goes_on_from_an_earlier_state_keeps_the_best(train, tmp_path):
    """That state knows of a worse one: the best was written after it."""

    def figure(images):
        return {640: 3.0, 1280: 1.0}.get(images, 2.0)

    assert train(tmp_path, figure, 640) == 640
    (tmp_path / "last.ckpt").rename(tmp_path / "early.ckpt")
    assert train(tmp_path, figure, 1280, tmp_path / "early.ckpt") == 1280
    assert train(tmp_path, figure, 960, tmp_path / "early.ckpt") == 1280


def test_a_damaged_best_state_is_said_and_followed_by_another(train, tmp_path):
    train(tmp_path, risen, 640)
    os.truncate(tmp_path / "best.ckpt", 1000)
    with pytest.warns(UserWarning, match=r"best.ckpt .*; the next validated state replaces it"):
        assert train(tmp_path, risen, 1280, tmp_path / "last.ckpt") == 1280


def test_the_best_state_of_an_earlier_version_is_believed(train, tmp_path):
    """It was written by Lightning's own class."""
    train(tmp_path, risen, 640)
    checkpoint = stored(tmp_path / "best.ckpt")
    (state,) = (state for key, state in checkpoint["callbacks"].items() if key.startswith("BestCheckpoint"))
    key = ModelCheckpoint(monitor="val/loss").state_key
    torch.save({**checkpoint, "callbacks": {key: state}}, tmp_path / "best.ckpt")
    assert train(tmp_path, risen, 1280, tmp_path / "last.ckpt") == 640


def test_a_callback_of_the_user_may_watch_the_same_figure(train, tmp_path):
    own = ModelCheckpoint(tmp_path / "own", "{step}", monitor="val/loss", save_top_k=-1)
    assert train(tmp_path, risen, 1500, None, own) == 1408
    steps = [stored(path)["global_step"] for path in (tmp_path / "own").iterdir()]
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == [f"step={step}.ckpt" for step in sorted(steps)]


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
