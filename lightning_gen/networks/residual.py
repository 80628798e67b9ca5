"""A residual encoder and a decoder that mirrors it, for images, signals and volumes; the code is a vector or a map."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.deprecation import accepts_former
from lightning_gen.networks.attention import SelfAttention
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.convolutional import group_norm
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.layers import Layers
from lightning_gen.networks.pyramid import Pyramid, Striding, doubling, pyramid
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape
from lightning_gen.upgrades import ARGUMENTS


class ResidualEncoder(Encoder):
    """Strided convolutions with residual blocks of GroupNorm and SiLU between them.

    The features are a vector, or, with `downsamplings`, a map whose positions depend on their neighbourhoods alone, or
    with `attention` on the whole sample. It then accepts other sizes too: sides may differ from those of `shape` by
    multiples of `stride` to the power of `downsamplings`. GroupNorm instead of BatchNorm: a code does not depend on the
    other images of the batch.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        features: Width of the features.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        blocks: Residual blocks at each size.
        downsamplings: How often the sides are divided by `stride`, rounded up, to the map of features; None for a
            vector, computed from the smallest map.
        conditioning: How it is conditioned on the class; None for an unconditional encoder.
        attention: Whether the residual blocks of the smallest map are followed by `SelfAttention`.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or a number is below 1.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        **Encoder.former_names,
        **ARGUMENTS["lightning_gen.networks.ResidualEncoder"],
    }

    @accepts_former(ARGUMENTS["lightning_gen.networks.ResidualEncoder"])
    def __init__(
        self,
        shape: Shape,
        features: int,
        width: int = 32,
        blocks: int = 1,
        downsamplings: int | None = None,
        conditioning: Concatenation | None = None,
        attention: bool = False,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, features, conditioning)
        require_positive(self, "blocks", blocks)
        self.width = width
        self.blocks = blocks
        self.downsamplings = downsamplings
        self.attention = attention
        self.stride = stride
        self.taps = taps
        levels = levels_of(self, self.input_shape, width, downsamplings, Striding(stride, taps))
        self._map_size = levels.sizes[-1] if downsamplings else ()
        layers: list[nn.Module] = []
        for i in levels.levels:
            layers += normalized(levels.channels[i]) if i > 0 else []
            layers += [levels.down(i), *residual_blocks(levels.channels[i + 1], blocks, levels.layers)]
        layers += [SelfAttention(levels.channels[-1], levels.layers)] if attention else []
        layers += normalized(levels.channels[-1])
        if downsamplings:
            layers.append(levels.layers.conv(levels.channels[-1], features, 1))
        else:
            layers += [nn.Flatten(), nn.Linear(prod(levels.top), features)]
        self.layers = nn.Sequential(*layers)

    @property
    def map_size(self) -> Shape:
        """The sides of the features where they are maps; empty where they are vectors."""
        return self._map_size

    @property
    def multiple_of(self) -> int | None:
        """`stride` to the power of `downsamplings` if the features are a map; None if they are a vector."""
        return self.stride**self.downsamplings if self.downsamplings else None

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features, *map_size)``."""
        return self.layers(x)


class ResidualDecoder(Decoder):
    """Mirrors ResidualEncoder: residual blocks of GroupNorm and SiLU with transposed convolutions.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the codes.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        blocks: Residual blocks at each size.
        downsamplings: Those of the encoder: how often the sides are divided to the map of codes; None for vectors.
        outputs: Channels of the output; None for those of a sample.
        conditioning: How it is conditioned on the class; None for an unconditional decoder.
        attention: Whether the residual blocks of the smallest map are followed by `SelfAttention`.
        stride: Factor by which each level divides the sides; 4 or 8 for long signals.
        taps: Kernels span so many strides: each output of a transposed convolution depends on as many places.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or a number is below 1.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        **Decoder.former_names,
        **ARGUMENTS["lightning_gen.networks.ResidualDecoder"],
    }

    @accepts_former(ARGUMENTS["lightning_gen.networks.ResidualDecoder"])
    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        width: int = 32,
        blocks: int = 1,
        downsamplings: int | None = None,
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
        attention: bool = False,
        stride: int = 2,
        taps: int = 2,
    ) -> None:
        super().__init__(shape, latent_dim, outputs, conditioning)
        require_positive(self, "blocks", blocks)
        self.width = width
        self.blocks = blocks
        self.downsamplings = downsamplings
        self.attention = attention
        self.stride = stride
        self.taps = taps
        levels = levels_of(self, self.output_shape, width, downsamplings, Striding(stride, taps))
        self._map_size = levels.sizes[-1] if downsamplings else ()
        layers: list[nn.Module] = []
        if downsamplings:
            layers.append(levels.layers.conv(self.input_dim, levels.channels[-1], 3, padding=1))
        else:
            layers += [nn.Linear(self.input_dim, prod(levels.top)), nn.Unflatten(1, levels.top)]
        for i in reversed(levels.levels):
            layers += residual_blocks(levels.channels[i + 1], blocks, levels.layers)
            smallest = i + 1 == len(levels.levels)
            layers += [SelfAttention(levels.channels[-1], levels.layers)] if attention and smallest else []
            layers += [*normalized(levels.channels[i + 1]), levels.up(i)]
        self.layers = nn.Sequential(*layers)

    @property
    def map_size(self) -> Shape:
        """The sides of the codes where they are maps; empty where they are vectors."""
        return self._map_size

    @property
    def multiple_of(self) -> int | None:
        """`stride` to the power of `downsamplings` if the codes are maps; None if they are vectors."""
        return self.stride**self.downsamplings if self.downsamplings else None

    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim, *map_size)`` to outputs ``(n, *output_shape)``."""
        return self.layers(code)


class ResidualBlock(nn.Module):
    """x + a branch of two convolutions of kernel 3, each after GroupNorm and SiLU; the last starts at 0.

    Args:
        channels: Channels of the map.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        last = layers.conv(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        first = layers.conv(channels, channels, 3, padding=1)
        self.branch = nn.Sequential(*normalized(channels), first, *normalized(channels), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        return x + self.branch(x)


def residual_blocks(channels: int, blocks: int, layers: Layers) -> list[nn.Module]:
    """Make the residual blocks of one size."""
    return [ResidualBlock(channels, layers) for _ in range(blocks)]


def normalized(channels: int) -> list[nn.Module]:
    """Make GroupNorm and SiLU."""
    return [group_norm(channels), nn.SiLU()]


def levels_of(network: nn.Module, shape: Shape, width: int, downsamplings: int | None, striding: Striding) -> Pyramid:
    """Build the pyramid of a network, from the sample to the code.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, *sides)`` with one to three sides.
        width: Channels of the first level below the sample.
        downsamplings: Number of levels below the sample; None for all levels to the smallest map.
        striding: Kernel and stride of the steps.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or a number is below 1.
    """
    whole = pyramid(network, shape, width, striding=striding)
    if downsamplings is None:
        return whole
    require_positive(network, "downsamplings", downsamplings)
    sizes = [tuple(shape[1:])]
    for _ in range(downsamplings):
        sizes.append(tuple(map(striding.below, sizes[-1])))
    return Pyramid(tuple(sizes), (shape[0], *doubling(width, downsamplings)), whole.layers, striding)
