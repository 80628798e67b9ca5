"""The generator of FastGAN, for images from 8 x 8 pixels, signals and volumes.

Paper: Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis,
https://arxiv.org/abs/2101.04775, section 3.1 and figures 3 and 4
"""

from math import prod

from torch import Tensor, nn

from lightning_gen.networks.conditioning import ConditionalSequential, GeneratorConditioning
from lightning_gen.networks.dcgan import init_weights
from lightning_gen.networks.generator import Generator
from lightning_gen.networks.layers import Layers
from lightning_gen.networks.pyramid import doubling, pyramid
from lightning_gen.records import Shape

DISTANCE = 4
"""Levels between a map and the one that it excites: 4 x 4 excites 64 x 64, 8 x 8 excites 128 x 128."""


class FastGANGenerator(Generator):
    """Maps double in size, each with BatchNorm and a gated linear unit, and small maps weigh the channels of large.

    Unlike the paper's it adds no noise to its maps, so that a latent is one image; odd sides are rounded up as in all
    pyramids here.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, or of a signal or volume; sides of at least 8.
        latent_dim: Width of the latents.
        width: Channels of the finest map; each coarser one has twice as many, up to `growth` times `width`.
        growth: Most channels of a map, in multiples of `width`.
        conditioning: How it is conditioned on the class; None for an unconditional generator.

    Raises:
        InputError: The shape has no side, more than three or one below 8.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int = 256,
        width: int = 32,
        growth: int = 16,
        conditioning: GeneratorConditioning | None = None,
    ) -> None:
        super().__init__(shape, latent_dim, conditioning)
        self.width = width
        self.growth = growth
        levels = pyramid(self, shape, width, growth)
        layers_of = levels.layers
        channels = doubling(width, len(levels.sizes), growth)
        top = (channels[-1], *levels.sizes[-1])
        self.first = ConditionalSequential(
            nn.Linear(self.input_dim, 2 * prod(top), bias=False),
            nn.Unflatten(1, (2 * top[0], *top[1:])),
            self.make_batch_norm(2 * top[0]),
            nn.GLU(1),
        )
        self.blocks = nn.ModuleList(
            ConditionalSequential(
                nn.Upsample(size=levels.sizes[i]),
                layers_of.conv(channels[i + 1], 2 * channels[i], 3, padding=1, bias=False),
                self.make_batch_norm(2 * channels[i]),
                nn.GLU(1),
            )
            for i in reversed(levels.levels)
        )
        count = len(levels.levels)
        self.distance = min(DISTANCE, count)
        self.excitations = nn.ModuleList(
            Excitation(channels[i + self.distance], channels[i], layers_of)
            for i in reversed(range(count - self.distance + 1))
        )
        self.last = nn.Sequential(layers_of.conv(width, shape[0], 3, padding=1), nn.Tanh())
        self.apply(init_weights)

    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)`` to images ``(n, *shape)`` in [-1, 1]."""
        x = self.first(x, labels)
        maps = [x]
        for block in self.blocks:
            x = block(x, labels)
            source = len(maps) - self.distance
            if source >= 0:
                x = x * self.excitations[source](maps[source])
            maps.append(x)
        return self.last(x)


class Excitation(nn.Module):
    """Factors in (0, 1) for the channels of a large map, from a small one: skip-layer channel-wise excitation.

    Args:
        channels: Channels of the small map.
        excited: Channels of the large map.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, excited: int, layers: Layers) -> None:
        super().__init__()
        self.pool = layers.adaptive_average_pool(4)
        self.layers = nn.Sequential(
            layers.conv(channels, excited, 4),
            nn.LeakyReLU(0.1),
            layers.conv(excited, excited, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, ...)`` to factors ``(n, excited, 1, ...)``."""
        return self.layers(self.pool(x))
