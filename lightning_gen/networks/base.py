"""The base of all networks: it knows the shape of one sample and the conditioning on the class."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.deprecation import FormerNames
from lightning_gen.networks.conditioning import FORMER_NAMES, Conditioning
from lightning_gen.networks.requirements import require_labels, require_positive, require_shape
from lightning_gen.recording import Recorded
from lightning_gen.records import Shape


class Network(Recorded, FormerNames, nn.Module):
    """A network that is built for samples of one shape.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        conditioning: How it is conditioned on the class; None for an unconditional network.

    Attributes:
        backend: The backend of ``torch.compile`` for passes with the gradient at the input; None to run them eagerly.
    """

    former_names: ClassVar[Mapping[str, str]] = FORMER_NAMES
    backend: str | None = None

    conditioning: Conditioning | None

    def __init__(self, shape: Shape, conditioning: Conditioning | None) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        self.shape: Shape = tuple(shape)
        self.conditioning = conditioning

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        """Any other module may take the place of a network, in a module's arguments and so at the command line.

        It is wrapped there; see `lightning_gen.networks.wrapped`.
        """
        if "takes_plain_modules" in vars(cls) and issubclass(kind, nn.Module) and not issubclass(kind, Network):
            return True
        return NotImplemented

    @property
    def multiple_of(self) -> int | None:
        """The sides of a sample may differ from those of `shape` by multiples of this number.

        1: all sides are accepted. None: only the sides of `shape` are accepted.
        """
        return None

    @property
    def least_side(self) -> int:
        """The smallest side that it accepts, where it accepts other sides than those of `shape`."""
        return 1

    @property
    def num_classes(self) -> int | None:
        """Number of classes that it is conditioned on; None if it is unconditional."""
        return None if self.conditioning is None else self.conditioning.num_classes

    def concatenated_shape(self, shape: Shape) -> Shape:
        """Shape of one input after `concatenate`."""
        return shape if self.conditioning is None else self.conditioning.concatenated_shape(shape)

    def concatenate(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Concatenate the classes ``(n,)`` to inputs ``(n, ...)``, where the conditioning does so.

        Raises:
            InputError: It is conditional and the classes are missing.
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
        """Check the shape of inputs ``(n, *shape)`` and concatenate their classes ``(n,)`` where it is conditional.

        Args:
            x: The inputs.
            shape: The shape of one of them.
            argument: The constructor argument that determines the shape.
            labels: The classes, or None.
            multiple_of: Sides may differ by multiples of this number; None: they may not differ.
            least_side: The smallest side that is accepted.

        Raises:
            InputError: The inputs have another shape, or it is conditional and the classes are missing.
        """
        if x.shape[1:] != shape:
            require_shape(self, x, shape, argument, multiple_of, least_side)
        return self.concatenate(x, labels)
