"""The divergence from the prior in three parts, so that each can have a weight of its own, as in the beta-TC-VAE.

KL(q(z|x) || p(z)) on average = mutual information of sample and code + total correlation of the code's dimensions
+ divergence of each dimension from its prior; with the same draws and the same sampling the three add up to what
`KLDivergence(sampled=True)` gives, whatever the sampling.

Paper: Isolating Sources of Disentanglement in VAEs, https://arxiv.org/abs/1802.04942, equation 2
"""

from abc import ABC, abstractmethod
from math import log

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import Level, Reconstruction
from lightning_gen.regularizers.latent import only_level
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, per_sample


class MinibatchSampling(ABC):
    """How the density of the codes of all training samples, q(z) = 1/N Σₙ q(z|xₙ), is estimated from one batch."""

    @abstractmethod
    def log_weights(self, n: int, population: int, device: torch.device) -> Tensor:
        """Return log w with q(zᵢ) ≈ Σⱼ wᵢⱼ q(zᵢ|xⱼ) where zᵢ was drawn for xᵢ, ``(n, n)``.

        Args:
            n: Samples in the batch.
            population: Training samples, at least n.
            device: Where the weights are needed.
        """


class WeightedSampling(MinibatchSampling):
    """Minibatch-weighted sampling: w = 1 / (n N) everywhere.

    A lower bound in the mean, too small by up to a factor n: where codes are far from each other the total
    correlation of d dimensions reads up to (d - 1) log n nats too high. The gradient does not know.

    Paper: Isolating Sources of Disentanglement in VAEs, https://arxiv.org/abs/1802.04942, appendix C
    """

    def log_weights(self, n: int, population: int, device: torch.device) -> Tensor:
        """Return -log(n N) everywhere, ``(n, n)``."""
        return torch.full((n, n), -log(n * population), device=device)


class StratifiedSampling(MinibatchSampling):
    """Minibatch stratified sampling: an unbiased estimate of q(z).

    With m = n - 1 the sample that a code was drawn for has the weight 1/N, one other (N - m) / (N m) and the rest 1/m,
    so the weights of a code sum to 1. A batch of one sample knows q(z|x) alone.

    Paper: Isolating Sources of Disentanglement in VAEs, https://arxiv.org/abs/1802.04942, appendix C
    """

    def log_weights(self, n: int, population: int, device: torch.device) -> Tensor:
        """Return the logarithms of 1/N on the diagonal, (N - m) / (N m) right of it, and 1/m elsewhere, ``(n, n)``."""
        if n == 1:
            return torch.zeros(1, 1, device=device)
        m = n - 1
        own = torch.eye(n, dtype=torch.bool, device=device)
        weights = torch.full((n, n), -log(m), device=device)
        weights = weights.masked_fill(own.roll(1, dims=1), log((population - m) / (population * m)))
        return weights.masked_fill(own, -log(population))


class AggregateTerm(Term, ABC):
    """A term that asks how the codes of all training samples are distributed together.

    Every device looks at its own part of a batch. A code that is a map counts as one of so many more dimensions.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: How q(z) is estimated from a batch, the same in all three terms; None for `StratifiedSampling`.
    """

    def __init__(self, weight: float | Schedule = 1.0, sampling: MinibatchSampling | None = None) -> None:
        super().__init__(weight)
        self.sampling = sampling or StratifiedSampling()

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the unweighted term, in nats per sample.

        Raises:
            InputError: The code has not one stochastic level, or the number of training samples is not known.
        """
        return self.value(record, only_level(record.code, self)).mean()

    @abstractmethod
    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return the term for each code drawn, ``(n,)``, in nats."""

    def log_joint(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z) of each code drawn, ``(n,)``, in nats."""
        densities = self._densities(record, level).sum(2)
        return torch.logsumexp(densities + self._log_weights(record, densities), dim=1)

    def log_product(self, record: Reconstruction, level: Level) -> Tensor:
        """Return Σ_d log q(z_d), each dimension on its own, of each code drawn, ``(n,)``, in nats."""
        densities = self._densities(record, level)
        return torch.logsumexp(densities + self._log_weights(record, densities)[..., None], dim=1).sum(1)

    def _densities(self, record: Reconstruction, level: Level) -> Tensor:
        return level.log_densities[:, :: record.codes_per_sample].flatten(2)

    def _log_weights(self, record: Reconstruction, densities: Tensor) -> Tensor:
        if record.dataset_size is None:
            raise InputError(
                f"{type(self).__name__} needs the number of training samples: train with a DataModule that has a "
                "train_set, or set the module's dataset_size, model.dataset_size = len(dataset)"
            )
        n = densities.shape[1]
        weights = self.sampling.log_weights(n, max(n, record.dataset_size), densities.device)
        return weights.repeat_interleave(record.codes_per_sample, dim=0)


class MutualInformation(AggregateTerm):
    """What a code tells of which sample it was drawn for, E[log q(z|x) - log q(z)]; the paper's weight alpha.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: How q(z) is estimated from a batch; None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z|x) - log q(z), ``(n,)``."""
        return per_sample(level.posterior.log_prob(level.sample)) - self.log_joint(record, level)


class TotalCorrelation(AggregateTerm):
    """How far the dimensions of the code are from independence, E[log q(z) - Σ_d log q(z_d)]; the paper's weight beta.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: How q(z) is estimated from a batch; None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z) - Σ_d log q(z_d), ``(n,)``."""
        return self.log_joint(record, level) - self.log_product(record, level)


class DimensionwiseKL(AggregateTerm):
    """The divergence of each dimension from its prior, E[Σ_d log q(z_d) - log p(z)]; the paper's weight gamma.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: How q(z_d) is estimated from a batch; None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return Σ_d log q(z_d) - log p(z), ``(n,)``."""
        return self.log_product(record, level) - per_sample(level.prior.log_prob(level.sample))
