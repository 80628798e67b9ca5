"""Penalties on the distance of the codes' covariance from that of the prior, the identity matrix.

Paper: Variational Inference of Disentangled Latent Concepts from Unlabeled Observations,
https://arxiv.org/abs/1711.00848
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Level, Reconstruction
from lightning_gen.regularizers.latent import only_level
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term


class DisentangledPrior(Term, ABC):
    """lambda_od Σ_{i≠j} Cᵢⱼ² + lambda_d Σᵢ (Cᵢᵢ - 1)², with C a covariance of codes over the batch. Not in nats.

    It is used beside `KLDivergence`. Covariances divide by n. Each device computes it on its own part of a batch.

    Args:
        off_diagonal: lambda_od, the weight of the covariances of different dimensions.
        diagonal: lambda_d, the weight of the deviations of the variances from 1.
        weight: Factor of the whole term in the objective, or a schedule of it.
    """

    def __init__(self, off_diagonal: float, diagonal: float, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        require(self, "off_diagonal", off_diagonal, FROM_0)
        require(self, "diagonal", diagonal, FROM_0)
        self.off_diagonal = off_diagonal
        self.diagonal = diagonal

    @abstractmethod
    def covariance(self, level: Level) -> Tensor:
        """Return the covariance of the codes over the batch, ``(d, d)``."""

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the penalty of a batch.

        Raises:
            InputError: The code has no stochastic level, or several.
        """
        covariance = self.covariance(only_level(record.code, self))
        own = covariance.diagonal()
        shared = covariance - own.diag_embed()
        return self.off_diagonal * shared.square().sum() + self.diagonal * (own - 1).square().sum()


class DIPVAE1(DisentangledPrior):
    """The penalty of DIP-VAE-I, on the covariance of the posterior's means, Cov_x[mu(x)].

    The default weights are those of the paper's tables, lambda_d = 10 lambda_od.

    Args:
        off_diagonal: lambda_od, the weight of the covariances of different dimensions.
        diagonal: lambda_d, the weight of the deviations of the variances from 1.
        weight: Factor of the whole term in the objective, or a schedule of it.
    """

    def __init__(self, off_diagonal: float = 10.0, diagonal: float = 100.0, weight: float | Schedule = 1.0) -> None:
        super().__init__(off_diagonal, diagonal, weight)

    def covariance(self, level: Level) -> Tensor:
        """Return Cov_x[mu(x)], ``(d, d)``."""
        return covariance_of(level.posterior.mean.flatten(1))


class DIPVAE2(DisentangledPrior):
    """The penalty of DIP-VAE-II, on the covariance of the sampled codes, Cov[z] = Cov_x[mu(x)] + E_x[Var[z|x]].

    The default weights are those of the paper's tables, lambda_d = lambda_od.

    Args:
        off_diagonal: lambda_od, the weight of the covariances of different dimensions.
        diagonal: lambda_d, the weight of the deviations of the variances from 1.
        weight: Factor of the whole term in the objective, or a schedule of it.
    """

    def __init__(self, off_diagonal: float = 10.0, diagonal: float = 10.0, weight: float | Schedule = 1.0) -> None:
        super().__init__(off_diagonal, diagonal, weight)

    def covariance(self, level: Level) -> Tensor:
        """Return Cov_x[mu(x)] + E_x[diag(sigma²(x))], ``(d, d)``."""
        posterior = level.posterior
        return covariance_of(posterior.mean.flatten(1)) + posterior.variance.flatten(1).mean(0).diag_embed()


def covariance_of(x: Tensor) -> Tensor:
    """Return the covariance ``(d, d)`` of rows ``(n, d)``, divided by n, without autocast's rounding."""
    with torch.autocast(x.device.type, enabled=False):
        centred = x - x.mean(0)
        return centred.mT @ centred / len(x)
