"""Numbers that an option cannot have are refused before anything is built."""

import math

import pytest
from jsonargparse import Namespace
from lightning.pytorch import Trainer

from lightning_gen.cli.checks import ALLOWED, check_settings
from lightning_gen.errors import InputError
from lightning_gen.reflection import argument_names


def check(name, value, command="fit"):
    settings = Namespace({"trainer.strategy": "auto", name: value})
    check_settings(command, settings)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed_everything", -1, "--seed_everything must be a whole number from 0 to 4,294,967,295, not -1"),
        ("seed_everything", 10**20, "not 100000000000000000000"),
        ("max_images", 0, "--max_images must be at least 1, not 0"),
        ("trainer.max_epochs", 0, "--trainer.max_epochs must be at least 1, or -1 for no limit, not 0"),
        ("trainer.max_steps", -2, "--trainer.max_steps must be at least 1, or -1 for no limit, not -2"),
        ("trainer.min_steps", -1, "--trainer.min_steps must be at least 0, not -1"),
        (
            "trainer.limit_train_batches",
            0,
            "a number of batches of at least 1, or a share of them above 0 and up to 1.0",
        ),
        ("trainer.limit_train_batches", 0.0, "not 0.0"),
        ("trainer.limit_train_batches", -1, "not -1"),
        ("trainer.limit_train_batches", 1.5, "not 1.5"),
        ("trainer.limit_train_batches", math.nan, "not nan"),
        ("trainer.limit_val_batches", 1.5, "--trainer.limit_val_batches must be a number of batches of at least 0"),
        ("trainer.overfit_batches", -1, "--trainer.overfit_batches must be a number of batches of at least 0"),
        ("trainer.val_check_interval", 0, "--trainer.val_check_interval must be a number of batches of at least 1"),
        ("trainer.val_check_interval", 1.5, "not 1.5"),
        ("trainer.check_val_every_n_epoch", 0, "must be at least 1, or null to count the batches of all epochs, not 0"),
        ("trainer.check_val_every_n_epoch", -1, "not -1"),
        ("trainer.num_sanity_val_steps", -2, "must be at least 0, or -1 for the whole split, not -2"),
        ("trainer.log_every_n_steps", -1, "--trainer.log_every_n_steps must be at least 0, which is never, not -1"),
        ("trainer.fast_dev_run", -1, "--trainer.fast_dev_run must be at least 0"),
        (
            "trainer.max_time",
            {"houres": 1},
            "--trainer.max_time {'houres': 1} is no length of time: give days, hou",
        ),
        ("trainer.num_nodes", 0, "--trainer.num_nodes must be at least 1"),
        ("trainer.reload_dataloaders_every_n_epochs", -1, "must be at least 0"),
    ],
)
def test_a_number_out_of_range_is_refused(name, value, expected):
    with pytest.raises(InputError) as refused:
        check(name, value)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seed_everything", [0, 2**32 - 1, True, False]),
        ("max_images", [1, 10**15, None]),
        ("trainer.max_epochs", [-1, 1, None]),
        ("trainer.limit_train_batches", [1, 2, 2.0, 0.5, 1.0, None, 10**13]),
        ("trainer.limit_val_batches", [0, 0.0, 1.0, 3]),
        ("trainer.val_check_interval", [1, 0.25, "00:00:10:00", None]),
        ("trainer.check_val_every_n_epoch", [1, None]),
        ("trainer.num_sanity_val_steps", [-1, 0, 2]),
        ("trainer.fast_dev_run", [True, False, 3]),
        ("trainer.max_time", [{"hours": 1}, "00:12:00:00", None]),
    ],
)
def test_numbers_that_mean_something_are_taken(name, values):
    for value in values:
        check(name, value)


@pytest.mark.parametrize(("command", "split"), [("validate", "val"), ("test", "test"), ("predict", "predict")])
def test_a_command_needs_batches_of_its_own_split(command, split):
    with pytest.raises(InputError, match=f"--trainer.limit_{split}_batches must be a number of batches of at least 1"):
        check(f"trainer.limit_{split}_batches", 0, command)
    check("trainer.limit_train_batches", 0, command)


def test_each_range_belongs_to_an_argument_of_the_trainer():
    names = {name.removeprefix("trainer.") for name in ALLOWED if name.startswith("trainer.")}
    assert names <= set(argument_names(Trainer))
