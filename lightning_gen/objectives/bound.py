"""The importance-weighted bound: several codes of a sample with importance weights."""

from math import log

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood
from lightning_gen.objectives.wrapped import WrappedLikelihood
from lightning_gen.records import Reconstruction
from lightning_gen.terms import per_sample


def log_weights(record: Reconstruction, likelihood: Likelihood) -> Tensor:
    """Return log p(x, z) - log q(z|x) of each sampled code, in nats.

    All densities are evaluated at the sampled codes: a closed form of the divergence would give all codes of a sample
    the same weight.

    Args:
        record: A pass with n · codes_per_sample rows.
        likelihood: p(x|z).

    Returns:
        ``(n, codes_per_sample)``, one row for each sample.

    Raises:
        InputError: The code has no posterior or no prior.
    """
    if not record.code.levels:
        raise InputError("importance weights need a code with a posterior and a prior: use GaussianBottleneck")
    weights = likelihood.log_prob(record.output, record.x)
    for level in record.code.levels:
        weights = weights - per_sample(level.posterior.log_prob(level.sample))
        weights = weights + per_sample(level.prior.log_prob(level.sample))
    return weights.view(-1, record.codes_per_sample)


class ImportanceWeightedBound(WrappedLikelihood):
    """A bound on log p(x) from K codes of each sample, tighter than the ELBO (IWAE).

    As a term it is E_x[-log 1/K Σₖ wₖ] with wₖ = p(x, zₖ) / q(zₖ|x). It includes the divergence from the prior, so do
    not add `KLDivergence`. K is the module's number of codes for each sample; with K = 1 the term is the negative ELBO
    with a sampled divergence. All other methods are those of the likelihood inside.

    Paper: Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519, equation 8

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; the weight of the likelihood inside is unused.

    Raises:
        InputError: The weight of the likelihood inside is not 1.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the samples of -log 1/K Σₖ wₖ, in nats per sample."""
        return log(record.codes_per_sample) - log_weights(record, self.likelihood).logsumexp(1).mean()
