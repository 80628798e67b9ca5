"""The network of a rectified flow: a small U-Net over maps of codes that knows the time."""

from itertools import pairwise
from math import log, prod

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from lightning_gen.networks.attention import SelfAttention
from lightning_gen.networks.convolutional import group_norm
from lightning_gen.networks.layers import LAYERS, Layers
from lightning_gen.records import Shape

POSITIONS, ATTENDED, SMALLEST = 256, 64, 4
"""The largest number of positions of the finest level, of a level with attention, and the side below which no level is
halved."""
SHARES = (1.0, 0.75, 0.5)
"""Channels of the levels from the coarsest on, as shares of the width."""
FREQUENCIES, HIGHEST = 32, 1000.0
"""Number of the frequencies in which the time is given to the network, and the highest, in radians."""


class Velocity(nn.Module):
    """Maps codes at a time to the velocity at which they move: a U-Net of residual blocks, as in diffusion models.

    Up to three levels, each of half the sides of the one above; of larger maps than `POSITIONS`, the first level sees
    patches. Levels of few positions have attention. A learned map is added to the first level, so that places differ. A
    vector is a map of one place.

    Paper: Denoising Diffusion Probabilistic Models, https://arxiv.org/abs/2006.11239, appendix B, much smaller

    Args:
        shape: Shape of a code, ``(width,)`` or ``(channels, *sides)`` with one to three sides.
        width: Channels of the coarsest level; finer ones have fewer.
        num_classes: Number of classes of the codes; None for codes without classes.
    """

    def __init__(self, shape: Shape, width: int, num_classes: int | None = None) -> None:
        super().__init__()
        self.sides = shape[1:] or (1,)
        layers = LAYERS[len(self.sides)]
        patch = next(size for size in range(1, max(self.sides) + 1) if prod(halved(self.sides, size)) <= POSITIONS)
        sizes = [halved(self.sides, patch)]
        while len(sizes) < len(SHARES) and max(sizes[-1]) >= 2 * SMALLEST:
            sizes.append(halved(sizes[-1], 2))
        channels = [max(8, round(width * share / 8) * 8) for share in SHARES[: len(sizes)]][::-1]
        time = 2 * width
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, time), nn.SiLU(), nn.Linear(time, time))
        self.padded = tuple(patch * size for size in sizes[0])
        self.first = layers.conv(shape[0], channels[0], patch, stride=patch)
        self.places = nn.Parameter(torch.zeros(channels[0], *sizes[0]))
        blocks = [Stage(count, time, layers, prod(size)) for count, size in zip(channels, sizes, strict=True)]
        self.down = nn.ModuleList(blocks)
        self.halving = nn.ModuleList(
            layers.conv(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairwise(channels)
        )
        self.joining = nn.ModuleList(
            layers.conv(fine + coarse, fine, 3, padding=1) for fine, coarse in pairwise(channels)
        )
        self.middle = Stage(channels[-1], time, layers, prod(sizes[-1]))
        self.up = nn.ModuleList(
            Stage(count, time, layers, prod(size)) for count, size in zip(channels[:-1], sizes[:-1], strict=True)
        )
        last = layers.conv_transpose(channels[0], shape[0], patch, stride=patch)
        nn.init.zeros_(last.weight)
        self.last = nn.Sequential(group_norm(channels[0]), nn.SiLU(), last)
        if num_classes is not None:
            self.classes = nn.Embedding(num_classes, time)

    def forward(self, codes: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes ``(n, *shape)`` at times ``(n,)`` in [0, 1] to velocities ``(n, *shape)``.

        The classes ``(n,)`` of codes that have some must be given.
        """
        angles = time[:, None] * torch.linspace(0, log(HIGHEST), FREQUENCIES, device=time.device).exp()
        given = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        given = silu(given if labels is None else given + self.classes(labels))
        x = self.first(fitted(codes.view(len(codes), -1, *self.sides), self.padded)) + self.places
        kept = []
        for i, stage in enumerate(self.down):
            x = stage(x, given)
            if i < len(self.halving):
                kept.append(x)
                x = self.halving[i](x)
        x = self.middle(x, given)
        for joining, stage, fine in zip(reversed(self.joining), reversed(self.up), reversed(kept), strict=True):
            x = joining(torch.cat([interpolate(x, fine.shape[2:]), fine], 1))
            x = stage(x, given)
        return fitted(self.last(x), self.sides).view(codes.shape)


class Stage(nn.Module):
    """A residual block that knows the time and the class, by scale and shift behind its second norm, and attention in
    small maps.

    Args:
        channels: Channels of the map.
        time: Width of the embedding of the time and the class.
        layers: The layers for the number of dimensions.
        positions: Number of positions of the map.
    """

    def __init__(self, channels: int, time: int, layers: Layers, positions: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([group_norm(channels), group_norm(channels)])
        last = layers.conv(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.convolutions = nn.ModuleList([layers.conv(channels, channels, 3, padding=1), last])
        self.modulation = nn.Linear(time, 2 * channels)
        nn.init.zeros_(self.modulation.weight)
        self.attention = SelfAttention(channels, layers) if 1 < positions <= ATTENDED else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` and the embedding of the time ``(n, time)`` to the same shape as x."""
        scale, shift = self.modulation(time).view(*time.shape[:1], -1, *(1 for _ in x.shape[2:])).chunk(2, 1)
        inner = self.norms[1](self.convolutions[0](silu(self.norms[0](x)))) * (1 + scale) + shift
        return self.attention(x + self.convolutions[1](silu(inner)))


def halved(sides: Shape, by: int) -> Shape:
    """Sides divided by a number, rounded up."""
    return tuple(-(-side // by) for side in sides)


def fitted(x: Tensor, sides: Shape) -> Tensor:
    """Maps ``(n, channels, *sides)``, cropped or padded with zeros at the ends to other sides."""
    padding = [each for have, want in zip(x.shape[2:], sides, strict=True) for each in (want - have, 0)]
    return nn.functional.pad(x, padding[::-1]) if any(padding) else x
