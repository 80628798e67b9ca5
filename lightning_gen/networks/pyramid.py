"""The pyramid of sizes and channels that the convolutional networks share.

Each level halves the sides, rounded up, until the smallest side is between 4 and 6, and doubles the channels, up to
eight times the first. Long signals take fewer levels with a larger stride. Encoders and discriminators go down the
levels; generators and decoders go up through the same sizes. So the sides may be equal or not, even or odd: of signals
``(channels, length)``, images ``(channels, height, width)`` and volumes ``(channels, depth, height, width)``.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.requirements import require_positive
from lightning_gen.ranges import COUNT
from lightning_gen.records import Shape

LAST_SIDE = 3
"""Strides in the smallest side of the smallest map, at most."""
WIDEST = 8


@dataclass(frozen=True)
class Striding:
    """The kernel and the stride of convolutions that change the size of a map: kernel `stride` · `taps`.

    Every output of a transposed convolution depends on `taps` places of a side, as many as its neighbours, so there is
    no checkerboard in images and no comb of pitches in sounds.

    Attributes:
        stride: Factor of the sides, at least 2.
        taps: Strides in a kernel, at least 2.

    Raises:
        InputError: A number is too small, or the kernel cannot be centred: one of both is odd and the other even.
    """

    stride: int = 2
    taps: int = 2

    def __post_init__(self) -> None:
        if self.stride not in COUNT or self.taps not in COUNT or min(self.stride, self.taps) < 2:
            raise InputError(f"stride and taps must be whole numbers of at least 2, not {self.stride} and {self.taps}")
        if self.stride % 2 and not self.taps % 2:
            raise InputError(
                f"a kernel of {self.taps} strides of {self.stride} has no middle: give an even stride or odd taps"
            )

    @property
    def kernel(self) -> int:
        """Places in a kernel on each side."""
        return self.stride * self.taps

    def below(self, side: int) -> int:
        """The side of the next smaller map: divided by the stride, rounded up."""
        return -(-side // self.stride)

    def padding(self, side: int) -> int:
        """The padding of the larger map, of this side."""
        return (self.taps - 1) * self.stride // 2 + -(-self._missing(side) // 2)

    def output_padding(self, side: int) -> int:
        """What a transposed convolution adds at the end to have this side."""
        return self._missing(side) % 2

    def _missing(self, side: int) -> int:
        return -side % self.stride


HALVING = Striding()
"""Kernel 4, stride 2."""


@dataclass(frozen=True)
class Pyramid:
    """Sizes and channels, from the sample itself at index 0 to the smallest map.

    Attributes:
        sizes: The sides of each level, such as ``(height, width)``.
        channels: Channels of each level; index 0 is the sample.
        layers: The layers for the number of spatial dimensions.
        striding: Kernel and stride of the steps.
    """

    sizes: tuple[Shape, ...]
    channels: tuple[int, ...]
    layers: Layers
    striding: Striding = HALVING

    @property
    def top(self) -> Shape:
        """Shape ``(channels, *sides)`` of the smallest map."""
        return (self.channels[-1], *self.sizes[-1])

    @property
    def levels(self) -> range:
        """Indices of the steps down: step i leads from level i to level i + 1."""
        return range(len(self.sizes) - 1)

    def down(self, i: int, bias: bool = True) -> nn.Module:
        """Make the convolution from level i to level i + 1.

        A side that is no multiple of the stride is padded more, so that its part is rounded up. A side that is equal on
        both levels, as in thin volumes, has kernel 3 and stride 1.
        """
        conv: Any = self.layers.conv
        return conv(self.channels[i], self.channels[i + 1], *self._step(i)[:3], bias=bias)

    def up(self, i: int, bias: bool = True) -> nn.Module:
        """Make the transposed convolution from level i + 1 back to level i; see `down`."""
        conv: Any = self.layers.conv_transpose
        return conv(self.channels[i + 1], self.channels[i], *self._step(i), bias=bias)

    def _step(self, i: int) -> list[Shape]:
        """Kernel, stride, padding and output padding on each side, between level i and the next one."""
        by = self.striding
        sides = [
            (3, 1, 1, 0)
            if before == after > 1
            else (by.kernel, by.stride, by.padding(before), by.output_padding(before))
            for before, after in zip(self.sizes[i], self.sizes[i + 1], strict=True)
        ]
        return [*zip(*sides, strict=True)]


def strided(layers: Layers, before: int, after: int, sides: Shape, bias: bool = True) -> nn.Module:
    """Make a convolution that halves the sides of a map: kernel 4, stride 2."""
    return Pyramid((sides, halved(sides)), (before, after), layers).down(0, bias)


def strided_back(layers: Layers, before: int, after: int, sides: Shape, bias: bool = True) -> nn.Module:
    """Make a transposed convolution to a map with these sides, from one with half of them."""
    return Pyramid((sides, halved(sides)), (after, before), layers).up(0, bias)


def halved(sides: Shape) -> Shape:
    """Half of each side, odd ones rounded up."""
    return tuple(-(-side // 2) for side in sides)


def doubling(width: int, count: int, growth: int = WIDEST) -> tuple[int, ...]:
    """Channels of `count` maps from the finest on: `width`, doubled each time, at most `growth * width`."""
    return tuple(width * min(2**i, growth) for i in range(count))


def pyramid(
    network: nn.Module, shape: Shape, width: int, growth: int = WIDEST, striding: Striding | None = None
) -> Pyramid:
    """Build the pyramid of a network.

    Levels follow until the smallest side has at most three strides. Of volumes whose network takes a stride, as those
    that are built of `Pyramid.down` and `Pyramid.up` do, each side is divided while it has more than that, so that they
    may be thin.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, *sides)`` with one to three sides.
        width: Channels of the first level below the sample.
        growth: Most channels of a level, in multiples of `width`.
        striding: Kernel and stride of the steps; None for a network that has its own and halves all sides.

    Raises:
        InputError: The shape has no side, more than three or one below four strides, or the width or the growth is
            below 1.
    """
    require_positive(network, "width", width)
    require_positive(network, "growth", growth)
    layers, by = layers_for(network, shape), striding or HALVING
    thin = striding is not None and layers.dimensions == 3
    deciding, least = max if thin else min, (LAST_SIDE + 1) * by.stride
    if deciding(shape[1:]) < least:
        wanted, got = (" x ".join(map(str, sides)) for sides in ([least] * layers.dimensions, shape[1:]))
        raise InputError(
            f"{type(network).__name__} needs {layers.noun} of at least {wanted} and got {got}: set --data.size "
            f"{least} or more, or use the Dense networks, which take any shape"
        )
    sizes, last = [tuple(shape[1:])], LAST_SIDE * by.stride
    while deciding(sizes[-1]) > last:
        sizes.append(tuple(by.below(side) if side > last or not thin else side for side in sizes[-1]))
    return Pyramid(tuple(sizes), (shape[0], *doubling(width, len(sizes) - 1, growth)), layers, by)
