"""What a bottleneck promises: features in, a code out."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.records import Code


class Bottleneck(nn.Module, ABC):
    """Maps an encoder's features to the code that a decoder reads.

    Args:
        latent_dim: Width of the code.

    Attributes:
        has_prior: Whether codes can be drawn without an encoder, by `sample_prior`.
    """

    has_prior: bool = False

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 1:
            raise InputError(f"{type(self).__name__} cannot be {latent_dim} wide: give a latent_dim of at least 1")
        self.latent_dim = latent_dim

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of the features that the encoder must give."""

    @abstractmethod
    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, features)`` to a code of ``(n, latent_dim)``.

        Args:
            features: What the encoder gave.
            generator: Source of noise. None makes the code its mean, in training as in evaluation; `train()` and
                `eval()` change nothing, so a validation ELBO is estimated with the noise it is defined with.
        """

    @abstractmethod
    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw codes ``(n, latent_dim)`` from the prior, float32, on the generator's device.

        Raises:
            InputError: The bottleneck has no prior.
        """


def require_features(bottleneck: Bottleneck, features: Tensor) -> None:
    """Check that features are as wide as a bottleneck needs them.

    Raises:
        InputError: They are not.
    """
    if features.shape[1:] != (bottleneck.features,):
        raise InputError(
            f"{type(bottleneck).__name__} with latent_dim {bottleneck.latent_dim} reads features of shape "
            f"(n, {bottleneck.features}) and got {tuple(features.shape)}: "
            f"build the encoder with features {bottleneck.features}"
        )
