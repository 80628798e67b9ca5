"""The base of discriminators: it builds itself from the shape of one sample and knows no loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.networks.base import Network
from lightning_gen.networks.conditioning import DiscriminatorConditioning
from lightning_gen.networks.heads import Head, LinearHead
from lightning_gen.networks.layers import CONVOLUTIONS
from lightning_gen.networks.requirements import require_positive
from lightning_gen.records import DiscriminatorOutput, Shape


class Discriminator(Network, ABC):
    """Maps each sample to a logit, positive for real. For a critic the logit is the score.

    With packing m it concatenates m samples along their channels and gives one logit for each pack, which shows a lack
    of variety (PacGAN: The power of two samples in generative adversarial networks, https://arxiv.org/abs/1712.04086,
    section 2). With `minibatch_std` the standard deviation of the features over the batch, averaged over the features,
    is one more feature of the head. The head is linear, so it adds the same number to all logits of a batch, by which
    real batches differ from fake ones but samples of a batch do not. In Progressive Growing of GANs,
    https://arxiv.org/abs/1710.10196, section 3, it is one more map before the last convolutions, for each four samples.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        packing: Samples that are concatenated along their channels and get one logit together.
        minibatch_std: Whether the standard deviation over the batch is one more feature.
        conditioning: How it is conditioned on the class; None for an unconditional discriminator.

    Raises:
        InputError: The conditioning does not support packing.
    """

    former_names: ClassVar[Mapping[str, str]] = {**Network.former_names, "judge": "forward"}

    conditioning: DiscriminatorConditioning | None
    head: Head

    takes_plain_modules: ClassVar[bool] = True

    def __init__(
        self,
        shape: Shape,
        packing: int = 1,
        minibatch_std: bool = False,
        conditioning: DiscriminatorConditioning | None = None,
    ) -> None:
        super().__init__(shape, conditioning)
        require_positive(self, "packing", packing)
        if packing > 1 and conditioning is not None and not conditioning.packs:
            raise InputError(
                f"{type(conditioning).__name__} needs one class for each logit, but with packing {packing} the "
                "samples of a logit have several: use Concatenation with packing, or set packing 1"
            )
        self.packing = packing
        self.minibatch_std = minibatch_std

    @property
    def input_shape(self) -> Shape:
        """Shape of one input of `features`: a pack of samples, with their classes where these are concatenated."""
        channels, *sides = self.concatenated_shape(self.shape)
        return (channels * self.packing, *sides)

    @cached_property
    def mixes_samples(self) -> bool:
        """Whether a logit depends on the rest of the batch, as with BatchNorm."""
        return self.minibatch_std or bool(private.batch_norms(self.modules()))

    @property
    def batch_features(self) -> int:
        """How many of the features that the head reads, its last ones, are of the whole batch and no sample's own."""
        return int(self.minibatch_std)

    def make_head(self, features: int, bias: bool = True) -> Head:
        """Make the head, which maps the output of `features`, flattened to `features` numbers, to logits."""
        features += self.batch_features
        return LinearHead(features, bias) if self.conditioning is None else self.conditioning.head(features, bias)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> DiscriminatorOutput:
        """Map samples ``(n, *shape)``, of classes ``(n,)`` where it is conditional, to ``n / packing`` rows of output.

        Raises:
            InputError: The samples have another shape, the discriminator is conditional and the classes are missing, or
                the samples cannot be divided into packs.
        """
        x = self.prepare(x, self.shape, "shape", labels, self.multiple_of, self.least_side)
        features = self.features(x if self.packing == 1 else packed(x, self.packing)).flatten(1)
        if self.minibatch_std:
            features = torch.cat([features, spread(features)], dim=1)
        return self.head(features, labels)

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Map inputs ``(rows, *input_shape)`` to the features that the head reads, ``(rows, ...)``."""


def packed(x: Tensor, packing: int) -> Tensor:
    """Concatenate successive samples along their channels: ``(n, c, ...)`` to ``(n / packing, packing * c, ...)``.

    Raises:
        InputError: The samples cannot be divided into packs.
    """
    if len(x) % packing:
        raise InputError(
            f"{len(x)} samples cannot be divided into packs of {packing}: set --data.batch_size so that every device, "
            f"and every part of its batch with --model.accumulate, gets a multiple of {packing}"
        )
    return x if packing == 1 else x.reshape(-1, packing * x.shape[1], *x.shape[2:])


def spread(features: Tensor) -> Tensor:
    """The standard deviation of features ``(n, f)`` over the batch, averaged over them, for each sample: ``(n, 1)``."""
    deviation = (features.var(0, correction=0) + 1e-8).sqrt().mean()
    return deviation.expand(len(features), 1)


def normalize_spectrally(network: nn.Module) -> None:
    """Divide the weights of each linear map, convolution and embedding by their largest singular value.

    The singular value is estimated by one power iteration for each forward pass in training. Paper: Spectral
    Normalization for Generative Adversarial Networks, https://arxiv.org/abs/1802.05957, Algorithm 1
    """
    for part in list(network.modules()):
        if isinstance(part, (nn.Linear, *CONVOLUTIONS, nn.Embedding)):
            spectral_norm(part)
