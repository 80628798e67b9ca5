"""What all networks have in common: the shape of one sample, and the class where they are told it."""

from torch import Tensor, nn

from lightning_gen.networks.conditioning import Conditioning
from lightning_gen.networks.requirements import require_labels, require_positive
from lightning_gen.records import Shape


class Network(nn.Module):
    """A network that is built for samples of one shape.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        conditioning: How it is told the class; None to know of none.
    """

    conditioning: Conditioning | None

    def __init__(self, shape: Shape, conditioning: Conditioning | None) -> None:
        super().__init__()
        require_positive(self, "shape", *shape)
        self.shape: Shape = tuple(shape)
        self.conditioning = conditioning

    @property
    def num_classes(self) -> int | None:
        """Number of classes it can be told, or None."""
        return None if self.conditioning is None else self.conditioning.num_classes

    def widened(self, shape: Shape) -> Shape:
        """Shape of one input of a shape, with its class where this stands beside it."""
        return shape if self.conditioning is None else self.conditioning.widened(shape)

    def join(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Inputs ``(n, ...)`` with their classes ``(n,)`` beside them, where it is conditional.

        Raises:
            InputError: It is conditional and not told the classes.
        """
        return x if self.conditioning is None else self.conditioning.join(x, require_labels(self, labels))
