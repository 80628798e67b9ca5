"""The importance-weighted bound: several codes of a sample, weighed against each other."""

from math import log

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood
from lightning_gen.objectives.wrapped import WrappedLikelihood
from lightning_gen.records import Reconstruction
from lightning_gen.terms import per_sample


def log_weights(record: Reconstruction, likelihood: Likelihood) -> Tensor:
    """Return log p(x, z) - log q(z|x) of each code that was drawn, in nats.

    All of it is taken at the drawn codes: a divergence in closed form would be equal for all codes of a sample and
    could not weigh them.

    Args:
        record: A pass with n · draws rows.
        likelihood: p(x|z).

    Returns:
        ``(n, draws)``, one row for each sample.

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
    """A bound on log p(x) that K codes of each sample make tighter than one (IWAE).

    As a term: E_x[-log 1/K Σₖ wₖ] with wₖ = p(x, zₖ) / q(zₖ|x), averaged before the logarithm. It holds the divergence
    from the prior, so `KLDivergence` is not added to it; K is the `draws` of the module, and with K = 1 it is the
    negative ELBO with a sampled divergence. In everything else it is the likelihood that it is given.

    Paper: Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519, equation 8

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; that of the likelihood inside has no effect.

    Raises:
        InputError: The likelihood inside was given a weight.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the samples of -log 1/K Σₖ wₖ, in nats per sample."""
        return log(record.codes_per_sample) - log_weights(record, self.likelihood).logsumexp(1).mean()
