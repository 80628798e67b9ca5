"""Settings of the Trainer that are refused before anything is built, because they would do nothing or go wrong."""

from jsonargparse import Namespace

from lightning_gen.errors import InputError
from lightning_gen.training.strategies import SPLITS


def check_trainer(trainer: Namespace) -> None:
    """Refuse lengths that the Trainer would accept and do nothing with, and strategies that split parameters.

    Raises:
        InputError: A length is zero or negative, or the strategy is one of them.
    """
    strategy = trainer.strategy if isinstance(trainer.strategy, str) else trainer.strategy.class_path.rsplit(".")[-1]
    if any(word in strategy.lower() for word in ("fsdp", "deepspeed", "model_parallel", "modelparallel")):
        raise InputError(f"--trainer.strategy {strategy} {SPLITS}")
    for name in ("max_epochs", "max_steps"):
        value = trainer.get(name)
        if value is not None and value < 1 and value != -1:
            raise InputError(f"--trainer.{name} must be at least 1, or -1 for no limit, not {value}")
