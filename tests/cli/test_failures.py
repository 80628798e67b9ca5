"""Known errors of torch, Lightning and the system end a command with a sentence; all others keep their traceback."""

import errno
import os
import traceback

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, GradientAccumulationScheduler, ModelCheckpoint
from lightning.pytorch.tuner.lr_finder import _determine_lr_attr_name
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from lightning_gen.cli.failures import explained, raised_by
from lightning_gen.cli.parser import Parser
from lightning_gen.errors import InputError, NonFiniteError


def raised(action):
    """The error that an action raises."""
    with pytest.raises(Exception) as error:  # noqa: PT011
        action()
    return error.value


def stops_early():
    logged = {"val/mse": torch.tensor(1.0), "val/loss": torch.tensor(1.0)}
    EarlyStopping("val/mes")._validate_condition_metric(logged)


def too_long():
    raise ValueError(
        " `val_check_interval` (1000) must be less than or equal to the number of the training batches (22). If"
    )


def full_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def steps_on_dense_gradients():
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    torch.optim.SparseAdam([weight]).step()


CPU = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (too_long, "--trainer.val_check_interval 1000 is more than the 22 batches of an epoch: set it to 22 or less"),
        (stops_early, "EarlyStopping waits for 'val/mes', which is not logged: set its monitor to one of `val/mse`"),
        (lambda: EarlyStopping("x", mode="mim"), "`mode` can be min, max, got mim"),
        (lambda: ModelCheckpoint(save_top_k=-5), "save_top_k=-5. Must be >= -1"),
        (lambda: GradientAccumulationScheduler({}), "Empty dict cannot be interpreted correct"),
        (lambda: _determine_lr_attr_name(LightningModule(), "lr"), "leave it out and set --model.optimizer.lr, or"),
        (lambda: Trainer(**CPU, devices=-1), "on a CPU --trainer.devices is a number of processes: set it to auto or"),
        (lambda: Trainer(**CPU, devices=0), "on a CPU --trainer.devices is a number of processes"),
        (lambda: Trainer(**{**CPU, "accelerator": "tpu"}), "no such accelerator: set --trainer.accelerator to auto or"),
        (lambda: Trainer(**{**CPU, "accelerator": "mps"}), "no such accelerator: set --trainer.accelerator to auto or"),
        (lambda: Trainer(**CPU, strategy="xyz"), "there is no strategy 'xyz': set --trainer.strategy to auto, or for"),
        (
            lambda: Trainer(**CPU, max_time="abc"),
            "abc is no length of time, for --trainer.max_time or a Timer: write",
        ),
        (lambda: Trainer(**CPU, val_check_interval="ab"), "--trainer.val_check_interval ab is no interval: give"),
        (lambda: Trainer(**CPU, val_check_interval="0:0:0:x"), "--trainer.val_check_interval 0:0:0:x is no interval"),
        (lambda: Trainer(**CPU, profiler="x"), "it can only be one of ['simple', 'advanced', 'pytorch', 'xla']"),
        (lambda: nn.BatchNorm1d(3)(torch.zeros(1, 3)), "BatchNorm needs at least 2 samples on each device: raise"),
        (lambda: torch.empty(10**15), "this machine has no memory left: lower --data.batch_size, --data.size or"),
        (lambda: np.empty(10**15), "this machine has no memory left: lower --data.batch_size, --data.size or"),
        (full_gpu, "the GPU has no memory left: lower --data.batch_size"),
        (steps_on_dense_gradients, "SparseAdam does not support dense gradients, please consider Adam instead"),
        (lambda: os.stat("missing/x"), "missing/x does not exist or cannot be made (No such file or directory): give"),
    ],
)
def test_a_known_error_is_a_sentence(action, expected):
    found = explained(raised(action))
    assert expected in str(found)
    assert found.status == InputError.status


def test_the_system_may_have_refused_what_another_library_reports():
    error = ValueError("cannot write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "free some disk space" in str(explained(error))


def test_an_own_error_keeps_its_sentence_and_its_status():
    own = NonFiniteError("the loss is inf: lower the learning rate")
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = own
    assert explained(own) is explained(wrapped) is own


def mistaken_key():
    return {}["generator"]


def mistaken_callback():
    return EarlyStopping("x")._validate_condition_metric(None)


@pytest.mark.parametrize(
    "action",
    [
        mistaken_key,
        mistaken_callback,
        lambda: int("x"),
        lambda: nn.Linear(2, 3)(torch.zeros(4)),
        lambda: torch.zeros(2) + torch.zeros(3),
        lambda: Trainer(nonsense=1),
    ],
)
def test_an_unknown_error_is_not_hidden(action):
    assert explained(raised(action)) is None


def test_an_error_of_the_users_own_code_below_lightning_is_not_hidden():
    class Mine(Parser):
        def error(self, message, ex=None):
            raise KeyError("mine")

    error = raised(lambda: Mine().parse_args(["--x"]))
    assert len(traceback.extract_tb(error.__traceback__)) > 3
    assert explained(error) is None


def test_only_a_statement_of_a_package_itself_counts_as_its_own():
    assert raised_by(raised(lambda: ModelCheckpoint(save_top_k=-5)), "lightning")
    assert not raised_by(raised(mistaken_callback), "lightning")
    assert not raised_by(raised(mistaken_key), "lightning")
    assert not raised_by(MisconfigurationException("never raised"), "lightning")
