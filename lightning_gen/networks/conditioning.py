"""How networks are conditioned on the class of a sample."""

from abc import ABC
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.networks.heads import ClassifierHead, Head, InnerProductHead, LinearHead, ProjectionHead
from lightning_gen.networks.layers import LAYERS
from lightning_gen.ranges import COUNT, require
from lightning_gen.recording import Recorded
from lightning_gen.records import Shape

FORMER_NAMES = {"widened": "concatenated_shape", "join": "concatenate"}
"""Methods of conditionings and of networks in version 0.1, and what they are called now."""


class Conditioning(Recorded, FormerNames, ABC):
    """A way to condition a network on the class. It has no weights; the network builds the layers from it.

    Args:
        num_classes: Number of classes, at least 2; on the command line that of the data.

    Raises:
        InputError: There are fewer than two classes.
    """

    former_names: ClassVar[Mapping[str, str]] = FORMER_NAMES

    def __init__(self, num_classes: int) -> None:
        if not isinstance(num_classes, int) or num_classes < 2:
            raise InputError(
                f"{type(self).__name__} needs data of at least 2 classes and got num_classes {num_classes}: take data "
                "with labels (for ImageFolder, one folder for each class), or leave the conditioning out"
            )
        self.num_classes = num_classes

    def concatenated_shape(self, shape: Shape) -> Shape:
        """Shape of one input after `concatenate`."""
        return shape

    def concatenate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Add the classes ``(n,)`` to inputs ``(n, *shape)``."""
        return x


class GeneratorConditioning(Conditioning):
    """A way to condition a generator on the class.

    Attributes:
        acts_on_batch_norm: Whether it acts on BatchNorm alone, and so has no effect on a network without it.
    """

    acts_on_batch_norm = False

    def batch_norm(self, channels: int, dimensions: int) -> nn.Module:
        """Make BatchNorm of `channels` channels, for vectors (0 dimensions) or maps of 1, 2 or 3 dimensions."""
        return plain_batch_norm(channels, dimensions)

    def embedding(self) -> nn.Module | None:
        """Make the layer from classes ``(n,)`` to the vectors that are concatenated to the latents; None for none."""
        return None


class DiscriminatorConditioning(Conditioning):
    """A way to condition a discriminator on the class.

    Attributes:
        packs: Whether it supports packing, where one row holds samples of several classes.
    """

    packs = False

    def head(self, features: int, bias: bool) -> Head:
        """Make the head, which maps `features` features to a logit."""
        return LinearHead(features, bias)


class Concatenation(GeneratorConditioning, DiscriminatorConditioning):
    """Concatenates the one-hot class to the latent, or one-hot maps to the channels of an image.

    Paper: Conditional Generative Adversarial Nets, https://arxiv.org/abs/1411.1784, section 3.2
    """

    packs = True

    def concatenated_shape(self, shape: Shape) -> Shape:
        """The shape with `num_classes` more channels, or numbers."""
        return (shape[0] + self.num_classes, *shape[1:])

    def concatenate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Append the one-hot classes to inputs ``(n, *shape)``, at every position of a map."""
        classes = one_hot(labels, self.num_classes).to(x)
        classes = classes.reshape(*classes.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, classes], dim=1)


class ClassEmbedding(GeneratorConditioning):
    """Concatenates learned numbers to the latent: a linear map of the one-hot class.

    Their weights start as N(0, 1 / num_classes). Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline,
    https://arxiv.org/abs/2501.05441, as in the authors' code.

    Args:
        num_classes: Number of classes, at least 2; on the command line that of the data.
        width: Numbers for each class, at least 1.

    Raises:
        InputError: There are fewer than two classes, or the width is below 1.
    """

    def __init__(self, num_classes: int, width: int = 64) -> None:
        super().__init__(num_classes)
        require(self, "width", width, COUNT)
        self.width = width

    def concatenated_shape(self, shape: Shape) -> Shape:
        """The shape with `width` more numbers."""
        return (shape[0] + self.width, *shape[1:])

    def embedding(self) -> nn.Module:
        """Make the table of the classes, ``(num_classes, width)``."""
        table = nn.Embedding(self.num_classes, self.width)
        nn.init.normal_(table.weight, std=self.num_classes**-0.5)
        return table


class ConditionalBatchNorm(GeneratorConditioning):
    """Every BatchNorm of the generator has a gain and a shift for each class.

    Papers: A Learned Representation For Artistic Style, https://arxiv.org/abs/1610.07629; cGANs with Projection
    Discriminator, https://arxiv.org/abs/1802.05637, section 5
    """

    acts_on_batch_norm = True

    def batch_norm(self, channels: int, dimensions: int) -> nn.Module:
        """Make BatchNorm of `channels` channels that is called with the classes too."""
        return ClassBatchNorm(channels, dimensions, self.num_classes)


class Projection(DiscriminatorConditioning):
    """Adds the inner product of the features with an embedding of the class to the logit.

    logit = head(h) + <embedding(y), h>. Paper: cGANs with Projection Discriminator,
    https://arxiv.org/abs/1802.05637, equation 3
    """

    def head(self, features: int, bias: bool) -> Head:
        """Make a head that projects `features` features onto the class."""
        return ProjectionHead(features, self.num_classes, bias)


class InnerProduct(DiscriminatorConditioning):
    """The logit is the inner product of an embedding of the class with a linear map of the features, and no more.

    logit = <embedding(y), W h> with a square matrix W. Unlike `Projection`, no part of the logit is independent of the
    class. Paper: The GAN is dead; long live the GAN! A Modern GAN Baseline, https://arxiv.org/abs/2501.05441, as in the
    authors' code.
    """

    def head(self, features: int, bias: bool) -> Head:
        """Make a head that multiplies `features` mapped features by the class; it has no bias."""
        return InnerProductHead(features, self.num_classes)


class AuxiliaryClassifier(DiscriminatorConditioning):
    """The discriminator also classifies; use it with the term `Classification`.

    Paper: Conditional Image Synthesis With Auxiliary Classifier GANs, https://arxiv.org/abs/1610.09585, section 3
    """

    def head(self, features: int, bias: bool) -> Head:
        """Make a head that maps `features` features to a logit and to logits of the classes."""
        return ClassifierHead(features, self.num_classes, bias)


class Conditioned(nn.Module):
    """Layers that are called with samples and their classes."""


class ClassBatchNorm(Conditioned):
    """BatchNorm whose gain and shift depend on the class of the sample.

    Args:
        channels: Channels that are normalized.
        dimensions: Number of spatial dimensions: 0 for vectors, 1, 2 or 3 for maps.
        num_classes: Number of classes.
    """

    def __init__(self, channels: int, dimensions: int, num_classes: int) -> None:
        super().__init__()
        self.norm = plain_batch_norm(channels, dimensions, affine=False)
        self.gain = nn.Embedding(num_classes, channels)
        self.shift = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Normalize ``(n, channels, ...)`` over the batch, then scale and shift each sample by its class ``(n,)``."""
        size = (*x.shape[:2], *[1] * (x.dim() - 2))
        return self.norm(x) * self.gain(labels).view(size) + self.shift(labels).view(size)


def plain_batch_norm(channels: int, dimensions: int, affine: bool = True) -> nn.Module:
    """Make BatchNorm of `channels` channels, for vectors (0 dimensions) or maps, with or without gain and shift."""
    return (nn.BatchNorm1d if dimensions == 0 else LAYERS[dimensions].batch_norm)(channels, affine=affine)


class ConditionalSequential(nn.Sequential):
    """A sequence of layers; the `Conditioned` ones are called with the classes too."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Pass ``x`` through all layers."""
        for part in self:
            x = part(x, labels) if isinstance(part, Conditioned) else part(x)
        return x
