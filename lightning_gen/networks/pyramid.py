"""The pyramid of sizes and channels that the convolutional networks share.

Each level halves the sides, rounded up, until the smallest side is between 4 and 6, and doubles the channels, up to
eight times the first. Long signals need a greater stride, or most of the work is that of the finest levels. Encoders
and discriminators go down the levels; generators and decoders go up through the same sizes. So the sides may be equal
or not, even or odd: of signals ``(channels, length)``, images ``(channels, height, width)`` and volumes
``(channels, depth, height, width)``.
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
        stride: The ratio of the sides of two levels.
        taps: Taps of the kernels, in strides: a kernel has `taps` times `stride` taps on each side.
    """

    sizes: tuple[Shape, ...]
    channels: tuple[int, ...]
    layers: Layers
    stride: int = 2
    taps: int = 2

    @property
    def top(self) -> Shape:
        """Shape ``(channels, *sides)`` of the smallest map."""
        return (self.channels[-1], *self.sizes[-1])

    @property
    def levels(self) -> range:
        """Indices of the steps down: step i leads from level i to level i + 1."""
        return range(len(self.sizes) - 1)

    def down(self, i: int, bias: bool = True) -> nn.Module:
        """Make the convolution from level i to level i + 1: kernel 4, stride 2, unless others are asked for.

        A side that is no multiple of the stride is padded by more, so that its quotient is rounded up.
        """
        return strided(self.layers, self.channels[i], self.channels[i + 1], self.sizes[i], bias, self.stride, self.taps)

    def up(self, i: int, bias: bool = True) -> nn.Module:
        """Make the transposed convolution from level i + 1 back to level i: kernel 4, stride 2, unless others
        are asked for.

        An odd side is cropped by one more line. Every output still depends on as many kernel taps, `taps` on each side,
        so there is no checkerboard.
        """
        return strided_back(
            self.layers, self.channels[i + 1], self.channels[i], self.sizes[i], bias, self.stride, self.taps
        )


def strided(
    layers: Layers, before: int, after: int, sides: Shape, bias: bool = True, stride: int = 2, taps: int = 2
) -> nn.Module:
    """Make a convolution that divides the sides of a map by a stride; see `Pyramid.down`."""
    padding, _ = paddings(sides, stride, taps)
    return layers.conv(before, after, taps * stride, stride, padding, bias=bias)  # type: ignore[arg-type]


def strided_back(
    layers: Layers, before: int, after: int, sides: Shape, bias: bool = True, stride: int = 2, taps: int = 2
) -> nn.Module:
    """Make a transposed convolution to a map with these sides, from one that `strided` makes; see `Pyramid.up`."""
    padding, added = paddings(sides, stride, taps)
    kind = layers.conv_transpose
    return kind(before, after, taps * stride, stride, padding, added, bias=bias)  # type: ignore[arg-type]


def paddings(sides: Shape, stride: int, taps: int) -> tuple[Shape, Shape]:
    """The padding of the convolutions down from and up to sides, and the output padding of the latter."""
    short = tuple(-side % stride for side in sides)
    padding = tuple((taps - 1) * stride // 2 + -(-each // 2) for each in short)
    return padding, tuple(each % 2 for each in short)


def halved(sides: Shape, stride: int = 2) -> Shape:
    """Half of each side, or its quotient by another stride, rounded up."""
    return tuple(-(-side // stride) for side in sides)


def doubling(width: int, count: int, growth: int = WIDEST) -> tuple[int, ...]:
    """Channels of `count` maps from the finest on: `width`, doubled each time, at most `growth * width`."""
    return tuple(width * min(2**i, growth) for i in range(count))


def pyramid(
    network: nn.Module, shape: Shape, width: int, growth: int = WIDEST, stride: int = 2, taps: int = 2
) -> Pyramid:
    """Build the pyramid of a network.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, *sides)`` with one to three sides.
        width: Channels of the first level below the sample.
        growth: Most channels of a level, in multiples of `width`.
        stride: The ratio of the sides of two levels, even.
        taps: Taps of the kernels, in strides, at least 2.

    Raises:
        InputError: The shape has no side, more than three or one below 8, the width or the growth is below 1, the
            stride is odd, or there are fewer than 2 taps.
    """
    require_positive(network, "width", width)
    require_positive(network, "growth", growth)
    if stride < 2 or stride % 2 or taps < 2:
        raise InputError(
            f"{type(network).__name__} needs an even stride and at least 2 taps, not {stride} and {taps}: set stride "
            "to 2, 4 or 8, and taps to 2 or more"
        )
    layers = layers_for(network, shape)
    if min(shape[1:]) < SMALLEST_SIDE:
        least, got = (" x ".join(map(str, sides)) for sides in ([SMALLEST_SIDE] * layers.dimensions, shape[1:]))
        raise InputError(
            f"{type(network).__name__} needs {layers.noun} of at least {least} and got {got}: set --data.size "
            f"{SMALLEST_SIDE} or more, or use the Dense networks, which take any shape"
        )
    sizes = [tuple(shape[1:])]
    while min(sizes[-1]) > LAST_SIDE:
        sizes.append(halved(sizes[-1], stride))
    return Pyramid(tuple(sizes), (shape[0], *doubling(width, len(sizes) - 1, growth)), layers, stride, taps)
