"""The base of translators: networks from images to images, which know no loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.base import Network
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape


class Translator(Network, ABC):
    """Maps samples of one domain, the sources, to samples of another, whose sides are `scale` times as long.

    Some give feature maps of their encoder by name, for losses that compare positions of a source with those of its
    translation. What a name means does not depend on the options of a network.

    Args:
        shape: Shape of one source, ``(channels, height, width)``, or of a signal or volume.
        target_channels: Channels of a translation; None for those of a source.
    """

    takes_plain_modules: ClassVar[bool] = True

    def __init__(self, shape: Shape, target_channels: int | None = None) -> None:
        super().__init__(shape, None)
        self.target_channels = target_channels
        require_positive(self, "target_channels", shape[0] if target_channels is None else target_channels)

    @property
    def scale(self) -> int:
        """How many times as long as those of a source the sides of a translation are."""
        return 1

    @property
    def target_shape(self) -> Shape:
        """Shape of the translation of a source of `shape`."""
        return self.target_shape_of(self.shape)

    def target_shape_of(self, shape: Shape) -> Shape:
        """Shape of the translation of a source of a shape, such as one of another size."""
        channels = shape[0] if self.target_channels is None else self.target_channels
        return (channels, *(self.scale * side for side in shape[1:]))

    @property
    def radius(self) -> int | None:
        """How far from its own place in the source, in pixels, a pixel of a translation may depend on it.

        In evaluation mode a translation may then be made of parts, each from a part of the source with so many pixels
        more on each side. None: it depends on the whole source, as with instance normalization, or is not known.
        """
        return None

    @property
    def feature_channels(self) -> Mapping[str, int]:
        """The names of the feature maps that it gives, in the order of its layers, and their channels."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        """Map sources ``(n, *shape)`` to translations ``(n, *target_shape)``.

        Sources of other sides, see `multiple_of` and `least_side`, have translations of `target_shape_of` them.

        Raises:
            InputError: The sources have a shape that it does not accept, or `translate` returns a wrong shape.
        """
        return self.checked(self.translate(self.checked_source(x)), x)

    @abstractmethod
    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to translations ``(n, target_channels, *(scale · sides))``."""

    def features(self, x: Tensor, names: Sequence[str]) -> tuple[Tensor, ...]:
        """The feature maps of sources ``(n, *shape)``, computed as far as the last of them.

        Args:
            x: The sources.
            names: Names of `feature_channels`.

        Returns:
            One map ``(n, channels, *sides)`` for each name, in the order of the names.

        Raises:
            InputError: The sources have a shape that it does not accept, or it gives no features of a name.
        """
        self.require_features(names)
        return ()

    def forward_with_features(self, x: Tensor, names: Sequence[str]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The translations of sources ``(n, *shape)`` and their feature maps, of one pass; see `features`.

        Raises:
            InputError: The sources have a shape that it does not accept, or it gives no features of a name.
        """
        self.require_features(names)
        return self(x), ()

    def checked_source(self, x: Tensor) -> Tensor:
        """The sources, whose shape is one that it accepts.

        Raises:
            InputError: It is not.
        """
        return self.prepare(x, self.shape, "shape", None, self.multiple_of, self.least_side)

    def checked(self, output: Tensor, x: Tensor) -> Tensor:
        """The translations of sources, which have the shape that they should.

        Raises:
            InputError: They do not.
        """
        wanted = self.target_shape_of(tuple(x.shape[1:]))
        if tuple(output.shape[1:]) != wanted:
            expected, got = (", ".join(map(str, size)) for size in (wanted, output.shape[1:]))
            raise InputError(
                f"{type(self).__name__} translates to samples of shape ({got}) and they need ({expected}): let its "
                "last layer return that shape"
            )
        return output

    def require_features(self, names: Sequence[str]) -> None:
        """Check that it gives features of some names.

        Raises:
            InputError: It does not.
        """
        unknown = [name for name in names if name not in self.feature_channels]
        if unknown:
            known = ", ".join(self.feature_channels)
            raise InputError(
                f"{type(self).__name__} gives no features '{unknown[0]}': "
                + (f"take some of {known}" if known else "use a translator that gives features, ResNetTranslator")
            )


def doublings(network: nn.Module, scale: int) -> int:
    """How often sides are doubled to be `scale` times as long.

    Raises:
        InputError: That is no whole number of times.
    """
    require_positive(network, "scale", scale)
    if scale & (scale - 1):
        raise InputError(f"{type(network).__name__} cannot have scale {scale}: give a power of 2, such as 2 or 4")
    return scale.bit_length() - 1
