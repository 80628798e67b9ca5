"""Regularizers of the code: what an autoencoder pays for the information that it passes on."""

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from lightning_gen.errors import InputError
from lightning_gen.records import Code, Reconstruction
from lightning_gen.terms import Term


def kl_to_prior(code: Code) -> Tensor:
    """Return KL(q(z|x) || p(z)) of each sample, ``(n,)``, in nats, summed over the latent dimensions and levels.

    Raises:
        InputError: The code has no posterior or no prior.
    """
    if not code.levels:
        raise InputError("KLDivergence needs a code with a posterior and a prior: use GaussianBottleneck")
    return torch.stack([kl_divergence(level.posterior, level.prior).flatten(1).sum(1) for level in code.levels]).sum(0)


class KLDivergence(Term):
    """The divergence of the posterior from the prior, E_x[KL(q(z|x) || p(z))], in nats per sample.

    For a diagonal Gaussian against N(0, I) it is ½ Σ (mu² + sigma² - 1 - log sigma²). `weight` is the beta of the
    beta-VAE; 1 is the VAE.

    Papers: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix B; beta-VAE,
    https://openreview.net/forum?id=Sy2fzU9gl, equation 4

    Args:
        weight: Factor of the term in the objective.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of KL(q(z|x) || p(z)), in nats per sample."""
        return kl_to_prior(record.code).mean()
