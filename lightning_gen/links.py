"""Arguments of the parts of a module that follow from the data and from its other parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Parts(Protocol):
    """The data and the configuration of a module; each part is built when it is first requested."""

    @property
    def data(self) -> Any:
        """The DataModule."""

    def part(self, name: str) -> Any:
        """The part of the module with a given argument name.

        Raises:
            InputError: It is missing or cannot be built.
        """

    def value(self, name: str) -> Any:
        """The argument of a name, also where it is no part or may be missing: the part, plain data, or None."""

    def first(self, name: str, kind: type) -> Any:
        """The first part of a class in an argument that is a dictionary of parts; None if there is none."""


@dataclass(frozen=True)
class Link:
    """An argument that follows from others.

    Attributes:
        target: The dotted name of the argument, such as ``decoder.latent_dim``. It is ignored if the part has no such
            argument.
        ask: Returns its value from the data and the other parts of the module.
    """

    target: str
    ask: Callable[[Parts], Any]


def shape(target: str) -> Link:
    """An argument that is the shape of one sample, such as ``(1, 28, 28)``."""
    return Link(target, lambda parts: list(parts.data.shape))


def num_classes(part: str) -> Link:
    """The number of classes of the conditioning of a part: that of the data, or 0 if they have no labels."""
    return Link(f"{part}.conditioning.num_classes", lambda parts: parts.data.num_classes or 0)
