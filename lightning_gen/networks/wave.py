"""An encoder of waveforms and a decoder that mirrors it: strided convolutions and dilated residual units."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Concatenation
from lightning_gen.networks.decoder import Decoder
from lightning_gen.networks.encoder import Encoder
from lightning_gen.networks.layers import LAYERS, Layers
from lightning_gen.networks.pyramid import Pyramid, Striding, doubling
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import Shape

KERNEL = 7
"""Places in the kernel of a residual unit."""
STRIDES = (4, 4, 4)
DILATIONS = (1, 3, 9)


class WaveEncoder(Encoder):
    """Strided convolutions of signals, each followed by residual units of growing dilation; the features are maps.

    No layer normalizes, so that loud stays loud and quiet quiet. Lengths may differ from that of `shape` by multiples
    of the product of the strides.

    Paper: High-Fidelity Audio Compression with Improved RVQGAN, https://arxiv.org/abs/2306.06546, and its authors'
    code; the units are those of SoundStream, https://arxiv.org/abs/2107.03312, with the activation of the first. Unlike
    there, the first convolution is strided, units follow their convolution, the last convolution of each starts at 0,
    weights are not normalized, and kernels may span more than two strides.

    Args:
        shape: Shape of one sample, ``(channels, length)``.
        features: Channels of the map of features.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        strides: Factor by which each level divides the length, rounded up; each at least 2.
        dilations: The dilations of the residual units of a level, one a unit.
        taps: Kernels of strided convolutions span so many strides, at least 2; odd strides need odd taps.
        conditioning: How it is conditioned on the class; None for an unconditional encoder.

    Raises:
        InputError: The samples are no signals, there are no strides, or a number is too small.
    """

    def __init__(
        self,
        shape: Shape,
        features: int,
        width: int = 32,
        strides: Sequence[int] = STRIDES,
        dilations: Sequence[int] = DILATIONS,
        taps: int = 2,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, features, conditioning)
        self.width = width
        self.strides = tuple(strides)
        self.dilations = tuple(dilations)
        self.taps = taps
        levels = levels_of(self, self.input_shape, width, strides, dilations, taps)
        self._map_size = levels[-1].sizes[-1]
        layers: list[nn.Module] = []
        for i, level in enumerate(levels):
            layers += [Snake(level.channels[0])] if i else []
            layers += [level.down(0), *(WaveUnit(level.channels[1], dilation) for dilation in dilations)]
        top = levels[-1].channels[1]
        self.layers = nn.Sequential(*layers, Snake(top), nn.Conv1d(top, features, 3, padding=1))

    @property
    def map_size(self) -> Shape:
        """The length of the map of features."""
        return self._map_size

    @property
    def multiple_of(self) -> int:
        """The product of the strides."""
        return prod(self.strides)

    def encode(self, x: Tensor) -> Tensor:
        """Map inputs ``(n, *input_shape)`` to features ``(n, features, *map_size)``."""
        return self.layers(x)


class WaveDecoder(Decoder):
    """Mirrors WaveEncoder: residual units with transposed convolutions.

    Args:
        shape: Shape of one sample, ``(channels, length)``.
        latent_dim: Channels of the map of codes.
        width: Channels of the finest hidden map; each coarser one has twice as many, at most 8 `width`.
        strides: Those of the encoder, in its order.
        dilations: The dilations of the residual units of a level, one a unit.
        taps: Kernels of transposed convolutions span so many strides: each output depends on as many places.
        outputs: Channels of the output; None for those of a sample.
        conditioning: How it is conditioned on the class; None for an unconditional decoder.

    Raises:
        InputError: The samples are no signals, there are no strides, or a number is too small.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        width: int = 32,
        strides: Sequence[int] = STRIDES,
        dilations: Sequence[int] = DILATIONS,
        taps: int = 2,
        outputs: int | None = None,
        conditioning: Concatenation | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, outputs, conditioning)
        self.width = width
        self.strides = tuple(strides)
        self.dilations = tuple(dilations)
        self.taps = taps
        levels = levels_of(self, self.output_shape, width, strides, dilations, taps)
        self._map_size = levels[-1].sizes[-1]
        layers: list[nn.Module] = [nn.Conv1d(self.input_dim, levels[-1].channels[1], 3, padding=1)]
        for level in reversed(levels):
            layers += [WaveUnit(level.channels[1], dilation) for dilation in dilations]
            layers += [Snake(level.channels[1]), level.up(0)]
        self.layers = nn.Sequential(*layers)

    @property
    def map_size(self) -> Shape:
        """The length of the map of codes."""
        return self._map_size

    @property
    def multiple_of(self) -> int:
        """The product of the strides."""
        return prod(self.strides)

    def decode(self, code: Tensor) -> Tensor:
        """Map codes ``(n, input_dim, *map_size)`` to outputs ``(n, *output_shape)``."""
        return self.layers(code)


class Snake(nn.Module):
    """x + sin²(a · x) / a, with a learned `a` for each channel, which starts at 1: it continues what is periodic.

    Paper: Neural Networks Fail to Learn Periodic Functions and How to Fix It, https://arxiv.org/abs/2006.08195

    Args:
        channels: Channels of the map.
    """

    smallest = 1e-9

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, length)`` to the same shape."""
        return x + (self.frequency * x).sin().square() / (self.frequency + self.smallest)


class WaveUnit(nn.Module):
    """x + a branch of a dilated convolution of kernel 7 and one of kernel 1, each after Snake; the last starts at 0.

    Args:
        channels: Channels of the map.
        dilation: Distance of the places that the first kernel sees.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        padding = (KERNEL - 1) // 2 * dilation
        first = nn.Conv1d(channels, channels, KERNEL, dilation=dilation, padding=padding)
        last = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(last.weight)
        self.branch = nn.Sequential(Snake(channels), first, Snake(channels), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, length)`` to the same shape."""
        return x + self.branch(x)


def levels_of(
    network: nn.Module, shape: Shape, width: int, strides: Sequence[int], dilations: Sequence[int], taps: int
) -> list[Pyramid]:
    """The levels from the sample down, each a pyramid of one step with a stride of its own.

    Args:
        network: The network, for its name.
        shape: Shape of one sample, ``(channels, length)``.
        width: Channels of the first level below the sample.
        strides: The stride of each step.
        dilations: Dilations, which are only checked.
        taps: Strides in a kernel.

    Raises:
        InputError: The samples are no signals, there are no strides, or a number is too small.
    """
    if len(shape) != 2:
        raise InputError(
            f"{type(network).__name__} reads signals of shape (channels, length), not samples of shape {shape}: use "
            "the Residual networks, which take signals, images and volumes"
        )
    if not strides:
        raise InputError(f"{type(network).__name__} needs at least one stride, such as [4, 4, 4]")
    require_positive(network, "width", width)
    require_positive(network, "dilations", *dilations)
    layers: Layers = LAYERS[1]
    sides, channels, found = tuple(shape[1:]), [shape[0], *doubling(width, len(strides))], []
    for i, stride in enumerate(strides):
        striding = Striding(stride, taps)
        below = tuple(map(striding.below, sides))
        found.append(Pyramid((sides, below), (channels[i], channels[i + 1]), layers, striding))
        sides = below
    return found
