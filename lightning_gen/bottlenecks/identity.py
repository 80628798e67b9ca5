"""The bottleneck of a plain autoencoder."""

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.errors import InputError
from lightning_gen.records import Code


class IdentityBottleneck(Bottleneck):
    """The code is the features: narrow, deterministic, without a distribution.

    Args:
        latent_dim: Width of the code.
    """

    def __init__(self, latent_dim: int = 32) -> None:
        super().__init__(latent_dim)

    @property
    def features(self) -> int:
        """Width of the features that the encoder must give: `latent_dim`."""
        return self.latent_dim

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Take features ``(n, latent_dim)`` as the code; nothing is random."""
        require_features(self, features)
        return Code(sample=features, mean=features)

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Refuse: nothing says how such codes are distributed."""
        raise InputError("IdentityBottleneck has no prior to draw codes from: use GaussianBottleneck to generate")
