"""The U-Net of pix2pix: an encoder and a decoder with skips between maps of one size.

Paper: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004, section 3.2.1
and appendix 6.1.1
"""

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.dcgan import init_weights
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.pyramid import doubling, halved, strided, strided_back
from lightning_gen.networks.requirements import require_positive
from lightning_gen.networks.resampling import NearestConvolution
from lightning_gen.networks.translator import Translator
from lightning_gen.ranges import BELOW_1, require
from lightning_gen.records import Shape

DROPPED = 3
"""Dropout follows so many of the decoder's smallest maps."""


class UNet(Translator):
    """Strided convolutions down to one pixel and transposed ones back up, each of which also reads the map of its size.

    All are of kernel 4 and stride 2, with leaky ReLU before those down and ReLU before those up; the output is in
    [-1, 1] by tanh. At 256 x 256 there are 8 levels with 64, 128, 256 and 512 channels, at 128 x 128 there are 7, as in
    the paper. Odd sides are halved rounded up, so any size has a U-Net; it takes other sizes too, whose sides differ by
    multiples of 2 to the power of the levels.

    Maps are normalized over each image, with gains and biases that are learned, so a translation depends on no other
    image and is the same in training and in evaluation but for the dropout. The paper's BatchNorm at batch 1, with the
    statistics of the batch in evaluation too, computes the same. The smallest map is not normalized: of one pixel at
    batch 1 that gives 0, so in the networks of the first published figures the innermost layer had no effect (erratum
    in the paper's third version). The first map and the output are not normalized either.

    Dropout follows the decoder's three smallest maps, of 2, 4 and 8 pixels a side, as in the authors' code for Lua.
    Unlike the paper, which keeps it on, it acts in training alone, so a translation is the same each time.

    Weights start as N(0, 0.02²), gains as N(1, 0.02²).

    Args:
        shape: Shape of one source: ``(channels, height, width)``, or of a signal or volume; sides of at least 2.
        target_channels: Channels of a translation; None for those of a source.
        width: Channels of the finest map; each coarser one has twice as many, at most 8 `width`.
        levels: How often the sides are halved; None for as often as it takes the smallest to one pixel.
        dropout: Share of the numbers that dropout sets to 0, from 0 to below 1.
        batch_norm: Whether maps are normalized over the batch instead, with running statistics for evaluation.
        resize_convolution: Whether the decoder enlarges maps by their nearest pixels before convolutions of kernel 3
            instead of transposed convolutions: against checkerboards, at 2.25 times the cost of the decoder.

    Raises:
        InputError: The shape has no side, more than three or one that is too small for the levels, or a number is out
            of its range.
    """

    def __init__(
        self,
        shape: Shape,
        target_channels: int | None = None,
        width: int = 64,
        levels: int | None = None,
        dropout: float = 0.5,
        batch_norm: bool = False,
        resize_convolution: bool = False,
    ) -> None:
        super().__init__(shape, target_channels)
        require_positive(self, "width", width)
        require(self, "dropout", dropout, BELOW_1, "a share")
        self.width = width
        self.levels = levels
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.resize_convolution = resize_convolution
        layers = layers_for(self, self.shape)
        self.depth = depth = self._checked_depth(layers)
        channels, sides = doubling(width, depth), self.shape[1:]
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        for i in range(depth):
            # level i of the decoder leads from the map of level i of the encoder, with its skip, to the next finer one
            finest, innermost = i == 0, i == depth - 1
            before, after = (self.shape[0] if finest else channels[i - 1]), channels[i]
            down: list[nn.Module] = [] if finest else [nn.LeakyReLU(0.2)]
            down.append(strided(layers, before, after, sides, bias=finest or innermost))
            down += [] if finest or innermost else [self._norm(after, layers)]
            encoder.append(nn.Sequential(*down))
            finer = self.target_shape[0] if finest else before
            up = [nn.ReLU(inplace=True), self._up(after if innermost else 2 * after, finer, sides, layers, finest)]
            up += [nn.Tanh()] if finest else [self._norm(finer, layers)]
            up += [nn.Dropout(dropout)] if not finest and i >= depth - DROPPED else []
            decoder.append(nn.Sequential(*up))
            sides = halved(sides)
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)
        self.apply(init_weights)

    @property
    def multiple_of(self) -> int:
        """2 to the power of the levels."""
        return 1 << self.depth

    @property
    def least_side(self) -> int:
        """The least side whose last map but one has two pixels, so that it can be normalized."""
        return (1 << (self.depth - 1)) + 1

    def _checked_depth(self, layers: Layers) -> int:
        deepest = (min(self.shape[1:]) - 1).bit_length()
        if self.levels is not None:
            require_positive(self, "levels", self.levels)
        depth = deepest if self.levels is None else self.levels
        if not 1 <= depth <= deepest:
            raise InputError(
                f"UNet cannot halve {layers.noun} of {' x '.join(map(str, self.shape[1:]))} {max(depth, 1)} times: "
                + (f"set levels to at most {deepest}" if deepest else "give it sides of at least 2")
            )
        return depth

    def _norm(self, channels: int, layers: Layers) -> nn.Module:
        return layers.batch_norm(channels) if self.batch_norm else layers.instance_norm(channels, affine=True)

    def _up(self, before: int, after: int, sides: Shape, layers: Layers, bias: bool) -> nn.Module:
        if self.resize_convolution:
            return NearestConvolution(before, after, layers, tuple(side % 2 for side in sides), bias)
        return strided_back(layers, before, after, sides, bias)

    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to translations ``(n, target_channels, *sides)`` in [-1, 1]."""
        maps = []
        for down in self.encoder:
            x = down(x)
            maps.append(x)
        for up in reversed(self.decoder):
            skip = maps.pop()
            x = up(skip if x is skip else torch.cat([x, skip], 1))
        return x
