"""The residual networks of SNGAN, for images from 8 x 8 pixels, signals and volumes.

Papers: Spectral Normalization for Generative Adversarial Networks, https://arxiv.org/abs/1802.05957, appendix B.4;
conditional: cGANs with Projection Discriminator, https://arxiv.org/abs/1802.05637; with attention: Self-Attention
Generative Adversarial Networks, https://arxiv.org/abs/1805.08318.

Differences from the papers: the smaller side of the smallest map is between 4 and 6, while their discriminator for
CIFAR-10 ends at 8 x 8 with two blocks (here one block downsamples to 4 x 4 and one follows) and that for STL-10 ends at
3 x 3 with one more block that downsamples and 16 times `width` channels (10.1 million parameters; here 1.8 million);
channels double up to 8 times `width`, theirs for 128 x 128 up to 16 times (`growth=16`); convolutions before a
BatchNorm have no biases; and with ConditionalBatchNorm the last BatchNorm of the generator depends on the class too,
while in the authors' code it does not.
"""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import (
    ConditionalSequential,
    Conditioned,
    DiscriminatorConditioning,
    GeneratorConditioning,
)
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.layers import LAYERS, Layers
from lightning_gen.networks.pyramid import doubling, pyramid
from lightning_gen.records import Shape

BRANCH_GAIN = 2**0.5


class ResNetGenerator(Generator):
    """Residual blocks with BatchNorm and ReLU, each of which doubles the size, and tanh at the end.

    At 48 x 48 this is the paper's network for STL-10; with `width=256, growth=1` at 32 x 32 its network for CIFAR-10.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the latents.
        width: Channels of the finest map; each coarser one has twice as many, up to `growth` times `width`.
        growth: Most channels of a map, in multiples of `width`.
        attention: The map with self-attention: 1 for half the size of the image, 2 for a quarter, and so on, but not
            the smallest map; None for none. The paper's is 2 for images of 128 x 128.
        conditioning: How it is conditioned on the class; None for an unconditional generator. The paper's is
            ConditionalBatchNorm.

    Raises:
        InputError: The shape has no side, more than three or one below 8, or there is no map `attention`.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 128,
        width: int = 64,
        growth: int = 8,
        attention: int | None = None,
        conditioning: GeneratorConditioning | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        self.width = width
        self.growth = growth
        self.attention = attention
        levels = pyramid(self, shape, width, growth)
        require_attention(self, attention, len(levels.levels))
        channels = doubling(width, len(levels.sizes), growth)
        top = (channels[-1], *levels.sizes[-1])
        layers: list[nn.Module] = [init_weights(nn.Linear(self.input_dim, prod(top))), nn.Unflatten(1, top)]
        for i in reversed(levels.levels):
            layers.append(UpBlock(channels[i + 1], channels[i], levels.sizes[i], self.make_batch_norm))
            layers += [SelfAttention(channels[i], levels.layers)] if i == attention else []
        layers += [self.make_batch_norm(width), nn.ReLU(inplace=True)]
        layers += [init_weights(levels.layers.conv(width, shape[0], 3, padding=1)), nn.Tanh()]
        self.layers = ConditionalSequential(*layers)

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to images ``(n, *shape)`` in [-1, 1]."""
        return self.layers(x, labels)


class ResNetDiscriminator(Discriminator):
    """Residual blocks with ReLU, all but the last with downsampling, and one linear map of the sum over positions.

    Features are not normalized, so a logit depends on one sample alone. The paper's width for CIFAR-10 is 128 with
    `growth=1`.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        width: Channels of the finest hidden map; each coarser one has twice as many, up to `growth` times `width`.
        growth: Most channels of a map, in multiples of `width`.
        spectral_norm: Whether all weights are divided by their largest singular value.
        attention: The map with self-attention: 1 for half the size of the image, 2 for a quarter, and so on, but not
            the smallest map; None for none. The paper's is 2 for images of 128 x 128.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator. The paper's is
            Projection.

    Raises:
        InputError: The shape has no side, more than three or one below 8, there is no map `attention`, or packing and
            conditioning cannot be combined.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 64,
        growth: int = 8,
        spectral_norm: bool = True,
        attention: int | None = None,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
    ) -> None:
        super().__init__(shape, packing, minibatch_std, conditioning)
        self.width = width
        self.growth = growth
        self.spectral_norm = spectral_norm
        self.attention = attention
        levels = pyramid(self, self.input_shape, width, growth)
        require_attention(self, attention, len(levels.levels))
        layers: list[nn.Module] = []
        for i in levels.levels:
            layers.append(DownBlock(levels.channels[i], levels.channels[i + 1], levels.layers, first=i == 0))
            layers += [SelfAttention(levels.channels[i + 1], levels.layers)] if i + 1 == attention else []
        self.layers = nn.Sequential(*layers, ResidualBlock(levels.channels[-1], levels.layers), nn.ReLU(inplace=True))
        self.head = self.make_head(levels.channels[-1])
        for part in self.head.modules():
            if isinstance(part, nn.Linear):
                init_weights(part)
        if spectral_norm:
            normalize_spectrally(self)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to sums over the positions of the smallest map, ``(rows, channels)``."""
        return self.layers(x).sum(tuple(range(2, x.dim())))


class UpBlock(Conditioned):
    """A residual block that doubles the size by nearest-neighbour interpolation.

    The 1 x 1 convolution of the shortcut comes before the interpolation: the result is the same at a quarter of the
    cost.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        size: The sides of the output.
        make_norm: Makes BatchNorm of a number of channels.
    """

    def __init__(self, before: int, after: int, size: Shape, make_norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        layers = LAYERS[len(size)]
        self.branch = ConditionalSequential(
            make_norm(before),
            nn.ReLU(inplace=True),
            nn.Upsample(size),
            conv3(before, after, layers, bias=False),
            make_norm(after),
            nn.ReLU(inplace=True),
            conv3(after, after, layers, bias=False),
        )
        self.shortcut = nn.Sequential(init_weights(layers.conv(before, after, 1, bias=False)), nn.Upsample(size))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map ``(n, before, ...)``, and classes ``(n,)`` where conditional, to ``(n, after, *size)``."""
        return self.shortcut(x) + self.branch(x, labels)


class DownBlock(nn.Module):
    """A residual block that halves the size by average pooling of 2 along each side; odd sides are rounded up.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        layers: The layers for the number of spatial dimensions.
        first: Whether the input is the image, to which no ReLU is applied.
    """

    def __init__(self, before: int, after: int, layers: Layers, first: bool = False) -> None:
        super().__init__()
        middle = after if first else before
        convolutions = [conv3(before, middle, layers), nn.ReLU(inplace=True), conv3(middle, after, layers)]
        branch = [*convolutions, layers.average_pool(2, ceil_mode=True)]
        self.branch = nn.Sequential(*branch if first else [nn.ReLU(), *branch])
        self.shortcut = nn.Sequential(
            layers.average_pool(2, ceil_mode=True), init_weights(layers.conv(before, after, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, before, *sides)`` to ``(n, after, ...)`` of half the size, rounded up."""
        return self.shortcut(x) + self.branch(x)


class ResidualBlock(nn.Module):
    """A residual block that keeps size and channels.

    Args:
        channels: Channels of the map.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        first, last = (conv3(channels, channels, layers) for _ in range(2))
        self.branch = nn.Sequential(nn.ReLU(), first, nn.ReLU(inplace=True), last)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        return x + self.branch(x)


class SelfAttention(nn.Module):
    """x + gain · attention of each position to max-pooled keys and values of half the size; the gain starts at 0.

    Section 3 of SAGAN, https://arxiv.org/abs/1805.08318, with an eighth of the channels for queries and keys, half for
    values, and 2 x 2 max pooling of keys and values, as in its authors' code.

    Args:
        channels: Channels of the map.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        few, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = init_weights(layers.conv(channels, few, 1, bias=False))
        self.key = init_weights(layers.conv(channels, few, 1, bias=False))
        self.value = init_weights(layers.conv(channels, half, 1, bias=False))
        self.output = init_weights(layers.conv(half, channels, 1, bias=False))
        self.gain = nn.Parameter(torch.zeros(()))
        self.largest = layers.max_pool(2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        key, value = (self.largest(part(x)).flatten(2) for part in (self.key, self.value))
        # No fused kernel: gradient penalties need the second derivative, which fused kernels lack
        weights = torch.softmax(self.query(x).flatten(2).mT @ key, dim=2)
        return x + self.gain * self.output((value @ weights.mT).unflatten(2, x.shape[2:]))


def conv3(before: int, after: int, layers: Layers, bias: bool = True) -> nn.Module:
    """Make a convolution of kernel 3 for a residual branch; it preserves the size."""
    return init_weights(layers.conv(before, after, 3, padding=1, bias=bias), BRANCH_GAIN)


def init_weights(part: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d, gain: float = 1.0) -> nn.Module:
    """Sample weights from Xavier's uniform distribution, U(-b, b) with b = gain √(6 / (in + out)); set biases to 0.

    The gain is √2 in the residual branches and 1 elsewhere, as in the authors' code.
    """
    nn.init.xavier_uniform_(part.weight, gain)
    if part.bias is not None:
        nn.init.zeros_(part.bias)
    return part


def require_attention(network: nn.Module, attention: int | None, levels: int) -> None:
    """Check that the map with self-attention lies between the image and the smallest map, which is `levels` below it.

    Raises:
        InputError: There is no such map.
    """
    between = range(1, levels)
    if attention is not None and attention not in between:
        remedy = f"give {' or '.join(map(str, between))}, or leave it out" if between else "leave it out"
        raise InputError(
            f"{type(network).__name__} has no map {attention} for self-attention between the image and its smallest "
            f"map: {remedy}"
        )
