"""Checks of the Trainer's settings before anything is built."""

from jsonargparse import Namespace

from lightning_gen.errors import InputError
from lightning_gen.training.strategies import SPLITS


def check_trainer(trainer: Namespace) -> None:
    """Refuse lengths with which the Trainer would train nothing, and strategies that split parameters.

    Raises:
        InputError: A length is zero or negative, or the strategy splits parameters.
    """
    strategy = trainer.strategy if isinstance(trainer.strategy, str) else trainer.strategy.class_path.rsplit(".")[-1]
    if any(word in strategy.lower() for word in ("fsdp", "deepspeed", "model_parallel", "modelparallel")):
        raise InputError(f"--trainer.strategy {strategy} {SPLITS}")
    for name in ("max_epochs", "max_steps"):
        value = trainer.get(name)
        if value is not None and value < 1 and value != -1:
            raise InputError(f"--trainer.{name} must be at least 1, or -1 for no limit, not {value}")
