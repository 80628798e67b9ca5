"""Lengths and intervals count images, for any batch size."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from rows import Rows
from torch.utils.data import DataLoader

from lightning_gen import InputError
from lightning_gen.callbacks import ImageCheckpoint, LogEveryImages, MaxImages, SampleGrid, Throughput, lengths


def loader(batch_size, images=96):
    return DataLoader(torch.rand(images, 1, 8, 8) * 2 - 1, batch_size=batch_size, drop_last=True)


class Logged(Callback):
    """Notes at which images a batch is logged."""

    def __init__(self):
        self.images = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        if "train/loss" in trainer.logged_metrics or "train/generator_loss" in trainer.logged_metrics:
            self.images += [pl_module.images_seen] if pl_module.logs_now else []


@pytest.mark.parametrize(("batch_size", "limit"), [(1, 1), (16, 1), (1, 64), (16, 64), (7, 100), (96, 100)])
def test_a_run_ends_with_the_first_batch_that_reaches_the_length(gan, trainer, batch_size, limit):
    module = gan()
    trainer(max_epochs=-1, callbacks=[MaxImages(limit)]).fit(module, loader(batch_size))
    assert limit <= module.images_seen < limit + batch_size
    assert module.images_seen == module.rounds * batch_size


def test_other_limits_hold_as_well(gan, trainer):
    module = gan()
    trainer(max_epochs=1, callbacks=[MaxImages(10_000)]).fit(module, loader(32))
    assert module.images_seen == 96


@pytest.mark.parametrize("updates", [1, 3])
def test_the_length_does_not_depend_on_the_updates_of_the_discriminator(gan, trainer, updates):
    module = gan(discriminator_updates=updates)
    trainer(max_epochs=-1, callbacks=[MaxImages(64)]).fit(module, loader(16))
    assert module.images_seen == 64


def test_a_run_whose_length_is_reached_trains_nothing_when_resumed(gan, trainer, tmp_path):
    module = gan()
    trainer(max_epochs=-1, callbacks=[MaxImages(64), ImageCheckpoint(None, tmp_path)], enable_checkpointing=True).fit(
        module, loader(16)
    )
    resumed = gan()
    trainer(max_epochs=-1, callbacks=[MaxImages(64)]).fit(resumed, loader(16), ckpt_path=tmp_path / "last.ckpt")
    assert (resumed.images_seen, resumed.rounds) == (64, 4)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in module.state_dict().items())


def test_a_resumed_run_counts_its_earlier_images(gan, trainer, tmp_path):
    trainer(max_epochs=-1, callbacks=[MaxImages(32), ImageCheckpoint(None, tmp_path)], enable_checkpointing=True).fit(
        gan(), loader(16)
    )
    resumed = gan()
    trainer(max_epochs=-1, callbacks=[MaxImages(80)]).fit(resumed, loader(16), ckpt_path=tmp_path / "last.ckpt")
    assert (resumed.images_seen, resumed.rounds) == (80, 5)


@pytest.mark.parametrize("make", [MaxImages, LogEveryImages, SampleGrid, lambda n: ImageCheckpoint(n, "folder")])
def test_lengths_below_one_image_are_refused(make):
    for value in (0, -5):
        with pytest.raises(InputError, match=f"at least 1 image, not {value}"):
            make(value)


def test_a_module_that_counts_nothing_is_refused(trainer):
    class Other(LightningModule):
        def training_step(self, batch, batch_idx):
            return None

        def configure_optimizers(self):
            return None

    with pytest.raises(InputError, match="Other does not count images"):
        trainer(max_epochs=1, callbacks=[MaxImages(5)]).fit(Other(), loader(16))


@pytest.mark.parametrize(
    ("batch_size", "every", "expected"),
    [
        (16, 32, [16, 32, 64, 96]),
        (8, 32, [8, 16, 32, 64, 96]),
        (16, 1, [16, 32, 48, 64, 80, 96]),
        (16, 40, [16, 32, 64, 96]),
    ],
)
def test_logging_has_a_rhythm_in_images_and_begins_with_the_first_batch(gan, trainer, batch_size, every, expected):
    logged = Logged()
    trainer(max_epochs=1, callbacks=[LogEveryImages(every), logged]).fit(gan(), loader(batch_size))
    assert logged.images == expected


def test_the_rhythm_counts_the_images_of_accumulated_batches(autoencoder, trainer, tmp_path):
    rows = []
    runner = trainer(max_epochs=1, accumulate_grad_batches=3, callbacks=[LogEveryImages(48)], logger=Rows(rows))
    runner.fit(autoencoder(), loader(8))
    assert sorted({step for step, metrics in rows if "train/loss" in metrics}) == [24, 48, 96]


def test_throughput_is_images_over_seconds_without_validation(autoencoder, trainer, monkeypatch):
    class Seconds(Callback):
        now = 0.0

        def on_train_batch_start(self, *args):
            self.now += 2.0

        def on_validation_batch_start(self, *args):
            self.now += 100.0

    rows, clock = [], Seconds()
    monkeypatch.setattr(lengths, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    runner = trainer(max_epochs=3, log_every_n_steps=4, callbacks=[Throughput(), clock], logger=Rows(rows))
    runner.fit(autoencoder(), loader(32), loader(96))
    speeds = {
        step: metrics["train/images_per_second"] for step, metrics in rows if "train/images_per_second" in metrics
    }
    assert speeds == dict.fromkeys((64, 128, 256), 32 / 2.0), "a validation lies between the batches 2 and 4, 4 and 8"
