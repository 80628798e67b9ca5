"""The bottleneck of a plain autoencoder."""

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.priors import LatentPrior
from lightning_gen.records import Code, Shape


class IdentityBottleneck(Bottleneck):
    """The code is the features: deterministic, without a posterior.

    Args:
        latent_dim: Width of the code.
        prior: The distribution that a term of the objective or a discriminator gives the codes, as in Wasserstein and
            adversarial autoencoders; None if the distribution of the codes is unknown.
    """

    def __init__(self, latent_dim: int = 32, prior: LatentPrior | None = None) -> None:
        super().__init__(latent_dim)
        self.prior = prior

    @property
    def has_prior(self) -> bool:
        """Whether it was given a prior."""
        return self.prior is not None

    @property
    def features(self) -> int:
        """Width of the features that it reads: `latent_dim`."""
        return self.latent_dim

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Return features ``(n, latent_dim, ...)`` as the code; it is deterministic."""
        require_features(self, features)
        return Code(sample=features, mean=features)

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Sample codes ``(n, latent_dim, *map_size)`` from the prior, each position on its own.

        Raises:
            InputError: It has no prior.
        """
        if self.prior is None:
            return super().sample_prior(n, generator, map_size)
        positions = torch.Size(map_size).numel()
        samples = self.prior.draw(n * positions, self.latent_dim, generator)
        return samples.view(n, positions, self.latent_dim).mT.reshape(n, self.latent_dim, *map_size)
