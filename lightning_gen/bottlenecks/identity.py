"""The bottleneck of a plain autoencoder."""

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.priors import LatentPrior
from lightning_gen.records import Code, Shape


class IdentityBottleneck(Bottleneck):
    """The code is the features: narrow, deterministic, without a distribution.

    Args:
        latent_dim: Width of the code.
        prior: What codes are made to be distributed like by a term of the objective or by a discriminator, as in
            Wasserstein and adversarial autoencoders; None where nothing says how they are distributed.
    """

    def __init__(self, latent_dim: int = 32, prior: LatentPrior | None = None) -> None:
        super().__init__(latent_dim)
        self.prior = prior

    @property
    def has_prior(self) -> bool:
        """Whether codes can be drawn: whether it was given a prior."""
        return self.prior is not None

    @property
    def features(self) -> int:
        """Width of the features that the encoder must give: `latent_dim`."""
        return self.latent_dim

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Take features ``(n, latent_dim, ...)`` as the code; nothing is random."""
        require_features(self, features)
        return Code(sample=features, mean=features)

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Draw codes ``(n, latent_dim, *map_size)`` from the prior, place by place.

        Raises:
            InputError: It has none.
        """
        if self.prior is None:
            return super().sample_prior(n, generator, map_size)
        places = torch.Size(map_size).numel()
        drawn = self.prior.draw(n * places, self.latent_dim, generator)
        return drawn.view(n, places, self.latent_dim).mT.reshape(n, self.latent_dim, *map_size)
