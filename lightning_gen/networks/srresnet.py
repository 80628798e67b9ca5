"""The residual network of SRGAN, without normalization.

Papers: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network,
https://arxiv.org/abs/1609.04802, section 2.1; without BatchNorm as in Enhanced Deep Residual Networks for Single Image
Super-Resolution, https://arxiv.org/abs/1707.02921, section 3.1
"""

from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen.errors import InputError
from lightning_gen.networks.requirements import require_positive
from lightning_gen.networks.rrdb import init_tenth
from lightning_gen.networks.translator import Translator, doublings
from lightning_gen.records import Shape


class SRResNet(Translator):
    """The source enlarged bilinearly plus what residual blocks add, which compute at the size of the source.

    Each doubling of the sides is a convolution to four times the channels, whose channels become pixels. There is no
    normalization, so a pixel of a translation depends on a part of the source alone, and any size is accepted. The
    output is unbounded.

    It is the network of BasicSR, https://github.com/XPixelGroup/BasicSR, with which the figures of SRResNet and SRGAN
    are compared today. The paper's has BatchNorm, PReLU, kernels of 9 at both ends, a skip around all blocks and no
    enlarged source. Weights start as a tenth of He's initialization.

    Args:
        shape: Shape of one source, ``(channels, height, width)``.
        target_channels: Channels of a translation, which are those of a source; None for these.
        scale: How many times as long the sides of a translation are: a power of 2, or 1.
        width: Channels of the maps.
        blocks: Residual blocks.

    Raises:
        InputError: The shape is none of an image, translations would have other channels, the scale is no power of 2 or
            a number is below 1.
    """

    def __init__(
        self, shape: Shape, target_channels: int | None = None, scale: int = 4, width: int = 64, blocks: int = 16
    ) -> None:
        super().__init__(shape, target_channels)
        require_positive(self, "width", width)
        require_positive(self, "blocks", blocks)
        steps = doublings(self, scale)
        if len(self.shape) != 3:
            raise InputError(
                f"SRResNet needs images of shape (channels, height, width) and got samples of shape {self.shape}: use "
                "RRDBNet for signals and volumes"
            )
        if target_channels not in (None, self.shape[0]):
            raise InputError(
                f"SRResNet adds to the enlarged source, which has {self.shape[0]} channels, and cannot give "
                f"{target_channels}: leave target_channels out, or use RRDBNet"
            )
        self._scale = scale
        self.width = width
        self.blocks = blocks
        self.first = nn.Sequential(nn.Conv2d(self.shape[0], width, 3, padding=1), nn.LeakyReLU(0.1, inplace=True))
        self.trunk = nn.Sequential(*(PlainBlock(width) for _ in range(blocks)))
        up: list[nn.Module] = []
        for _ in range(steps):
            up += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.1, inplace=True)]
        up += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.1, inplace=True)]
        self.up = nn.Sequential(*up, nn.Conv2d(width, self.shape[0], 3, padding=1))
        self.apply(init_tenth)

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
            radius = -(-radius // 2) + 1  # one convolution more, at half the size
        return radius + 1 + 2 * self.blocks

    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to translations ``(n, channels, *(scale · sides))``."""
        enlarged = x if self.scale == 1 else interpolate(x, scale_factor=float(self.scale), mode="bilinear")
        return enlarged + self.up(self.trunk(self.first(x)))


class PlainBlock(nn.Module):
    """x + two convolutions of kernel 3 with ReLU between them.

    Args:
        channels: Channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)]
        self.branch = nn.Sequential(convs[0], nn.ReLU(inplace=True), convs[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, height, width)`` to the same shape."""
        return x + self.branch(x)
