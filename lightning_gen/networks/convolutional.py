"""A convolutional encoder and its mirror image, for pictures of any size from 8 x 8 and any number of channels."""

from math import gcd, prod

from torch import Tensor, nn

from lightning_gen.networks.base import Decoder, Encoder, require_shape
from lightning_gen.networks.pyramid import pyramid
from lightning_gen.records import Shape


class ConvEncoder(Encoder):
    """Strided convolutions with GroupNorm and SiLU, and one linear map of the last features.

    GroupNorm, not BatchNorm: a picture's code does not depend on the batch it came in.

    Args:
        shape: Shape of one picture, ``(channels, height, width)``, sides from 8.
        features: Width of the features.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.

    Raises:
        InputError: The shape is not that of a picture of at least 8 x 8.
    """

    def __init__(self, shape: Shape, features: int, width: int = 32) -> None:
        super().__init__(shape, features)
        self.width = width
        levels = pyramid(self, shape, width)
        layers: list[nn.Module] = []
        for i in levels.levels:
            layers += [levels.down(i), group_norm(levels.channels[i + 1]), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(prod(levels.top), features))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, *shape)`` to features ``(n, features)``."""
        require_shape(self, x, self.shape, "shape")
        return self.layers(x)


class ConvDecoder(Decoder):
    """The mirror image of ConvEncoder: a linear map, then transposed convolutions with GroupNorm and SiLU.

    Args:
        shape: Shape of one picture, ``(channels, height, width)``, sides from 8.
        latent_dim: Width of the codes.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.

    Raises:
        InputError: The shape is not that of a picture of at least 8 x 8.
    """

    def __init__(self, shape: Shape, latent_dim: int, width: int = 32) -> None:
        super().__init__(shape, latent_dim)
        self.width = width
        levels = pyramid(self, shape, width)
        layers = [nn.Linear(latent_dim, prod(levels.top)), nn.Unflatten(1, levels.top)]
        for i in reversed(levels.levels):
            layers += [group_norm(levels.channels[i + 1]), nn.SiLU(), levels.up(i)]
        self.layers = nn.Sequential(*layers)

    def forward(self, code: Tensor) -> Tensor:
        """Map codes ``(n, latent_dim)`` to outputs ``(n, *shape)``."""
        require_shape(self, code, (self.latent_dim,), "latent_dim")
        return self.layers(code)


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalise in 8 groups, or in as many as divide the channels evenly."""
    return nn.GroupNorm(gcd(8, channels), channels)
