"""Priors: the distributions of a generator's latents."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lightning_gen.errors import InputError
from lightning_gen.recording import Recorded


class LatentPrior(Recorded, ABC):
    """A distribution of latents.

    Attributes:
        spherical: Whether nearly all latents lie near a sphere around 0, so that a path between two of them follows it.
    """

    spherical: ClassVar[bool] = False

    @abstractmethod
    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Sample latents ``(n, latent_dim)``, float32, on the generator's device."""

    def truncated(self, n: int, latent_dim: int, generator: torch.Generator, truncation: float) -> Tensor:
        """Sample latents ``(n, latent_dim)`` from the region of high density: better samples, less diversity.

        Raises:
            InputError: The density is the same everywhere.
        """
        raise InputError(f"{type(self).__name__} is equally dense everywhere: leave out the truncation, or use Normal")

    def energy(self, latents: Tensor) -> Tensor:
        """The negative log density of latents ``(n, latent_dim)`` up to a constant, in nats, ``(n,)``.

        It is 0 for a prior that is equally dense everywhere.
        """
        return latents.new_zeros(len(latents))

    def nearest(self, latents: Tensor) -> Tensor:
        """The latents ``(n, latent_dim)`` that the prior can draw and that are nearest to given ones: all of R^d."""
        return latents


class Normal(LatentPrior):
    """N(0, I), the usual prior."""

    spherical: ClassVar[bool] = True

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Sample from N(0, I)."""
        return torch.randn(n, latent_dim, generator=generator, device=generator.device)

    def truncated(self, n: int, latent_dim: int, generator: torch.Generator, truncation: float) -> Tensor:
        """Sample from N(0, I) with every coordinate truncated to [-truncation, truncation], by inversion of the CDF.

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
        return latent.to(torch.float32).clamp(-truncation, truncation)  # rounding may exceed the bound

    def energy(self, latents: Tensor) -> Tensor:
        """Half the squared norm."""
        return latents.square().sum(1) / 2


class Uniform(LatentPrior):
    """Uniform on [-1, 1] in every coordinate, as in the DCGAN paper."""

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Sample from U(-1, 1)."""
        return 2 * torch.rand(n, latent_dim, generator=generator, device=generator.device) - 1

    def nearest(self, latents: Tensor) -> Tensor:
        """Every coordinate clipped to [-1, 1]."""
        return latents.clamp(-1, 1)


class Hypersphere(LatentPrior):
    """Uniform on the sphere of radius √latent_dim; in many dimensions nearly all samples of N(0, I) lie close to it.

    Papers: Sampling Generative Networks, https://arxiv.org/abs/1609.04468; A Style-Based Generator Architecture,
    https://arxiv.org/abs/1812.04948, which normalises its latents in this way
    """

    spherical: ClassVar[bool] = True

    def draw(self, n: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        """Sample directions and scale them to the norm √latent_dim."""
        return self.nearest(torch.randn(n, latent_dim, generator=generator, device=generator.device))

    def nearest(self, latents: Tensor) -> Tensor:
        """The same directions, with the norm √latent_dim."""
        return normalize(latents, dim=1) * latents.shape[1] ** 0.5
