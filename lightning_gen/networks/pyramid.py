"""The pyramid of picture sizes that every convolutional network here climbs up or down.

Sides are halved, odd ones rounded up, until the smaller one is between 4 and 6; channels double with each level up to
eight times the first. Encoders and discriminators walk down, generators and decoders walk up through the same sizes, so
any height and width goes, square or not, even or odd.
"""

from dataclasses import dataclass

from torch import nn

from lightning_gen.errors import InputError
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape

SMALLEST_SIDE = 8
LAST_SIDE = 6
WIDEST = 8


@dataclass(frozen=True)
class Pyramid:
    """Sizes and channels, from the picture itself at index 0 to the smallest map.

    Attributes:
        sizes: ``(height, width)`` of each level.
        channels: Channels of each level; those at index 0 are the picture's.
    """

    sizes: tuple[tuple[int, int], ...]
    channels: tuple[int, ...]

    @property
    def top(self) -> Shape:
        """Shape ``(channels, height, width)`` of the smallest map."""
        return (self.channels[-1], *self.sizes[-1])

    @property
    def levels(self) -> range:
        """Indices of the steps down: step i leads from level i to level i + 1."""
        return range(len(self.sizes) - 1)

    def down(self, i: int, bias: bool = True) -> nn.Conv2d:
        """Make the convolution from level i to level i + 1: kernel 4, stride 2.

        A side of odd length is padded by 2 rather than 1, which rounds its half up.
        """
        padding = [1 + side % 2 for side in self.sizes[i]]
        return nn.Conv2d(self.channels[i], self.channels[i + 1], 4, 2, (padding[0], padding[1]), bias=bias)

    def up(self, i: int, bias: bool = True) -> nn.ConvTranspose2d:
        """Make the transposed convolution from level i + 1 back to level i: kernel 4, stride 2.

        Where a side is odd one more line is cropped; every output still sees four kernel taps, so no checkerboard.
        """
        odd = [side % 2 for side in self.sizes[i]]
        return nn.ConvTranspose2d(
            self.channels[i + 1], self.channels[i], 4, 2, (1 + odd[0], 1 + odd[1]), (odd[0], odd[1]), bias=bias
        )


def doubling(width: int, count: int, growth: int = WIDEST) -> tuple[int, ...]:
    """Channels of `count` maps from the finest on: `width`, then twice as many each time, at most `growth * width`."""
    return tuple(width * min(2**i, growth) for i in range(count))


def pyramid(network: nn.Module, shape: Shape, width: int, growth: int = WIDEST) -> Pyramid:
    """Build the pyramid of a network for pictures.

    Args:
        network: The network, for its name.
        shape: Shape of one picture, ``(channels, height, width)``.
        width: Channels of the first level below the picture.
        growth: Most channels of a level, in multiples of `width`.

    Raises:
        InputError: The shape is not that of a picture of at least 8 x 8, or the width or the growth is below 1.
    """
    name = type(network).__name__
    require_positive(network, "width", width)
    require_positive(network, "growth", growth)
    if len(shape) != 3:
        raise InputError(
            f"{name} needs pictures of shape (channels, height, width) and got samples of shape {tuple(shape)}: "
            "use the Dense networks, which take any shape"
        )
    if min(shape[1:]) < SMALLEST_SIDE:
        raise InputError(
            f"{name} needs pictures of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} and got {shape[1]} x {shape[2]}: "
            f"set --data.size {SMALLEST_SIDE} or more, or use the Dense networks, which take any shape"
        )
    sizes = [(shape[1], shape[2])]
    while min(sizes[-1]) > LAST_SIDE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return Pyramid(tuple(sizes), (shape[0], *doubling(width, len(sizes) - 1, growth)))
