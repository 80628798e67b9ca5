"""What Lightning says of itself is left out for these modules, and nothing else."""

import logging
import subprocess
import sys
import warnings

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.trainer.connectors import data_connector
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_gen.data import Digits
from lightning_gen.networks import DenseGenerator
from lightning_gen.training.quiet import LOGGERS, UNSAID


class Heard(logging.Handler):
    """Collects messages and warnings."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


@pytest.fixture
def heard(monkeypatch):
    """Takes all that Lightning has said since the last time, on a machine with many cores."""
    monkeypatch.setattr(data_connector, "suggested_max_num_workers", lambda devices: 8)
    handler, logger = Heard(), logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def take():
            texts = [*handler.texts, *(str(each.message) for each in caught)]
            handler.texts.clear()
            caught.clear()
            return texts

        yield take
    logger.removeHandler(handler)
    logger.setLevel(level)


def trainer(tmp_path, **options):
    """A Trainer as users make it, but for what it draws."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": CSVLogger(tmp_path)}
    usual = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "default_root_dir": tmp_path}
    return Trainer(**{**usual, **quiet, **options})


def loader():
    return DataLoader(TensorDataset(torch.rand(64, 1, 8, 8) * 2 - 1), batch_size=16)


class Other(LightningModule):
    """A module that has nothing to do with the package."""

    def __init__(self):
        super().__init__()
        self.layer, self.frozen = nn.Linear(64, 1), nn.Linear(1, 1).eval()

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0].flatten(1)).square().mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


SAID = (
    *("GPU available: False", "TPU available: False", "💡 Tip: ", "`Trainer.fit` stopped: `max_epochs=1`"),
    *("does not have many workers", "is smaller than the logging interval", "in eval mode at the start"),
    *("have no `val_dataloader`", "`weights_only` was not set"),
)


def missing(texts):
    return {part for part in SAID if not any(part in text for text in texts)}


@pytest.mark.parametrize("kind", ["gan", "autoencoder"])
def test_a_program_that_trains_a_module_hears_nothing(request, heard, tmp_path, kind):
    module = request.getfixturevalue(kind)()
    runner = trainer(tmp_path, callbacks=[ModelCheckpoint(tmp_path, every_n_train_steps=5)])
    for run in (runner.fit, runner.validate, runner.test, runner.predict, runner.fit):
        run(module, datamodule=Digits(8))
    runner.save_checkpoint(tmp_path / "x.ckpt")
    texts = [text for text in heard() if "srun" not in text and "exists and is not empty" not in text]
    assert texts == []


def test_another_module_in_the_same_program_is_spoken_of_as_before(gan, heard, tmp_path):
    trainer(tmp_path).fit(gan(), loader())
    heard()
    runner = trainer(tmp_path)
    runner.fit(Other(), loader())
    runner.save_checkpoint(tmp_path / "x.ckpt")
    assert missing(heard()) == {*SAID[:3], "`weights_only` was not set"}, "of hardware and its own alone"


def test_what_is_said_of_the_users_own_loader_and_network_stays(gan, heard, tmp_path):
    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 1).eval()

        def forward(self, x):
            return self.layer(x.flatten(1))

    generator = DenseGenerator((1, 8, 8), 4, (16,))
    generator.part = Left()
    trainer(tmp_path, num_sanity_val_steps=0).fit(gan(generator=generator), loader())
    assert missing(heard()) == {*SAID} - {"does not have many workers", "in eval mode at the start"}


def test_the_filters_of_warnings_are_as_they_were(gan, tmp_path):
    warnings.filterwarnings("ignore", "of the user")
    before = list(warnings.filters)
    module, inside = gan(), []
    module.on_train_start = lambda: inside.extend(warnings.filters)
    trainer(tmp_path).fit(module, datamodule=Digits(8))
    assert warnings.filters == before
    assert UNSAID.running == 0
    assert len(inside) > len(before)


@pytest.mark.parametrize("hook", ["setup", "on_fit_start", "on_train_start", "training_step", "validation_step"])
def test_they_are_after_an_error_too(gan, tmp_path, monkeypatch, hook):
    def fail(*arguments, **options):
        raise RuntimeError("on purpose")

    before, module = list(warnings.filters), gan()
    monkeypatch.setattr(module, hook, fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer(tmp_path).fit(module, datamodule=Digits(8))
    assert warnings.filters == before
    assert UNSAID.running == 0


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("GPU available: True (cuda), used: False", logging.INFO, True),
        ("GPU available: False, used: False", logging.WARNING, True),
        ("`Trainer.fit` stopped: `max_steps=3` reached.", logging.INFO, True),
        ("You are using a CUDA device that has Tensor Cores.", logging.INFO, True),
        ("GPU available: False, used: False", logging.INFO, False),
        ("💡 Tip: try this", logging.INFO, False),
    ],
)
def test_messages_that_tell_something_are_logged(gan, text, level, said):
    gan()
    record = logging.LogRecord("lightning", level, "", 0, text, None, None)
    assert UNSAID.filter(record) == said
    assert all(UNSAID in logging.getLogger(name).filters for name in LOGGERS)


IMPORTS = """
import logging, warnings
import lightning.pytorch, torch, jsonargparse, sklearn, torchvision, torchmetrics, tensorboard, PIL.Image
from torch.utils.tensorboard import SummaryWriter
from torchmetrics.image import StructuralSimilarityIndexMeasure
before = [list(warnings.filters), {name: (list(each.filters), each.level) for name, each in
          logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger) and "lightning" in name}]
import lightning_gen, lightning_gen.callbacks, lightning_gen.data, lightning_gen.training.quiet as quiet
added = [each for each in warnings.filters if each not in before[0] and "lightning" in str(each)]
assert not added, added
for name, (filters, level) in before[1].items():
    assert (logging.getLogger(name).filters, logging.getLogger(name).level) == (filters, level), name
assert quiet.UNSAID.running == 0
"""


@pytest.mark.slow
def test_an_import_changes_nothing():
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
