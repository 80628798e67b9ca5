"""What an argument of a module's part is, where it follows from the data and from the module's other parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Parts(Protocol):
    """The data and the arguments of a module that is only configured; each part is built once it is asked for."""

    @property
    def data(self) -> Any:
        """The DataModule."""

    def part(self, name: str) -> Any:
        """The part that the module takes under a name.

        Raises:
            InputError: There is none, or it cannot be built.
        """

    def first(self, name: str, kind: type) -> Any:
        """The first part of a kind in an argument that is a dictionary of parts; None where there is none."""


@dataclass(frozen=True)
class Link:
    """An argument that follows from others.

    Attributes:
        target: The argument, by the names of the module's arguments and of those of its parts, such as
            ``decoder.latent_dim``. A part that has no such argument is left alone.
        ask: Gives its value, from the data and the module's other parts.
    """

    target: str
    ask: Callable[[Parts], Any]


def shape(target: str) -> Link:
    """An argument that is the shape of one sample, such as ``(1, 28, 28)``."""
    return Link(target, lambda parts: list(parts.data.shape))


def num_classes(part: str) -> Link:
    """The number of classes that the conditioning of a part takes: that of the data, 0 where they have no labels."""
    return Link(f"{part}.conditioning.num_classes", lambda parts: parts.data.num_classes or 0)
