"""The divergence from the prior as a sum of three terms with a weight each, as in the beta-TC-VAE.

E_x[KL(q(z|x) || p(z))] = mutual information of sample and code + total correlation of the code's dimensions
+ divergence of each dimension from its prior. For the same codes and the same sampling of q(z) the three add up to
`KLDivergence(sampled=True)`, with any sampling.

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
    """An estimator of the density of the codes of all training samples, q(z) = 1/N Σₙ q(z|xₙ), from one batch."""

    @abstractmethod
    def log_weights(self, n: int, population: int, device: torch.device) -> Tensor:
        """Return log w, ``(n, n)``, with q(zᵢ) ≈ Σⱼ wᵢⱼ q(zᵢ|xⱼ), where zᵢ is a code of xᵢ.

        Args:
            n: Samples in the batch.
            population: Training samples, at least n.
            device: Device of the weights.
        """


class WeightedSampling(MinibatchSampling):
    """Minibatch-weighted sampling: w = 1 / (n N) everywhere.

    The weights of a code sum to 1/N and not to 1, so the estimate of a density is too small: by the factor n if codes
    are far from each other, by N if they overlap. With N, the mutual information is log N nats too high, the total
    correlation of d dimensions (d - 1) log N too high and the divergence of the dimensions d log N too low: for d = 10
    and N = 60,000 independent dimensions have a total correlation of 99 nats. With n it is log n in each. The sum of
    the three is right, and log(n N) has no gradient, so training does not depend on N; but read the three values with
    `StratifiedSampling`.

    Paper: Isolating Sources of Disentanglement in VAEs, https://arxiv.org/abs/1802.04942, appendix C
    """

    def log_weights(self, n: int, population: int, device: torch.device) -> Tensor:
        """Return -log(n N) everywhere, ``(n, n)``."""
        return torch.full((n, n), -log(n * population), device=device)


class StratifiedSampling(MinibatchSampling):
    """Minibatch stratified sampling: an unbiased estimate of q(z).

    With m = n - 1 a code's own sample has the weight 1/N, one other sample (N - m) / (N m), and the rest 1/m, so the
    weights of a code sum to 1. For a batch of one sample the estimate is q(z|x).

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
    """A term of the distribution of the codes of all training samples.

    Each device computes it on its own part of a batch. A map is flattened: each of its numbers is a dimension.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: Estimator of q(z), the same in all three terms; None for `StratifiedSampling`.
    """

    def __init__(self, weight: float | Schedule = 1.0, sampling: MinibatchSampling | None = None) -> None:
        super().__init__(weight)
        self.sampling = sampling or StratifiedSampling()

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the unweighted term, in nats per sample.

        Raises:
            InputError: The code has no stochastic level or several, or the number of training samples is unknown.
        """
        return self.value(record, only_level(record.code, self)).mean()

    @abstractmethod
    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return the term for each code, ``(n,)``, in nats."""

    def log_joint(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z) of each code, ``(n,)``, in nats."""
        densities = self._densities(record, level).sum(2)
        return torch.logsumexp(densities + self._log_weights(record, densities), dim=1)

    def log_product(self, record: Reconstruction, level: Level) -> Tensor:
        """Return Σ_d log q(z_d), the sum over the dimensions, of each code, ``(n,)``, in nats."""
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
    """The mutual information of sample and code, E[log q(z|x) - log q(z)]; its weight is the paper's alpha.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: Estimator of q(z); None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z|x) - log q(z), ``(n,)``."""
        return per_sample(level.posterior.log_prob(level.sample)) - self.log_joint(record, level)


class TotalCorrelation(AggregateTerm):
    """The dependence of the code's dimensions, E[log q(z) - Σ_d log q(z_d)]; its weight is the paper's beta.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: Estimator of q(z); None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return log q(z) - Σ_d log q(z_d), ``(n,)``."""
        return self.log_joint(record, level) - self.log_product(record, level)


class DimensionwiseKL(AggregateTerm):
    """The divergence of each dimension from its prior, E[Σ_d log q(z_d) - log p(z)]; its weight is the paper's gamma.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampling: Estimator of q(z_d); None for `StratifiedSampling`.
    """

    def value(self, record: Reconstruction, level: Level) -> Tensor:
        """Return Σ_d log q(z_d) - log p(z), ``(n,)``."""
        return self.log_product(record, level) - per_sample(level.prior.log_prob(level.sample))
