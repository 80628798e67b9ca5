"""The network of ESRGAN, of residual blocks in residual blocks with dense connections.

Paper: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, https://arxiv.org/abs/1809.00219, section 3.1
"""

import torch
from torch import Tensor, nn

from lightning_gen.networks.layers import CONVOLUTIONS, Layers, layers_for
from lightning_gen.networks.requirements import require_positive
from lightning_gen.networks.resampling import NearestConvolution
from lightning_gen.networks.translator import Translator, doublings
from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Shape

DENSE_LAYERS = 5
"""Convolutions of a dense block."""
DENSE_BLOCKS = 3
"""Dense blocks of a residual block."""


class RRDBNet(Translator):
    """Residual blocks of dense blocks at the size of the source, then twice the size by nearest pixels until done.

    It has no normalization, so a pixel of a translation depends on a part of the source alone, and any size is
    accepted. The output is unbounded. The authors' code reads and gives images in [0, 1]; here they are in [-1, 1], as
    everywhere in this library. The weights of the dense blocks start as a tenth of He's initialization.

    Args:
        shape: Shape of one source: ``(channels, height, width)``, or of a signal or volume.
        target_channels: Channels of a translation; None for those of a source.
        scale: How many times as long the sides of a translation are: a power of 2, or 1.
        width: Channels of the maps.
        blocks: Residual blocks of three dense blocks each.
        growth: Channels that each convolution of a dense block adds.
        residual_scale: Weight of a branch that is added to its input.

    Raises:
        InputError: The shape has no side or more than three, the scale is no power of 2, a count is below 1 or the
            residual scale is not finite.
    """

    def __init__(
        self,
        shape: Shape,
        target_channels: int | None = None,
        scale: int = 4,
        width: int = 64,
        blocks: int = 23,
        growth: int = 32,
        residual_scale: float = 0.2,
    ) -> None:
        super().__init__(shape, target_channels)
        require_positive(self, "width", width)
        require_positive(self, "blocks", blocks)
        require_positive(self, "growth", growth)
        require(self, "residual_scale", residual_scale, FROM_0)
        steps = doublings(self, scale)
        self._scale = scale
        self.width = width
        self.blocks = blocks
        self.growth = growth
        self.residual_scale = residual_scale
        layers = layers_for(self, self.shape)
        self.first = layers.conv(self.shape[0], width, 3, padding=1)
        trunk = [ResidualInResidual(width, growth, residual_scale, layers) for _ in range(blocks)]
        self.trunk = nn.Sequential(*trunk, layers.conv(width, width, 3, padding=1))
        up: list[nn.Module] = []
        for _ in range(steps):
            up += [NearestConvolution(width, width, layers), nn.LeakyReLU(0.2, inplace=True)]
        up += [layers.conv(width, width, 3, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.up = nn.Sequential(*up, layers.conv(width, self.target_shape[0], 3, padding=1))

    @property
    def scale(self) -> int:
        """How many times as long as those of a source the sides of a translation are."""
        return self._scale

    @property
    def multiple_of(self) -> int:
        """1: all sides are accepted."""
        return 1

    @property
    def radius(self) -> int:
        """How far from its own place in the source, in pixels, a pixel of a translation may depend on it."""
        radius = 2  # of the two convolutions at the size of the translation
        for _ in range(doublings(self, self.scale)):
            radius = -(-(radius + 1) // 2)  # one convolution more, at twice the size
        return radius + 2 + self.blocks * DENSE_BLOCKS * DENSE_LAYERS

    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to translations ``(n, target_channels, *(scale · sides))``."""
        x = self.first(x)
        return self.up(x + self.trunk(x))


class ResidualInResidual(nn.Module):
    """x + a weight times three dense blocks after each other.

    Args:
        channels: Channels of the map.
        growth: Channels that each convolution of a dense block adds.
        residual_scale: The weight.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, growth: int, residual_scale: float, layers: Layers) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        blocks = (DenseBlock(channels, growth, residual_scale, layers) for _ in range(DENSE_BLOCKS))
        self.branch = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        return x + self.residual_scale * self.branch(x)


class DenseBlock(nn.Module):
    """x + a weight times convolutions of kernel 3, each of which reads x and the outputs of all before it.

    Args:
        channels: Channels of the map.
        growth: Channels of the output of each convolution but the last.
        residual_scale: The weight.
        layers: The layers for the number of spatial dimensions.
    """

    def __init__(self, channels: int, growth: int, residual_scale: float, layers: Layers) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.convs = nn.ModuleList(
            layers.conv(channels + i * growth, growth if i < DENSE_LAYERS - 1 else channels, 3, padding=1)
            for i in range(DENSE_LAYERS)
        )
        self.activation = nn.LeakyReLU(0.2, inplace=True)
        self.convs.apply(init_tenth)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        *inner, last = self.convs
        maps = x
        for conv in inner:
            maps = torch.cat([maps, self.activation(conv(maps))], 1)
        return x + self.residual_scale * last(maps)


@torch.no_grad()
def init_tenth(module: nn.Module) -> None:
    """Draw the weights of a convolution as a tenth of He's initialization and set its bias to 0.

    Papers: ESRGAN, https://arxiv.org/abs/1809.00219, section 3.1; Delving Deep into Rectifiers,
    https://arxiv.org/abs/1502.01852
    """
    if isinstance(module, CONVOLUTIONS):
        nn.init.kaiming_normal_(module.weight).mul_(0.1)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
