"""The pyramid of sizes and channels that the convolutional networks share.

Each level halves the sides, rounded up, until the smallest side is between 4 and 6, and doubles the channels, up to
eight times the first. Encoders and discriminators go down the levels; generators and decoders go up through the same
sizes. So the sides may be equal or not, even or odd: of signals ``(channels, length)``, images
``(channels, height, width)`` and volumes ``(channels, depth, height, width)``.
"""

from dataclasses import dataclass

from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape

SMALLEST_SIDE = 8
LAST_SIDE = 6
WIDEST = 8


@dataclass(frozen=True)
class Pyramid:
    """Sizes and channels, from the sample itself at index 0 to the smallest map.

    Attributes:
        sizes: The sides of each level, such as ``(height, width)``.
        channels: Channels of each level; index 0 is the sample.
        layers: The layers for the number of spatial dimensions.
    """

    sizes: tuple[Shape, ...]
    channels: tuple[int, ...]
    layers: Layers

    @property
    def top(self) -> Shape:
        """Shape ``(channels, *sides)`` of the smallest map."""
        return (self.channels[-1], *self.sizes[-1])

    @property
    def levels(self) -> range:
        """Indices of the steps down: step i leads from level i to level i + 1."""
        return range(len(self.sizes) - 1)

    def down(self, i: int, bias: bool = True) -> nn.Module:
        """Make the convolution from level i to level i + 1: kernel 4, stride 2.

        An odd side is padded by 2 instead of 1, so that half of it is rounded up.
        """
        return strided(self.layers, self.channels[i], self.channels[i + 1], self.sizes[i], bias)

    def up(self, i: int, bias: bool = True) -> nn.Module:
        """Make the transposed convolution from level i + 1 back to level i: kernel 4, stride 2.

        An odd side is cropped by one more line. Every output still depends on four kernel taps, so there is no
        checkerboard.
        """
        return strided_back(self.layers, self.channels[i + 1], self.channels[i], self.sizes[i], bias)


def strided(layers: Layers, before: int, after: int, sides: Shape, bias: bool = True) -> nn.Module:
    """Make a convolution that halves the sides of a map: kernel 4, stride 2; see `Pyramid.down`."""
    padding = tuple(1 + side % 2 for side in sides)
    return layers.conv(before, after, 4, 2, padding, bias=bias)  # type: ignore[arg-type]


def strided_back(layers: Layers, before: int, after: int, sides: Shape, bias: bool = True) -> nn.Module:
    """Make a transposed convolution to a map with these sides, from one with half of them; see `Pyramid.up`."""
    odd = tuple(side % 2 for side in sides)
    padding = tuple(1 + each for each in odd)
    return layers.conv_transpose(before, after, 4, 2, padding, odd, bias=bias)  # type: ignore[arg-type]


def halved(sides: Shape) -> Shape:
    """Half of each side, odd ones rounded up."""
    return tuple(-(-side // 2) for side in sides)


def doubling(width: int, count: int, growth: int = WIDEST) -> tuple[int, ...]:
    """Channels of `count` maps from the finest on: `width`, doubled each time, at most `growth * width`."""
    return tuple(width * min(2**i, growth) for i in range(count))


def pyramid(network: nn.Module, shape: Shape, width: int, growth: int = WIDEST) -> Pyramid:
    """Build the pyramid of a network.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, *sides)`` with one to three sides.
        width: Channels of the first level below the sample.
        growth: Most channels of a level, in multiples of `width`.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or the width or the growth is below 1.
    """
    require_positive(network, "width", width)
    require_positive(network, "growth", growth)
    layers = layers_for(network, shape)
    if min(shape[1:]) < SMALLEST_SIDE:
        least, got = (" x ".join(map(str, sides)) for sides in ([SMALLEST_SIDE] * layers.dimensions, shape[1:]))
        raise InputError(
            f"{type(network).__name__} needs {layers.noun} of at least {least} and got {got}: set --data.size "
            f"{SMALLEST_SIDE} or more, or use the Dense networks, which take any shape"
        )
    sizes = [tuple(shape[1:])]
    while min(sizes[-1]) > LAST_SIDE:
        sizes.append(halved(sizes[-1]))
    return Pyramid(tuple(sizes), (shape[0], *doubling(width, len(sizes) - 1, growth)), layers)
