"""When a batch is logged, and at which step: at once, at the end, and on an axis of images."""

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import (
    Callback,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateMonitor,
    ThroughputMonitor,
)
from rows import Rows
from torch.utils.data import DataLoader

from lightning_gen.callbacks import ImageCheckpoint, MaxImages
from lightning_gen.training.image_axis import is_logged


def loader(images=96, batch_size=8):
    return DataLoader(torch.rand(images, 1, 8, 8) * 2 - 1, batch_size=batch_size)


@pytest.mark.parametrize(
    ("every", "expected"),
    [(50, [1, 2, 4, 8, 16, 32, 50, 100]), (64, [1, 2, 4, 8, 16, 32, 64]), (1, list(range(1, 121))), (3, [1, 2])],
)
def test_the_first_batches_are_logged_more_often(every, expected):
    found = [batch for batch in range(1, 121) if is_logged(batch, every)]
    assert found[: len(expected)] == expected
    assert [batch for batch in found if batch >= every] == list(range(every, 121, every))


class Kept(Callback):
    """The loss of each batch, as the module has it."""

    def __init__(self):
        self.losses = {}

    def on_train_batch_end(self, trainer, pl_module, *args):
        latest = pl_module.latest_metrics()
        name = next(name for name in latest if name.endswith("loss"))
        self.losses[pl_module.images_seen] = float(latest[name])


class Signal(Callback):
    """Stops after the seventh batch, as a limit of time may."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = batch_idx == 6


class Stop(EarlyStopping):
    """Stops at the first validation."""

    def __init__(self):
        super().__init__("val/loss", stopping_threshold=1e9)


ENDS = {
    "images": ({"max_epochs": -1, "callbacks": [MaxImages(56)]}, 56),
    "epochs": ({"max_epochs": 2}, 192),
    "steps": ({"max_steps": 7}, 56),
    "early stopping": ({"max_epochs": 9, "callbacks": [Stop()]}, 96),
    "a callback": ({"max_epochs": -1, "callbacks": [Signal()]}, 56),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_update_of_a_run_is_logged_and_each_at_its_own_images(autoencoder, trainer, end):
    options, images = ENDS[end]
    logger, kept = Rows([]), Kept()
    callbacks = [kept, *options.get("callbacks", [])]
    runner = trainer(**{**options, "callbacks": callbacks, "logger": logger, "log_every_n_steps": 50})
    runner.fit(autoencoder(), loader(), loader(16))
    assert logger.steps("train/loss")[-1] == images
    found = {step: metrics["train/loss"] for step, metrics in logger.rows if "train/loss" in metrics}
    assert found == {step: pytest.approx(kept.losses[step]) for step in found}
    assert float(runner.callback_metrics["train/loss"]) == pytest.approx(kept.losses[images])
    assert not logger.steps("epoch")
    assert len(logger.steps("train/loss")) == len(found), "no batch is logged twice"


def test_both_losses_of_a_gan_are_logged_at_the_start_and_at_the_end(gan, trainer):
    logger = Rows([])
    runner = trainer(max_epochs=-1, callbacks=[MaxImages(88)], logger=logger)
    runner.fit(gan(discriminator_updates=2), loader())
    assert logger.steps("train/discriminator_loss") == [8, 16, 32, 64, 88]
    assert logger.steps("train/generator_loss") == [16, 32, 64, 88]


def test_nothing_is_logged_without_a_rhythm(autoencoder, trainer):
    logger = Rows([])
    trainer(max_epochs=1, logger=logger, log_every_n_steps=0).fit(autoencoder(), loader())
    assert not logger.rows


def test_a_resumed_run_does_not_begin_again_to_log_often(autoencoder, trainer, tmp_path):
    options = {"max_epochs": -1, "enable_checkpointing": True, "log_every_n_steps": 10}
    trainer(**options, callbacks=[MaxImages(104), ImageCheckpoint(None, tmp_path)]).fit(autoencoder(), loader())
    logger = Rows([])
    runner = trainer(**options, callbacks=[MaxImages(248)], logger=logger)
    runner.fit(autoencoder(), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert logger.steps("train/loss") == [160, 240, 248]


def test_what_lightnings_own_callbacks_log_lies_on_the_axis_of_images(gan, trainer):
    monitors = [LearningRateMonitor(), DeviceStatsMonitor(), ThroughputMonitor(batch_size_fn=len, window_size=2)]
    logger = Rows([])
    runner = trainer(max_epochs=2, callbacks=monitors, logger=logger, log_every_n_steps=4)
    runner.fit(gan(), loader())
    assert logger.steps("lr-SGD") == [0, 0, 8, 24, 56, 88, 96, 120, 152, 184], "before an epoch and before a batch"
    last = {name: step for step, metrics in logger.rows for name in metrics}
    assert last["DeviceStatsMonitor.on_train_batch_end/cpu_percent"] == last["train/device/batches_per_sec"] == 192


class Other(LightningModule):
    """A module of somebody else, which logs on Lightning's axis."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        self.log("other", self.weight)
        return self.weight

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_logger_that_serves_another_trainer_afterwards_has_that_ones_axis(autoencoder, trainer):
    logger = Rows([])
    trainer(max_epochs=1, logger=logger).fit(autoencoder(), loader())
    trainer(max_epochs=1, logger=logger, log_every_n_steps=4).fit(Other(), loader())
    assert logger.steps("other") == [3, 7, 11]


def test_a_progress_bar_of_lightning_shows_the_losses(autoencoder, trainer):
    runner = trainer(max_epochs=1, log_every_n_steps=4)
    runner.fit(autoencoder(), loader())
    assert 0 < runner.progress_bar_metrics["train/loss"] < 1e6
