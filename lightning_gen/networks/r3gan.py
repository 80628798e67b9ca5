"""The networks of R3GAN, without normalization, for images from 8 x 8 pixels, signals and volumes.

Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline, https://arxiv.org/abs/2501.05441, section 4,
configuration E. The initialization is Fixup, https://arxiv.org/abs/1901.09321: a residual block starts as the identity,
and the change of the output by one optimizer step does not grow with the number of blocks.

The networks are those of the authors' code, conditional ones with `ClassEmbedding` and `InnerProduct`. Its mixed
precision is `bfloat16_sizes` in both networks, and not autocast: leave the Trainer's precision at 32-true with it.
"""

from math import gcd

import torch
from torch import Tensor, nn

from lightning_gen.networks.conditioning import DiscriminatorConditioning, GeneratorConditioning
from lightning_gen.networks.discriminator import Discriminator
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.layers import LAYERS, Layers
from lightning_gen.networks.pyramid import doubling, pyramid
from lightning_gen.networks.requirements import require_no_batch_norm, require_positive
from lightning_gen.networks.stages import staged
from lightning_gen.ranges import COUNT_FROM_0, require
from lightning_gen.records import Shape

SLOPE = 0.2
LEAKY_GAIN = (2 / (1 + SLOPE**2)) ** 0.5


class R3GANGenerator(Generator):
    """A learned map modulated by the latent, then residual blocks at each size, with bilinear up-sampling between them.

    There is no activation at the end, so samples may lie slightly outside of [-1, 1]; images are clipped when they are
    written. The paper's network for CIFAR-10 is `width=768, growth=1`, that for ImageNet at the same size
    `width=1536, growth=1, group_width=32`; the default is small enough for a CPU.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the latents.
        width: Channels of the finest map; each coarser one has twice as many, up to `growth` times `width`.
        blocks: Residual blocks at each size.
        growth: Most channels of a map, in multiples of `width`.
        expansion: Channels inside of a residual block, in multiples of those outside.
        group_width: Channels of a group of the grouped convolutions, where it divides them.
        conditioning: How it is conditioned on the class, in the paper by `ClassEmbedding`; None for an unconditional
            generator.
        bfloat16_sizes: Number of finest sizes that compute in bfloat16, at least 0. The smallest size never does. The
            paper's 4 are all others up to 64 x 64 pixels.

    Raises:
        InputError: The shape has no side, more than three or one below 8, a size is out of range, or the conditioning
            acts on BatchNorm.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 64,
        width: int = 16,
        blocks: int = 2,
        growth: int = 8,
        expansion: int = 2,
        group_width: int = 16,
        conditioning: GeneratorConditioning | None = None,
        bfloat16_sizes: int = 0,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        require_no_batch_norm(self, conditioning)
        require_sizes(self, blocks, expansion, group_width)
        require(self, "bfloat16_sizes", bfloat16_sizes, COUNT_FROM_0, "a number")
        self.width = width
        self.blocks = blocks
        self.growth = growth
        self.expansion = expansion
        self.group_width = group_width
        self.bfloat16_sizes = bfloat16_sizes
        levels = pyramid(self, shape, width, growth)
        sizes = levels.sizes
        channels = doubling(width, len(sizes), growth)
        depth = blocks * len(sizes)
        layers: list[tuple[int, nn.Module]] = [(len(sizes) - 1, Basis(self.input_dim, channels[-1], sizes[-1]))]
        for i in reversed(range(len(sizes))):
            residual = residual_blocks(channels[i], blocks, expansion, group_width, depth, levels.layers)
            layers += [(i, block) for block in residual]
            if i > 0:
                resampling = [*change(channels[i], channels[i - 1], levels.layers), Doubling(sizes[i - 1])]
                layers += [(i - 1, layer) for layer in resampling]
        layers.append((0, init_weights(levels.layers.conv(width, shape[0], 1, bias=False))))
        self.layers = staged(layers, bfloat16_sizes)

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to images ``(n, *shape)``, approximately in [-1, 1]."""
        return self.layers(x)


class R3GANDiscriminator(Discriminator):
    """Mirrors R3GANGenerator; a depthwise convolution reduces the smallest map to a vector.

    A logit depends on one sample alone.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        width: Channels of the finest map; each coarser one has twice as many, up to `growth` times `width`.
        blocks: Residual blocks at each size.
        growth: Most channels of a map, in multiples of `width`.
        expansion: Channels inside of a residual block, in multiples of those outside.
        group_width: Channels of a group of the grouped convolutions, where it divides them.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class, in the paper by `InnerProduct`; None for an unconditional
            discriminator.
        bfloat16_sizes: Number of finest sizes that compute in bfloat16, at least 0. The smallest size never does. The
            paper's 4 are all others up to 64 x 64 pixels.

    Raises:
        InputError: The shape has no side, more than three or one below 8, a size is out of range, or packing and
            conditioning cannot be combined.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 16,
        blocks: int = 2,
        growth: int = 8,
        expansion: int = 2,
        group_width: int = 16,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
        bfloat16_sizes: int = 0,
    ) -> None:
        super().__init__(shape, packing, minibatch_std, conditioning)
        require_sizes(self, blocks, expansion, group_width)
        require(self, "bfloat16_sizes", bfloat16_sizes, COUNT_FROM_0, "a number")
        self.width = width
        self.blocks = blocks
        self.growth = growth
        self.expansion = expansion
        self.group_width = group_width
        self.bfloat16_sizes = bfloat16_sizes
        levels = pyramid(self, self.input_shape, width, growth)
        sizes = levels.sizes
        channels = doubling(width, len(sizes), growth)
        depth = blocks * len(sizes)
        first = levels.layers.conv(self.input_shape[0], width, 1, bias=False)
        layers: list[tuple[int, nn.Module]] = [(0, init_weights(first))]
        for i in range(len(sizes)):
            if i > 0:
                resampling = [Halving(sizes[i - 1]), *change(channels[i - 1], channels[i], levels.layers)]
                layers += [(i - 1, layer) for layer in resampling]
            residual = residual_blocks(channels[i], blocks, expansion, group_width, depth, levels.layers)
            layers += [(i, block) for block in residual]
        last = levels.layers.conv(channels[-1], channels[-1], sizes[-1], groups=channels[-1], bias=False)  # type: ignore[arg-type]
        layers.append((len(sizes) - 1, init_weights(last)))
        self.layers = staged(layers, bfloat16_sizes)
        self.head = self.make_head(channels[-1], bias=False)
        for part in self.head.modules():
            if isinstance(part, nn.Linear):
                init_weights(part)

    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to one number for each channel, ``(rows, channels, 1, ...)``."""
        return self.layers(x)


class Basis(nn.Module):
    """A learned map, each channel scaled by a linear function of the latent.

    Args:
        latent_dim: Width of the latents.
        channels: Channels of the map.
        size: Its sides.
    """

    def __init__(self, latent_dim: int, channels: int, size: Shape) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(channels, *size))
        self.modulation = init_weights(nn.Linear(latent_dim, channels, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map latents ``(n, latent_dim)`` to maps ``(n, channels, *size)``."""
        scale = self.modulation(x)
        return self.basis * scale.view(*scale.shape, *[1] * (self.basis.dim() - 1))


class FixupBlock(nn.Module):
    """x + a branch of three convolutions: to more channels, grouped of kernel 3, and back; leaky ReLU between them.

    The last starts at 0. The weights of the others are sampled with the gain of leaky ReLU times depth^(-1 / (2 m - 2))
    with m = 3 convolutions in a branch: the second rule of section 3.2 of Fixup Initialization.

    Args:
        channels: Channels of the map.
        expansion: Channels inside of the branch, in multiples of `channels`.
        group_width: Channels of a group, where it divides them.
        depth: Residual blocks in the whole network.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, expansion: int, group_width: int, depth: int, layers: Layers) -> None:
        super().__init__()
        inside, gain = channels * expansion, LEAKY_GAIN * depth**-0.25
        groups = inside // gcd(inside, group_width)
        self.branch = nn.Sequential(
            init_weights(layers.conv(channels, inside, 1), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            init_weights(layers.conv(inside, inside, 3, padding=1, groups=groups), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            init_weights(layers.conv(inside, channels, 1, bias=False), 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        return x + self.branch(x)


class Halving(nn.Module):
    """Low-pass filter and downsampling by 2: [1, 3, 3, 1] along an even side, [1, 2, 1] along an odd one; zero padding.

    Args:
        size: The sides of the input; half of an odd side is rounded up.
    """

    kernel: Tensor

    def __init__(self, size: Shape) -> None:
        super().__init__()
        self.layers = LAYERS[len(size)]
        self.register_buffer("kernel", low_pass(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *size)`` to ``(n, channels, *sides)`` of half the size."""
        return self.layers.convolve(x, self._kernel(x), stride=2, padding=1, groups=x.shape[1])

    def _kernel(self, x: Tensor) -> Tensor:
        """The same kernel for each channel, in the type of the maps."""
        kernel = self.kernel.to(x.dtype)
        return kernel.expand(x.shape[1], *kernel.shape[1:])


class Doubling(Halving):
    """Linear interpolation to twice the size: the transpose of Halving, times 2 for each side.

    Args:
        size: The sides of the output; along an odd side every other line is a line of the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` of half the size to ``(n, channels, *size)``."""
        kernel = 2**self.layers.dimensions * self._kernel(x)
        return self.layers.convolve_transposed(x, kernel, stride=2, padding=1, groups=x.shape[1])


def low_pass(size: Shape) -> Tensor:
    """The kernel of `Halving`, ``(1, 1, ...)`` with 3 or 4 numbers along each side, of sum 1."""
    kernel = torch.ones(())
    for side in size:
        kernel = kernel[..., None] * torch.tensor([1.0, 2.0, 1.0] if side % 2 else [1.0, 3.0, 3.0, 1.0])
    return (kernel / kernel.sum())[None, None]


def residual_blocks(
    channels: int, blocks: int, expansion: int, group_width: int, depth: int, layers: Layers
) -> list[FixupBlock]:
    """Make the residual blocks of one size; `depth` is the number of blocks in the network."""
    return [FixupBlock(channels, expansion, group_width, depth, layers) for _ in range(blocks)]


def change(before: int, after: int, layers: Layers) -> list[nn.Module]:
    """Make the 1 x 1 convolution from `before` to `after` channels; none if the numbers are equal."""
    return [] if before == after else [init_weights(layers.conv(before, after, 1, bias=False))]


def init_weights(part: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d, gain: float = 1.0) -> nn.Module:
    """Sample weights from N(0, gain² / fan-in) and set biases to 0."""
    nn.init.normal_(part.weight, std=gain * part.weight[0].numel() ** -0.5)
    if part.bias is not None:
        nn.init.zeros_(part.bias)
    return part


def require_sizes(network: nn.Module, blocks: int, expansion: int, group_width: int) -> None:
    """Check the sizes of residual blocks.

    Raises:
        InputError: One is below 1 or not whole.
    """
    require_positive(network, "blocks", blocks)
    require_positive(network, "expansion", expansion)
    require_positive(network, "group_width", group_width)
