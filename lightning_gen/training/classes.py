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
WITH_CLASSES = "a recipe with classes, such as gan/cgan, or autoencoder/latent_diffusion on one sub-folder a class"
"""What to train for samples of classes, in messages."""


@dataclass(frozen=True)
class Classes:
    """The classes that samples can be asked for.

    Attributes:
        count: Their number; None if samples have none.
        names: Their names in the order of their indices; None if they have none.
        absent: Those that cannot be drawn, as there was nothing to learn them from.
    """

    count: int | None
    names: tuple[str, ...] | None = None
    absent: frozenset[int] = frozenset()

    @property
    def drawn(self) -> list[int]:
        """The indices of those that can be drawn."""
        return [index for index in range(self.count or 0) if index not in self.absent]

    def indices(self, asked: Any) -> Tensor:
        """The indices of classes, ``(n,)`` int64.

        Args:
            asked: A class or several, each by its number, from 0, or by its name; a tensor of numbers too.

        Raises:
            InputError: There is no such class, or it cannot be drawn.
        """
        if self.count is None:
            raise InputError(f"this model was trained without classes: leave out the labels, or train {WITH_CLASSES}")
        if isinstance(asked, str):
            asked = [asked]
        if isinstance(asked, (list, tuple)):
            asked = [self.index_of(each) if isinstance(each, str) else each for each in asked]
        found = torch.as_tensor(asked, dtype=torch.int64).reshape(-1)
        if not len(found) or found.min() < 0 or found.max() >= self.count:
            unknown = ", ".join(str(label) for label in sorted(set(found.tolist())))
            raise InputError(f"the classes are 0 to {self.count - 1} and not {unknown}: give labels among them")
        if absent := self.absent.intersection(found.tolist()):
            named = ", ".join(str(label) if self.names is None else self.names[label] for label in sorted(absent))
            raise InputError(f"no training sample is of class {named}, so it was not learned: give labels of others")
        return found

    def index_of(self, name: str) -> int:
        """The index of the class of a name.

        Raises:
            InputError: There is none.
        """
        names, last = self.names, (self.count or 0) - 1
        if names is None:
            raise InputError(f"the classes of this model have no names, so there is no '{name}': give 0 to {last}")
        if name not in names:
            listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
            raise InputError(f"there is no class '{name}'{suggest(name, names)}: the classes are {listed}")
        return names.index(name)

    def of_samples(
        self, n: int, labels: Tensor | Sequence[int | str] | int | str | None, generator: torch.Generator
    ) -> Tensor:
        """Classes ``(n,)`` of samples to draw: those asked for, repeated, or uniformly random ones.

        Args:
            n: Number of samples.
            labels: Class or classes asked for, by number or name; or None.
            generator: Source of random classes.

        Raises:
            InputError: There is no such class, or it cannot be drawn.
        """
        if labels is None and self.count is not None:
            return torch.randint(self.count, (n,), generator=generator, device=generator.device)
        asked = self.indices(labels)
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
