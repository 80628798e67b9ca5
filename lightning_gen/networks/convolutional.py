"""A convolutional encoder and a decoder that mirrors it, for images from 8 x 8 pixels, signals and volumes."""

from math import gcd, prod

from torch import Tensor, nn

from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.pyramid import Striding, pyramid
from lightning_gen.records import Shape


class ConvEncoder(Encoder):
    """Strided convolutions with GroupNorm and SiLU, and one linear map of the last features.

    GroupNorm instead of BatchNorm: the code of an image does not depend on the other images of the batch.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        features: Width of the features.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        conditioning: How it is conditioned on the class; None for an unconditional encoder.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8.
    """

    def __init__(
        self,
        shape: Shape,
        features: int,
        width: int = 32,
        conditioning: Concatenation | None = None,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, features, conditioning)
        self.width = width
        self.stride = stride
        self.taps = taps
        levels = pyramid(self, self.input_shape, width, striding=Striding(stride, taps))
        layers: list[nn.Module] = []
        for i in levels.levels:
            layers += [levels.down(i), group_norm(levels.channels[i + 1]), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(prod(levels.top), features))

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features)``."""
        return self.layers(x)


class ConvDecoder(Decoder):
    """Mirrors ConvEncoder: a linear map, then transposed convolutions with GroupNorm and SiLU.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the codes.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        outputs: Channels of the output; None for those of a sample.
        conditioning: How it is conditioned on the class; None for an unconditional decoder.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        width: int = 32,
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, latent_dim, outputs, conditioning)
        self.width = width
        self.stride = stride
        self.taps = taps
        levels = pyramid(self, self.output_shape, width, striding=Striding(stride, taps))
        layers = [nn.Linear(self.input_dim, prod(levels.top)), nn.Unflatten(1, levels.top)]
        for i in reversed(levels.levels):
            layers += [group_norm(levels.channels[i + 1]), nn.SiLU(), levels.up(i)]
        self.layers = nn.Sequential(*layers)

    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim)`` to outputs ``(n, *output_shape)``."""
        return self.layers(code)


def group_norm(channels: int) -> nn.GroupNorm:
    """Make GroupNorm of gcd(8, channels) groups."""
    return nn.GroupNorm(gcd(8, channels), channels)
