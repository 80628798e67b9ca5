"""The classes of conditional models: those of samples, by number or name, and a check against the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.spelling import suggest

LISTED = 30
"""Maximum number of classes that a message names."""


@dataclass(frozen=True)
class Classes:
    """The classes that samples can be asked for.

    Attributes:
        count: Their number; None if samples have none.
        names: Their names in the order of their indices; None if they have none.
    """

    count: int | None
    names: tuple[str, ...] | None = None

    def indices(self, asked: Any) -> list[int]:
        """The indices of classes that are given by name or number; see `class_indices`."""
        return class_indices(self.count, asked, self.names).tolist()


def class_indices(known: int | None, asked: Any, names: Sequence[str] | None = None) -> Tensor:
    """The indices of classes, ``(n,)`` int64.

    Args:
        known: Number of classes; None if there are none.
        asked: A class or several, each by its number, from 0, or by its name; a tensor of numbers too.
        names: Names of the classes in the order of their indices, or None.

    Raises:
        InputError: The model has no such class.
    """
    if known is None:
        raise InputError(
            "this model was trained without classes: leave out the labels, or train a recipe with classes, such as "
            "gan/cgan"
        )
    if isinstance(asked, str):
        asked = [asked]
    if isinstance(asked, (list, tuple)):
        asked = [index_of(each, known, names) if isinstance(each, str) else each for each in asked]
    found = torch.as_tensor(asked, dtype=torch.int64).reshape(-1)
    if not len(found) or found.min() < 0 or found.max() >= known:
        unknown = ", ".join(str(label) for label in sorted(set(found.tolist())))
        raise InputError(f"the classes are 0 to {known - 1} and not {unknown}: give labels among them")
    return found


def index_of(name: str, known: int, names: Sequence[str] | None) -> int:
    """The index of the class of a name.

    Raises:
        InputError: There is none.
    """
    if names is None:
        raise InputError(f"the classes of this model have no names, so there is no '{name}': give 0 to {known - 1}")
    if name not in names:
        listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
        raise InputError(f"there is no class '{name}'{suggest(name, names)}: the classes are {listed}")
    return list(names).index(name)


def sampled_classes(
    known: int | None,
    n: int,
    labels: Tensor | Sequence[int | str] | int | str | None,
    generator: torch.Generator,
    names: Sequence[str] | None = None,
) -> Tensor:
    """Classes ``(n,)`` of samples to draw: those asked for, repeated, or uniformly random ones.

    Args:
        known: Number of classes of the model; None if it is not conditional.
        n: Number of samples.
        labels: Class or classes asked for, by number or name; or None.
        generator: Source of random classes.
        names: Names of the classes in the order of their indices, or None.

    Raises:
        InputError: The model has no such class.
    """
    if labels is None and known is not None:
        return torch.randint(known, (n,), generator=generator, device=generator.device)
    asked = class_indices(known, labels, names)
    return asked.repeat(-(-n // len(asked)))[:n]


def check_classes(known: int, given: int | None) -> None:
    """Check that conditional networks and data agree on the classes.

    Raises:
        InputError: They do not.
    """
    if given is None:
        raise InputError(
            "the networks are conditional and the data have no labels: take data with labels (for ImageFolder, one "
            "folder a class), or leave the conditioning out"
        )
    if given > known:
        raise InputError(f"the data have {given} classes and the networks know {known}: set num_classes to {given}")
