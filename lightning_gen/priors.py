"""Priors: the distributions that a generator's latents are drawn from."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lightning_gen.errors import InputError


class LatentPrior(ABC):
    """A distribution of latents."""

    @abstractmethod
    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Draw latents ``(n, latent_dim)``, float32, on the generator's device."""

    def truncated(self, n: int, latent_dim: int, generator: torch.Generator, truncation: float) -> Tensor:
        """Draw latents ``(n, latent_dim)`` from the dense part of the distribution: better samples, less variety.

        Raises:
            InputError: The distribution has no part that is denser than another.
        """
        raise InputError(f"{type(self).__name__} is equally dense everywhere: leave out the truncation, or use Normal")


class Normal(LatentPrior):
    """N(0, I), the usual one."""

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Draw from N(0, I)."""
        return torch.randn(n, latent_dim, generator=generator, device=generator.device)

    def truncated(self, n: int, latent_dim: int, generator: torch.Generator, truncation: float) -> Tensor:
        """Draw from N(0, I) given that every coordinate lies in [-truncation, truncation], by inverting its CDF.

        Paper: Large Scale GAN Training for High Fidelity Natural Image Synthesis, https://arxiv.org/abs/1809.11096,
        section 3.1

        Raises:
            InputError: The truncation is not above 0.
        """
        if not truncation > 0:
            raise InputError(f"--truncation must be above 0, not {truncation}: 0.5 to 2 is usual")
        u = torch.rand(n, latent_dim, generator=generator, device=generator.device, dtype=torch.float64)
        inside = torch.special.ndtr(torch.tensor(truncation, dtype=torch.float64))
        latent = torch.special.ndtri((1 - inside) + u * (2 * inside - 1))
        return latent.to(torch.float32).clamp(-truncation, truncation)  # rounding may step over the bound


class Uniform(LatentPrior):
    """Uniform on [-1, 1] in every coordinate, as in the DCGAN paper."""

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Draw from U(-1, 1)."""
        return 2 * torch.rand(n, latent_dim, generator=generator, device=generator.device) - 1


class Hypersphere(LatentPrior):
    """Uniform on the sphere of radius √latent_dim, near which nearly all of N(0, I) lies in many dimensions.

    Paper: Sampling Generative Networks, https://arxiv.org/abs/1609.04468; A Style-Based Generator Architecture,
    https://arxiv.org/abs/1812.04948, normalises its latents so
    """

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Draw directions and give them the length √latent_dim."""
        latent = torch.randn(n, latent_dim, generator=generator, device=generator.device)
        return normalize(latent, dim=1) * latent_dim**0.5
