"""The discriminator of Projected GANs, which judges features of a network that was trained on ImageNet.

Paper: Projected GANs Converge Faster, https://arxiv.org/abs/2111.01007, section 3
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.conditioning import Projection
from lightning_gen.networks.dcgan import DCGANDiscriminator
from lightning_gen.networks.discriminator import Discriminator, normalize_spectrally
from lightning_gen.networks.heads import Head
from lightning_gen.networks.requirements import require_positive
from lightning_gen.pretrained import Frozen, Lite0
from lightning_gen.pretrained.lite0 import colour, resized
from lightning_gen.records import DiscriminatorOutput, Shape

DEVIATIONS = (11.0, 10.0, 8.0, 4.0)
"""Standard deviations of `Lite0.maps`, about those of photographs and of drawings at 64 x 64."""
LARGEST = 4
"""Each small discriminator halves its map until its side is at most this."""


class ProjectedDiscriminator(Discriminator):
    """Four small discriminators, each of features of another scale of EfficientNet-Lite0.

    The features of each level are mixed at random across channels, and with the coarser levels across scales. Neither
    the network nor the mixtures are trained: the network is in evaluation mode, in no optimizer, average or checkpoint;
    the mixtures are buffers, so that a checkpoint keeps them. So the discriminator sees from the first step on what
    images of ImageNet have in common. Judge such a model by the features of another network too: a distance in those
    of Lite0 is in part what it was trained on (The Role of ImageNet Classes in Fréchet Inception Distance,
    https://arxiv.org/abs/2203.06026).

    The features say little of exact colours and of the finest detail, and BatchNorm hides the mean colour of a batch:
    in trials all drawings of a generator had one palette, and a grid of dots. With `pixel_width` a whole discriminator
    of DCGAN reads the image itself, with spectral normalization and without BatchNorm, as the trained discriminator
    beside those of features in Ensembling Off-the-shelf Models for GAN Training, https://arxiv.org/abs/2112.09130,
    section 3.1. Its one logit stands as often as there are positions of features, so that both weigh the same.

    It returns n · p logits for n images, the p of one image next to each other: one for each position of the maps of
    all its small discriminators, and the repeated one. Gradient penalties need one logit for each sample and cannot be
    combined with it.

    With BatchNorm, as in the authors' code, real and fake images are normalized apart. Without it the discriminator won
    within a hundred updates in trials on drawings, since the mean of its features already told the two kinds apart.

    Unlike the paper: images are read at their own size by default and not at 224 x 224, which costs a twelfth at
    64 x 64, and features are divided by their usual deviation, so that logits start at the scale of 1.

    Args:
        shape: Shape of one image, ``(1 or 3, height, width)``; sides of at least 32 after `size`.
        width: Channels of the finest mixture; each coarser one has twice as many. The paper's is 64.
        size: Images are resized to this many pixels a side before the network reads them; None for their own. The
            paper's is 224.
        batch_norm: Whether the hidden maps of the small discriminators of features are normalized over the batch.
        pixel_width: Width of the discriminator of DCGAN that reads the image itself; None for none.
        conditioning: `Projection` on the class, or None for an unconditional discriminator.

    Raises:
        InputError: The samples are no grey or colour images, or are too small; or a package is missing, which the
            extra ``features`` installs.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 64,
        size: int | None = None,
        batch_norm: bool = True,
        pixel_width: int | None = None,
        conditioning: Projection | None = None,
    ) -> None:
        super().__init__(shape, conditioning=conditioning)
        require_positive(self, "width", width)
        if size is not None:
            require_positive(self, "size", size)
        side, least = size or (min(shape[1:]) if len(shape) == 3 else 0), Lite0.strides[-1]
        if len(shape) != 3 or shape[0] not in (1, 3) or side < least:
            raise InputError(
                f"ProjectedDiscriminator reads grey or colour images of at least {least} x {least}, not "
                f"samples of shape {tuple(shape)}: give such images, or set --model.discriminator.size to resize them"
            )
        self.width = width
        self.size = size
        self.batch_norm = batch_norm
        self.pixel_width = pixel_width
        self.network = Frozen(Lite0)
        self.mixing = Mixing(Lite0.widths, DEVIATIONS, width)
        sides = [side // stride for stride in Lite0.strides]
        self.heads = nn.ModuleList(
            PositionHead(channels, 2 * width, side, batch_norm, self.make_head(2 * width))
            for channels, side in zip(self.mixing.channels, sides, strict=True)
        )
        normalize_spectrally(self.heads)
        self.image = None
        if pixel_width is not None:
            require_positive(self, "pixel_width", pixel_width)
            self.image = DCGANDiscriminator(shape, pixel_width, False, True, conditioning=conditioning)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map images ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to the logits of their positions.

        Returns:
            Logits ``(n · p,)``; features ``(n, ...)``, one row an image.

        Raises:
            InputError: The images have another shape, or it is conditional and the classes are missing.
        """
        x = self.prepare(x, self.shape, "shape", labels)
        maps = self.mixtures(x)
        logits = torch.cat([head(each, labels) for head, each in zip(self.heads, maps, strict=True)], 1)
        if self.image is not None:
            whole = self.image(x, labels).logits.unsqueeze(1)
            logits = torch.cat((logits, whole.expand_as(logits)), 1)
        return DiscriminatorOutput(logits.flatten(), maps[-1].flatten(1), labels)

    def features(self, x: Tensor) -> Tensor:
        """Map images ``(n, *shape)`` to the coarsest mixture, ``(n, channels, height, width)``."""
        return self.mixtures(x)[-1]

    def mixtures(self, x: Tensor) -> Sequence[Tensor]:
        """Map images ``(n, *shape)`` to the random mixtures of their features, from the finest on."""
        x = colour(x) if self.size is None else resized(colour(x), self.size)
        # the network's depthwise convolutions take two thirds of the time with channels last
        return self.mixing(self.network(x).maps(x.contiguous(memory_format=torch.channels_last)))


class Mixing(nn.Module):
    """Random mixtures of features across channels and across scales, which are never trained.

    Each level is projected to other channels, then a projection of the next coarser mixture is added to it.

    Args:
        widths: Channels of the levels, from the finest on.
        deviations: Standard deviations of the levels, by which they are divided.
        width: Channels of the finest mixture; each coarser one has twice as many.
    """

    def __init__(self, widths: Sequence[int], deviations: Sequence[float], width: int) -> None:
        super().__init__()
        self.deviations = deviations
        self.channels = [width * 2**i for i in range(len(widths))]
        for i, (channels, mixed) in enumerate(zip(widths, self.channels, strict=True)):
            self.register_buffer(f"channels{i}", random_weight(mixed, channels, 1))
        for i, (finer, coarser) in enumerate(zip(self.channels, self.channels[1:], strict=False)):
            self.register_buffer(f"scales{i}", random_weight(finer, coarser, 3))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Map levels ``(n, widths[i], h, w)`` to mixtures ``(n, channels[i], h, w)``."""
        scaled = [x / deviation for x, deviation in zip(maps, self.deviations, strict=True)]
        mixed = [nn.functional.conv2d(x, self.get_buffer(f"channels{i}")) for i, x in enumerate(scaled)]
        for i in reversed(range(len(mixed) - 1)):
            coarser = nn.functional.interpolate(mixed[i + 1], mixed[i].shape[2:], mode="bilinear")
            mixed[i] = mixed[i] + nn.functional.conv2d(coarser, self.get_buffer(f"scales{i}"), padding=1)
        return mixed


class PositionHead(nn.Module):
    """A small discriminator of one map, with a logit for each position of its last map.

    Args:
        channels: Channels of the map.
        width: Channels of its hidden maps.
        side: Side of the map.
        batch_norm: Whether its hidden maps are normalized.
        head: Maps ``(rows, width)`` to logits.
    """

    def __init__(self, channels: int, width: int, side: int, batch_norm: bool, head: Head) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while side > LARGEST:
            layers += block(nn.Conv2d(channels, width, 4, 2, 1, bias=not batch_norm), batch_norm)
            channels, side = width, side // 2
        last = nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm)
        self.layers = nn.Sequential(*layers, *block(last, batch_norm))
        self.head = head

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map ``(n, channels, h, w)``, of classes ``(n,)`` or None, to logits ``(n, positions)``."""
        positions = self.layers(x).flatten(2).transpose(1, 2)
        labels = None if labels is None else labels.repeat_interleave(positions.shape[1])
        return self.head(positions.flatten(0, 1), labels).logits.view(positions.shape[:2])


def block(conv: nn.Conv2d, batch_norm: bool) -> list[nn.Module]:
    """A convolution, BatchNorm where it is wanted, and a leaky ReLU."""
    return [conv, *([nn.BatchNorm2d(conv.out_channels)] if batch_norm else []), nn.LeakyReLU(0.2)]


def random_weight(out: int, channels: int, side: int) -> Tensor:
    """The weight of a random convolution, ``(out, channels, side, side)``, that keeps the variance of its input."""
    return nn.init.kaiming_normal_(torch.empty(out, channels, side, side), nonlinearity="linear")
