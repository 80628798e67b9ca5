"""Regularizers of the code: the divergence of the posterior from the prior, which bounds the code's information."""

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from lightning_gen.errors import InputError
from lightning_gen.ranges import FROM_0
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term, per_sample


def kl_to_prior(code: Code, sampled: bool = False) -> Tensor:
    """Return KL(q(z|x) || p(z)) of each sample, ``(n,)``, in nats, summed over the latent dimensions and levels.

    Args:
        code: A code with a posterior and a prior.
        sampled: Whether to return the unbiased estimate log q(z|x) - log p(z) at the sampled z, not the closed form.

    Raises:
        InputError: The code has no posterior or no prior, or their divergence has no closed form.
    """
    if not code.levels:
        raise InputError("KLDivergence needs a code with a posterior and a prior: use GaussianBottleneck")
    divergence = log_ratio if sampled else closed_form
    return torch.stack([divergence(level) for level in code.levels]).sum(0)


def closed_form(level: Level) -> Tensor:
    """Return KL(q(z|x) || p(z)) of each sample at one level, ``(n,)``, in nats.

    Raises:
        InputError: There is no closed form for these distributions.
    """
    try:
        return per_sample(kl_divergence(level.posterior, level.prior))
    except NotImplementedError:
        raise InputError(
            f"the divergence of {type(level.posterior).__name__} from {type(level.prior).__name__} has no closed form: "
            "set sampled to true"
        ) from None


def log_ratio(level: Level) -> Tensor:
    """Return log q(z|x) - log p(z) of each sample's z at one level, ``(n,)``, in nats."""
    return per_sample(level.posterior.log_prob(level.sample)) - per_sample(level.prior.log_prob(level.sample))


def only_level(code: Code, term: Term) -> Level:
    """Return the level of a code with a single level.

    Raises:
        InputError: The code has no level, or several.
    """
    if len(code.levels) != 1:
        raise InputError(
            f"{type(term).__name__} needs a code of one stochastic level and this one has {len(code.levels)}: use "
            "GaussianBottleneck"
        )
    return code.levels[0]


class KLDivergence(Term):
    """The divergence of the posterior from the prior, E_x[KL(q(z|x) || p(z))], in nats per sample.

    For a diagonal Gaussian against N(0, I) it is ½ Σ (mu² + sigma² - 1 - log sigma²). `weight` is the beta of the
    beta-VAE; 1 is the VAE.

    Papers: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix B; beta-VAE,
    https://openreview.net/forum?id=Sy2fzU9gl, equation 4

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        sampled: Whether to estimate it by log q(z|x) - log p(z) at the sampled z, for distributions without a closed
            form; the estimate has the mean of the closed form and more variance.
    """

    def __init__(self, weight: float | Schedule = 1.0, sampled: bool = False) -> None:
        super().__init__(weight)
        self.sampled = sampled

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of KL(q(z|x) || p(z)), in nats per sample."""
        return kl_to_prior(record.code, self.sampled).mean()


class Capacity(Term):
    """The distance of the divergence from a capacity C, in nats per sample: |E_x[KL(q(z|x) || p(z))] - C|.

    It replaces `KLDivergence`; add that with weight 0 to log the divergence itself. A schedule raises C during
    training, such as ``Linear(end_images=..., first=0, last=25)``.

    Paper: Understanding disentangling in beta-VAE, https://arxiv.org/abs/1804.03599, section 5, with gamma = 1000

    Args:
        capacity: C in nats, at least 0, or a schedule of it.
        weight: Factor of the term in the objective, the paper's gamma; or a schedule of it.
        sampled: As in `KLDivergence`.

    Raises:
        InputError: The initial capacity is negative or not finite. A schedule that becomes so later raises it then.
    """

    def __init__(
        self, capacity: float | Schedule = 25.0, weight: float | Schedule = 1000.0, sampled: bool = False
    ) -> None:
        super().__init__(weight)
        self.capacity = capacity
        self.sampled = sampled
        self.after(0)

    def after(self, images: int) -> float:
        """The capacity in nats after a number of training images.

        Raises:
            InputError: It is negative.
        """
        capacity = at(self.capacity, images)
        if capacity not in FROM_0:
            raise InputError(f"Capacity is {capacity} nats after {images:,} images: give one that is never below 0")
        return capacity

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the distance of the mean divergence from the capacity, in nats per sample."""
        return (kl_to_prior(record.code, self.sampled).mean() - self.after(record.images)).abs()
