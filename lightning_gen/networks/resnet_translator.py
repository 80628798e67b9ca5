"""The residual translator of CycleGAN and of CUT: two convolutions down, residual blocks, two convolutions up.

Papers: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
https://arxiv.org/abs/1703.10593, section 7.1 and appendix 7.2; Contrastive Learning for Unpaired Image-to-Image
Translation, https://arxiv.org/abs/2007.15651, appendix C.1
"""

from collections.abc import Mapping, Sequence
from itertools import islice, pairwise

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.dcgan import init_weights
from lightning_gen.networks.layers import Layers, layers_for
from lightning_gen.networks.reflection import reflecting
from lightning_gen.networks.requirements import require_positive
from lightning_gen.networks.resampling import BlurredHalving, NearestConvolution
from lightning_gen.networks.translator import Translator
from lightning_gen.ranges import BELOW_1, require
from lightning_gen.records import Shape

PIXELS = "pixels"
"""The name of the features that are the source itself."""
FULL_SIZE = 256
"""From this side on there are nine blocks, below there are six."""


class ResNetTranslator(Translator):
    """Convolutions down to a quarter of the sides, residual blocks there, and convolutions back up.

    Convolutions of kernel 7 at both ends, and of kernel 3 in the blocks, reflect the borders; the output is in [-1, 1]
    by tanh. Maps are normalized over each image without gains and without running statistics, so a translation depends
    on no other image and is the same in training and in evaluation but for dropout.

    It gives features by name: `pixels`, the source itself; `down1`, `down2`, ..., each convolution down before it is
    normalized; `block1`, `block2`, ..., each residual block. With `antialias` one of their positions sees 1, 9, 15, 35
    and 99 pixels of the source at `pixels`, `down1`, `down2`, `block1` and `block5`, those that CUT compares. The
    authors' code of CUT pads the pixels with the reflected border that its first convolution reads, which gives some of
    them twice; here the border is left out. Names mean the same layers whatever the options.

    Weights start as N(0, 0.02²). In the authors' code of CUT they start smaller by far, which the normalization undoes
    but for the features before it.

    Args:
        shape: Shape of one source: ``(channels, height, width)``, or of a signal or volume; sides that are multiples of
            4, of at least 8.
        target_channels: Channels of a translation; None for those of a source.
        width: Channels of the finest map; each coarser one has twice as many.
        blocks: Residual blocks; None for 6 where a side is below 256, else 9.
        downsamplings: How often the sides are halved. The papers' networks do so twice, the global network of
            pix2pixHD, https://arxiv.org/abs/1711.11585, four times; sides are then multiples of 16, of at least 32.
        dropout: Share of the numbers within a block that dropout sets to 0 in training, from 0 to below 1.
        antialias: Whether maps are blurred before their sides are halved, after convolutions of stride 1, and enlarged
            linearly, as in CUT.
        resize_convolution: Whether maps are enlarged by their nearest pixels before convolutions, instead of transposed
            convolutions of kernel 3 and stride 2, which draw checkerboards.

    Raises:
        InputError: The shape has no side, more than three or one that is no such multiple, a number is out of its
            range, or maps would be enlarged in two ways.
    """

    def __init__(
        self,
        shape: Shape,
        target_channels: int | None = None,
        width: int = 64,
        blocks: int | None = None,
        downsamplings: int = 2,
        dropout: float = 0.0,
        antialias: bool = False,
        resize_convolution: bool = False,
    ) -> None:
        super().__init__(shape, target_channels)
        require_positive(self, "width", width)
        require_positive(self, "downsamplings", downsamplings)
        require(self, "dropout", dropout, BELOW_1, "a share")
        if antialias and resize_convolution:
            raise InputError(
                "ResNetTranslator cannot enlarge maps both linearly, by antialias, and by resize_convolution: neither "
                "draws checkerboards, so set one of them"
            )
        self.width = width
        self.blocks = blocks
        self.downsamplings = downsamplings
        self.dropout = dropout
        self.antialias = antialias
        self.resize_convolution = resize_convolution
        layers = layers_for(self, self.shape)
        self._check_sides(layers)
        count = (6 if min(self.shape[1:]) < FULL_SIZE else 9) if blocks is None else blocks
        require_positive(self, "blocks", count)
        channels = [width << i for i in range(downsamplings + 1)]
        self._feature_channels = {PIXELS: self.shape[0]}
        self._ends = {PIXELS: 0}  # the number of layers that features have passed, by their names
        stack = [reflected(layers, self.shape[0], width, 7), *activated(width, layers)]
        for i, (before, after) in enumerate(pairwise(channels), 1):
            stack.append(layers.conv(before, after, 3, 1 if antialias else 2, 1))
            self._name(f"down{i}", len(stack), after)
            stack += activated(after, layers)
            stack += [BlurredHalving(layers)] if antialias else []
        for i in range(1, count + 1):
            stack.append(ReflectedBlock(channels[-1], layers, dropout))
            self._name(f"block{i}", len(stack), channels[-1])
        for before, after in zip(channels[:0:-1], channels[-2::-1], strict=True):
            stack += [*self._up(before, after, layers), *activated(after, layers)]
        self.layers = nn.Sequential(*stack, reflected(layers, width, self.target_shape[0], 7), nn.Tanh())
        self.apply(init_weights)

    @property
    def multiple_of(self) -> int:
        """2 to the power of `downsamplings`."""
        return 1 << self.downsamplings

    @property
    def least_side(self) -> int:
        """The side whose smallest map has two pixels, so that it can be normalized and its border reflected."""
        return 2 << self.downsamplings

    @property
    def feature_channels(self) -> Mapping[str, int]:
        """The names of the feature maps that it gives, in the order of its layers, and their channels."""
        return self._feature_channels

    def _name(self, name: str, end: int, channels: int) -> None:
        self._ends[name] = end
        self._feature_channels[name] = channels

    def _check_sides(self, layers: Layers) -> None:
        multiple, least, sides = self.multiple_of, self.least_side, self.shape[1:]
        if min(sides) < least or any(side % multiple for side in sides):
            raise InputError(
                f"ResNetTranslator needs {layers.noun} whose sides are multiples of {multiple}, of at least {least}, "
                f"and got {' x '.join(map(str, sides))}: set --data.size to such a multiple, or use UNet, which takes "
                "any size"
            )

    def _up(self, before: int, after: int, layers: Layers) -> list[nn.Module]:
        """The layers that double the sides of a map."""
        if self.antialias:
            linear = nn.Upsample(scale_factor=2, mode=layers.interpolation, align_corners=False)
            return [linear, layers.conv(before, after, 3, padding=1)]
        if self.resize_convolution:
            return [NearestConvolution(before, after, layers)]
        return [layers.conv_transpose(before, after, 3, 2, 1, 1)]

    def translate(self, x: Tensor) -> Tensor:
        """Map sources ``(n, channels, *sides)`` to translations ``(n, target_channels, *sides)`` in [-1, 1]."""
        return self.layers(x)

    def features(self, x: Tensor, names: Sequence[str]) -> tuple[Tensor, ...]:
        """The feature maps of sources ``(n, *shape)``, computed as far as the last of them; see `Translator.features`.

        Raises:
            InputError: The sources have a shape that it does not accept, or it gives no features of a name.
        """
        self.require_features(names)
        last = max((self._ends[name] for name in names), default=0)
        return self._pass(self.checked_source(x), names, last)[1]

    def forward_with_features(self, x: Tensor, names: Sequence[str]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The translations of sources ``(n, *shape)`` and their feature maps, of one pass; see `features`.

        Raises:
            InputError: The sources have a shape that it does not accept, or it gives no features of a name.
        """
        self.require_features(names)
        return self._pass(self.checked_source(x), names, len(self.layers))

    def _pass(self, x: Tensor, names: Sequence[str], last: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output of the first layers, up to number `last`, and the features on the way."""
        ends = {self._ends[name] for name in names}
        maps = {0: x}
        for end, layer in enumerate(islice(self.layers, last), 1):
            x = layer(x)
            if end in ends:
                maps[end] = x
        return x, tuple(maps[self._ends[name]] for name in names)


class ReflectedBlock(nn.Module):
    """x + a branch of two convolutions of kernel 3 with reflected borders, each normalized over the image.

    Args:
        channels: Channels of the map.
        layers: The layers for the number of spatial dimensions.
        dropout: Share of the numbers between them that dropout sets to 0.
    """

    def __init__(self, channels: int, layers: Layers, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            reflected(layers, channels, channels, 3),
            *activated(channels, layers),
            nn.Dropout(dropout),
            reflected(layers, channels, channels, 3),
            layers.instance_norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, channels, *sides)`` to the same shape."""
        return x + self.branch(x)


def reflected(layers: Layers, before: int, after: int, kernel: int) -> nn.Module:
    """Make a convolution of stride 1 that keeps the sides of a map by reflecting its border."""
    return reflecting(layers.dimensions, before, after, kernel)


def activated(channels: int, layers: Layers) -> list[nn.Module]:
    """Make InstanceNorm, without gains and running statistics, and ReLU."""
    return [layers.instance_norm(channels), nn.ReLU(inplace=True)]
