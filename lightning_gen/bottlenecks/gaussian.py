"""The bottleneck of the variational autoencoder."""

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.bottlenecks.normal import LogVarianceNormal, StandardNormal
from lightning_gen.records import Code, Level, Shape
from lightning_gen.terms import at_least_float32


class GaussianBottleneck(Bottleneck):
    """A diagonal Gaussian posterior, q(z|x) = N(mu, diag(sigma²)), and the prior p(z) = N(0, I).

    The first half of the features is mu, the second is log sigma². The code is z = mu + sigma · eps with eps ~ N(0, I),
    the reparameterisation of equation 10 of the paper. The log-variance is not clamped.

    Paper: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114

    Args:
        latent_dim: Width of the code.
    """

    def __init__(self, latent_dim: int = 16) -> None:
        super().__init__(latent_dim)

    @property
    def has_prior(self) -> bool:
        """True: the prior is N(0, I)."""
        return True

    @property
    def spherical_prior(self) -> bool:
        """True: the norm of a code is near √latent_dim."""
        return True

    @property
    def features(self) -> int:
        """Width of the features that it reads: 2 `latent_dim`."""
        return 2 * self.latent_dim

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, 2 latent_dim, ...)`` to a code ``(n, latent_dim, ...)``; no generator gives its mean."""
        require_features(self, features)
        mean, log_variance = at_least_float32(features).chunk(2, dim=1)
        posterior, sample = LogVarianceNormal(mean, log_variance), mean
        if generator is not None:
            noise = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype)
            sample = mean + posterior.scale * noise.to(mean.device)
        level = Level(sample, posterior, StandardNormal(mean))
        return Code(sample.to(features.dtype), mean.to(features.dtype), (level,))

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Sample codes ``(n, latent_dim, *map_size)`` from N(0, I), float32, on the generator's device."""
        return torch.randn(n, self.latent_dim, *map_size, generator=generator, device=generator.device)
