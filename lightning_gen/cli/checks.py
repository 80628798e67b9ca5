"""Checks of a command's settings before anything is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import Any

from jsonargparse import Namespace

from lightning_gen.cli.options import COUNTS
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, COUNT_FROM_0, SHARE, SHARE_ABOVE_0, Range
from lightning_gen.training.strategies import SPLITS


@dataclass(frozen=True)
class Allowed:
    """The numbers that an option takes.

    Attributes:
        words: Their description, after "must be".
        ranges: Each of them is in one of these.
    """

    words: str
    ranges: tuple[Range, ...]

    def __contains__(self, value: Any) -> bool:
        # Lightning takes 2.0 for two batches, but 1.0 for all of them
        whole = int(value) if isinstance(value, float) and value > 1 and value.is_integer() else value
        return any(whole in each for each in self.ranges)


NO_LIMIT = Range("of -1", low=-1, high=-1, whole=True)
SEEDS = Range("from 0 to 4,294,967,295", low=0, high=2**32 - 1, whole=True)
AT_LEAST_0 = Allowed("at least 0", (COUNT_FROM_0,))
AT_LEAST_1 = Allowed("at least 1", (COUNT,))
LENGTH = Allowed("at least 1, or -1 for no limit", (COUNT, NO_LIMIT))
SOME_BATCHES = Allowed(
    "a number of batches of at least 1, or a share of them above 0 and up to 1.0", (COUNT, SHARE_ABOVE_0)
)
BATCHES = Allowed("a number of batches of at least 0, or a share of them up to 1.0", (COUNT_FROM_0, SHARE))
ALLOWED: Mapping[str, Allowed] = {
    "seed_everything": Allowed(f"a whole number {SEEDS.words}", (SEEDS,)),
    **dict.fromkeys(COUNTS, AT_LEAST_1),
    **dict.fromkeys(("trainer.max_epochs", "trainer.max_steps"), LENGTH),
    **dict.fromkeys(("trainer.min_epochs", "trainer.min_steps"), AT_LEAST_0),
    **{f"trainer.limit_{split}_batches": BATCHES for split in ("train", "val", "test", "predict")},
    "trainer.overfit_batches": BATCHES,
    "trainer.fast_dev_run": AT_LEAST_0,
    "trainer.val_check_interval": SOME_BATCHES,
    "trainer.check_val_every_n_epoch": Allowed("at least 1, or null to count the batches of all epochs", (COUNT,)),
    "trainer.num_sanity_val_steps": Allowed("at least 0, or -1 for the whole split", (COUNT_FROM_0, NO_LIMIT)),
    "trainer.log_every_n_steps": Allowed("at least 0, which is never", (COUNT_FROM_0,)),
    "trainer.reload_dataloaders_every_n_epochs": AT_LEAST_0,
    "trainer.num_nodes": AT_LEAST_1,
}
"""The numbers that options of commands with a Trainer take, by the names of the options."""
SPLITS_OF_COMMANDS = {"fit": "train", "validate": "val", "test": "test", "predict": "predict"}
"""The split that a command cannot do without, by the name of the command."""


def check_settings(command: str, settings: Namespace) -> None:
    """Refuse numbers that an option does not take, and strategies that split parameters.

    Args:
        command: The name of the command.
        settings: Its settings.

    Raises:
        InputError: A number is out of range, or the strategy splits parameters.
    """
    own = {f"trainer.limit_{SPLITS_OF_COMMANDS[command]}_batches": SOME_BATCHES}
    for name, allowed in {**ALLOWED, **own}.items():
        value = settings.get(name)
        if isinstance(value, Real) and value not in allowed:
            raise InputError(f"--{name} must be {allowed.words}, not {value}")
    for name in ("trainer.max_time", "trainer.val_check_interval"):
        check_time(name, settings.get(name))
    check_strategy(settings.trainer)


def check_time(name: str, value: Any) -> None:
    """Check a length of time that is given as a mapping, such as ``{hours: 12}``.

    Raises:
        InputError: It is none.
    """
    if isinstance(value, dict):
        try:
            timedelta(**value)
        except (TypeError, OverflowError) as error:
            raise InputError(f"--{name} {value} is no length of time: give days, hours, minutes or seconds") from error


def check_strategy(trainer: Namespace) -> None:
    """Refuse strategies that split parameters.

    Raises:
        InputError: The strategy splits them.
    """
    strategy = trainer.strategy if isinstance(trainer.strategy, str) else trainer.strategy.class_path.rsplit(".")[-1]
    if any(word in strategy.lower() for word in ("fsdp", "deepspeed", "model_parallel", "modelparallel")):
        raise InputError(f"--trainer.strategy {strategy} {SPLITS}")
