"""What all networks have in common: the shape of one sample, and the class where they are told it."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.deprecation import FormerNames
from lightning_gen.networks.conditioning import FORMER_NAMES, Conditioning
from lightning_gen.networks.requirements import require_labels, require_positive, require_shape
from lightning_gen.records import Shape


class Network(FormerNames, nn.Module):
    """A network that is built for samples of one shape.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        conditioning: How it is told the class; None to know of none.
    """

    former_names: ClassVar[Mapping[str, str]] = FORMER_NAMES

    conditioning: Conditioning | None

    def __init__(self, shape: Shape, conditioning: Conditioning | None) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        self.shape: Shape = tuple(shape)
        self.conditioning = conditioning

    @property
    def multiple_of(self) -> int | None:
        """By multiples of how much the sides of samples may differ from those that it was built for.

        1 where it takes any sides; where those that it was built for are multiples of it, all others have to be too.
        None where it takes no others.
        """
        return None

    @property
    def least_side(self) -> int:
        """The least side of samples that it takes, where it takes others than those that it was built for."""
        return 1

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be told, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    def concatenated_shape(self, shape: Shape) -> Shape:
        """Shape of one input of a shape, with its class where this stands beside it."""
        return shape if self.conditioning is None else self.conditioning.concatenated_shape(shape)

    def concatenate(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Inputs ``(n, ...)`` with their classes ``(n,)`` beside them, where it is conditional.

        Raises:
            InputError: It is conditional and not told the classes.
        """
        return x if self.conditioning is None else self.conditioning.concatenate(x, require_labels(self, labels))

    def prepare(
        self,
        x: Tensor,
        shape: Shape,
        argument: str,
        labels: Tensor | None,
        multiple_of: int | None = None,
        least_side: int = 1,
    ) -> Tensor:
        """Inputs ``(n, *shape)``, checked, with their classes ``(n,)`` beside them where it is conditional.

        Args:
            x: The inputs.
            shape: The shape of one of them.
            argument: The constructor's argument that fixed the shape.
            labels: The classes, or None.
            multiple_of: By multiples of how much their sides may be others; None for no others.
            least_side: The least side that may be.

        Raises:
            InputError: The inputs have another shape, or it is conditional and not told the classes.
        """
        if x.shape[1:] != shape:
            require_shape(self, x, shape, argument, multiple_of, least_side)
        return x if self.conditioning is None else self.conditioning.concatenate(x, require_labels(self, labels))
