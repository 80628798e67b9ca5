"""The base of encoders: it builds itself from the shape of one sample and knows no loss and no bottleneck."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from lightning_gen.networks.base import Network
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape


class Encoder(Network, ABC):
    """Maps samples to the features that a bottleneck reads.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        features: Number of features; a bottleneck states how many it needs.
        conditioning: How it is conditioned on the class; None for an unconditional encoder.
    """

    conditioning: Concatenation | None

    takes_plain_modules: ClassVar[bool] = True

    def __init__(self, shape: Shape, features: int, conditioning: Concatenation | None = None) -> None:
        super().__init__(shape, conditioning)
        require_positive(self, "features", features)
        self.features = features

    @property
    def input_shape(self) -> Shape:
        """Shape of one input of `encode`: a sample, with its class where it is concatenated."""
        return self.concatenated_shape(self.shape)

    @property
    def map_size(self) -> Shape:
        """The sides of the features where they are maps; empty where they are vectors."""
        return ()

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map samples ``(n, *shape)``, and classes ``(n,)`` where it is conditional, to ``(n, features, *map_size)``.

        Raises:
            InputError: The samples have a shape that it does not accept, or it is conditional and the classes are
                missing.
        """
        return self.encode(self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side))

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features, *map_size)``."""
