"""The classes of conditional models: those of samples, and a check against the data."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_gen.errors import InputError


def sampled_classes(
    known: int | None, n: int, labels: Tensor | Sequence[int] | int | None, generator: torch.Generator
) -> Tensor:
    """Classes ``(n,)`` of samples to draw: those asked for, repeated, or uniformly random ones.

    Args:
        known: Number of classes of the model; None if it is not conditional.
        n: Number of samples.
        labels: Class or classes asked for, or None.
        generator: Source of random classes.

    Raises:
        InputError: The model has no such class.
    """
    if known is None:
        raise InputError("this model was trained without classes: leave out the labels")
    if labels is None:
        return torch.randint(known, (n,), generator=generator, device=generator.device)
    asked = torch.as_tensor(labels, dtype=torch.int64).reshape(-1)
    if not len(asked) or asked.min() < 0 or asked.max() >= known:
        unknown = ", ".join(str(label) for label in sorted(set(asked.tolist())))
        raise InputError(f"the classes are 0 to {known - 1} and not {unknown}: give labels among them")
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
