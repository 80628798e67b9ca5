"""How the networks of a GAN learn of a sample's class."""

from abc import ABC
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.networks.heads import ClassifierHead, Head, LinearHead, ProjectionHead
from lightning_gen.networks.layers import LAYERS
from lightning_gen.records import Shape

FORMER_NAMES = {"widened": "concatenated_shape", "join": "concatenate"}
"""Methods of conditionings and of networks in version 0.1, and what they are called now."""


class Conditioning(FormerNames, ABC):
    """A way to tell a network the class; a plan from which it builds itself, without weights.

    Args:
        num_classes: Number of classes, at least 2; on the command line the data's.

    Raises:
        InputError: There are fewer than two classes.
    """

    former_names: ClassVar[Mapping[str, str]] = FORMER_NAMES

    def __init__(self, num_classes: int) -> None:
        if not isinstance(num_classes, int) or num_classes < 2:
            raise InputError(
                f"{type(self).__name__} needs data of at least 2 classes and got num_classes {num_classes}: take data "
                "with labels (for ImageFolder, one folder a class), or leave the conditioning out"
            )
        self.num_classes = num_classes

    def concatenated_shape(self, shape: Shape) -> Shape:
        """Shape of one input once `concatenate` has added the class to it."""
        return shape

    def concatenate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Add the classes ``(n,)`` to inputs ``(n, *shape)``."""
        return x


class GeneratorConditioning(Conditioning):
    """A way to tell a generator which class to draw.

    Attributes:
        acts_on_batch_norm: Whether it does nothing to a network without BatchNorm.
    """

    acts_on_batch_norm = False

    def batch_norm(self, channels: int, dimensions: int) -> nn.Module:
        """Make the normalization of `channels` channels, of vectors (0 dimensions) or maps of 1, 2 or 3."""
        return plain_batch_norm(channels, dimensions)


class DiscriminatorConditioning(Conditioning):
    """A way to tell a discriminator which class to expect.

    Attributes:
        packs: Whether it goes with packing, where one row holds samples of several classes.
    """

    packs = False

    def head(self, features: int, bias: bool) -> Head:
        """Make what reads the logits off `features` features."""
        return LinearHead(features, bias)


class Concatenation(GeneratorConditioning, DiscriminatorConditioning):
    """The class as a one-hot vector beside the latent, or as one-hot maps beside the channels of a picture.

    Paper: Conditional Generative Adversarial Nets, https://arxiv.org/abs/1411.1784, section 3.2
    """

    packs = True

    def concatenated_shape(self, shape: Shape) -> Shape:
        """`num_classes` more channels, or numbers."""
        return (shape[0] + self.num_classes, *shape[1:])

    def concatenate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Append the one-hot classes to inputs ``(n, *shape)``, at every place of a map."""
        classes = one_hot(labels, self.num_classes).to(x)
        classes = classes.reshape(*classes.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, classes], dim=1)


class ConditionalBatchNorm(GeneratorConditioning):
    """A gain and a shift of its own for each class in every BatchNorm of the generator.

    Papers: A Learned Representation For Artistic Style, https://arxiv.org/abs/1610.07629; cGANs with Projection
    Discriminator, https://arxiv.org/abs/1802.05637, section 5
    """

    acts_on_batch_norm = True

    def batch_norm(self, channels: int, dimensions: int) -> nn.Module:
        """Make a normalization of `channels` channels that is called with the classes too."""
        return ClassBatchNorm(channels, dimensions, self.num_classes)


class Projection(DiscriminatorConditioning):
    """The logit gains the inner product of the features with a vector of the class.

    logit = head(h) + <embedding(y), h>. Paper: cGANs with Projection Discriminator,
    https://arxiv.org/abs/1802.05637, equation 3
    """

    def head(self, features: int, bias: bool) -> Head:
        """Make a head that projects `features` features onto the class."""
        return ProjectionHead(features, self.num_classes, bias)


class AuxiliaryClassifier(DiscriminatorConditioning):
    """The discriminator also guesses the class; pair with the term `Classification`.

    Paper: Conditional Image Synthesis With Auxiliary Classifier GANs, https://arxiv.org/abs/1610.09585, section 3
    """

    def head(self, features: int, bias: bool) -> Head:
        """Make a head that reads a logit and the classes off `features` features."""
        return ClassifierHead(features, self.num_classes, bias)


class Conditioned(nn.Module):
    """Layers that are called with samples and their classes."""


class ClassBatchNorm(Conditioned):
    """BatchNorm whose gain and shift are those of the sample's class.

    Args:
        channels: Channels that are normalised.
        dimensions: 0 for vectors, 1, 2 or 3 for maps of as many sides.
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
        """Normalise ``(n, channels, ...)`` over the batch, then scale and shift each sample by its class ``(n,)``."""
        size = (*x.shape[:2], *[1] * (x.dim() - 2))
        return self.norm(x) * self.gain(labels).view(size) + self.shift(labels).view(size)


def plain_batch_norm(channels: int, dimensions: int, affine: bool = True) -> nn.Module:
    """Make BatchNorm of `channels` channels, of vectors (0 dimensions) or maps, with a gain and a shift or not."""
    return (nn.BatchNorm1d if dimensions == 0 else LAYERS[dimensions].batch_norm)(channels, affine=affine)


class ConditionalSequential(nn.Sequential):
    """Layers in a row, of which the `Conditioned` ones are called with the classes too."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Pass ``x`` through all layers."""
        for part in self:
            x = part(x, labels) if isinstance(part, Conditioned) else part(x)
        return x
