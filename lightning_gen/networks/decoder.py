"""The base of decoders: it builds itself from the shape of one sample and knows no loss and no bottleneck."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.networks.base import Network
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape


class Decoder(Network, ABC):
    """Maps codes to the parameters of a likelihood: logits or means, with no activation after the last layer.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the codes.
        outputs: Channels, or dimensions, of the output; None for those of a sample. A likelihood states how many it
            needs.
        conditioning: How it is conditioned on the class; None for an unconditional decoder.

    Attributes:
        output_shape: Shape of the output for one code, ``(outputs, height, width)`` or ``(outputs,)``.
    """

    conditioning: Concatenation | None

    takes_plain_modules: ClassVar[bool] = True

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, conditioning)
        require_positive(self, "latent_dim", latent_dim)
        self.latent_dim = latent_dim
        self.outputs = outputs
        self.output_shape: Shape = (outputs or shape[0], *shape[1:])
        require_positive(self, "outputs", *self.output_shape)

    @property
    def input_dim(self) -> int:
        """Width of the input of `decode`: the code, with the class where it is concatenated."""
        return self.concatenated_shape((self.latent_dim,))[0]

    @property
    def map_size(self) -> Shape:
        """The sides of the codes where they are maps; empty where they are vectors."""
        return ()

    def forward(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes ``(n, latent_dim, *map_size)``, and classes ``(n,)`` where it is conditional, to outputs.

        Returns:
            ``(n, *output_shape)``; for a map of codes of another size, outputs of the matching size, see `multiple_of`.

        Raises:
            InputError: The codes have a shape that it does not accept, it is conditional and the classes are missing,
                or `decode` returns a wrong shape.
        """
        sides = 1 if self.multiple_of else None  # if samples may have other sides, so may maps of codes
        output = self.decode(self.prepare(code, (self.latent_dim, *self.map_size), "latent_dim", labels, sides))
        wanted = self.output_shape if code.shape[2:] == self.map_size else self._shape_of(code)
        if output.shape[1:] != wanted:
            expected, got = (", ".join(map(str, size)) for size in (wanted, output.shape[1:]))
            raise InputError(
                f"{type(self).__name__} decodes to outputs of shape ({got}) and samples need ({expected}): let its "
                "last layer return that shape"
            )
        return output

    def _shape_of(self, code: Tensor) -> Shape:
        """Shape of the output for a map of codes of another size."""
        channels, *built = self.output_shape
        more = [side - own for side, own in zip(code.shape[2:], self.map_size, strict=True)]
        return (channels, *(own + (self.multiple_of or 1) * each for own, each in zip(built, more, strict=True)))

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim, *map_size)`` to outputs ``(n, *output_shape)``."""
