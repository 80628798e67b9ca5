"""The numbers that optimizers are made of."""

from collections.abc import Iterator
from typing import Any

from torch.optim import Optimizer

from lightning_gen.errors import InputError
from lightning_gen.ranges import FINITE, FROM_0


def check_options(optimizer: Optimizer, owner: str) -> None:
    """Check the numbers of all groups of an optimizer, of which torch checks most but not all.

    Args:
        optimizer: The optimizer.
        owner: What they are called in a refusal.

    Raises:
        InputError: A number is not finite, or a learning rate is negative.
    """
    for group in optimizer.param_groups:
        for name, value in numbers(group):
            allowed = FROM_0 if name == "lr" else FINITE
            if value not in allowed:
                raise InputError(f"{owner} cannot have {name} {value}: give a number {allowed.words}")


def numbers(group: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a group by name, those of pairs too."""
    for name, value in group.items():
        for each in value if isinstance(value, (tuple, list)) and name != "params" else [value]:
            if isinstance(each, float):
                yield name, each
