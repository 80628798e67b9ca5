"""Gaussian likelihoods with a learned standard deviation."""

from math import exp, expm1, log, pi

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood, normal_like
from lightning_gen.ranges import Range
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32

LOG_SCALE_FLOOR = -6.0
"""A soft lower bound on log sigma, of a third of the distance between two 8-bit values: without one the density of a
pixel that is always black is unbounded."""


class SharedScaleGaussianLikelihood(Likelihood):
    """Independent Gaussians around the output with one learned standard deviation.

    log p(x|z) = -Σ (x - output)² / (2 sigma²) - D/2 log(2 pi sigma²), as in `GaussianLikelihood`, but sigma is a
    parameter. Its optimum is the root mean squared error, so the balance with the divergence from the prior needs no
    weight: for a fixed sigma² it is `GaussianLikelihood` with scale 1 beside `KLDivergence` with weight sigma².

    Paper: Simple and Effective VAE Training with Calibrated Decoders, https://arxiv.org/abs/2006.13202; the soft bound
    on log sigma is that of its code

    Args:
        scale: The initial standard deviation, in units of the data.
        weight: Factor of the term in the objective.

    Attributes:
        log_scale: The parameter; log sigma is `LOG_SCALE_FLOOR` + softplus(log_scale - `LOG_SCALE_FLOOR`).

    Raises:
        InputError: The scale is not above exp(`LOG_SCALE_FLOOR`).
    """

    def __init__(self, scale: float = 1.0, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        if scale not in Range("above the floor", exp(LOG_SCALE_FLOOR), above=True):
            raise InputError(
                f"SharedScaleGaussianLikelihood cannot start with scale {scale}: give a standard deviation above "
                f"{exp(LOG_SCALE_FLOOR):.4f}"
            )
        self.scale = scale
        self.log_scale = nn.Parameter(torch.tensor(LOG_SCALE_FLOOR + log(expm1(log(scale) - LOG_SCALE_FLOOR))))

    @property
    def learned_scale(self) -> Tensor:
        """The current standard deviation sigma, a scalar in units of the data."""
        return floored(self.log_scale).exp()

    @property
    def scale_note(self) -> str:
        """The current factor of the squared error."""
        now = self.learned_scale.item()
        return (
            f"a learned scale, now {now:.3g}: the squared error counts {0.5 / now**2:.3g} times, and more as it falls"
        )

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats; output, x and result are ``(n, *shape)``."""
        return log_density(x, output, self.log_scale)

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, in fewer passes over its dimensions than `log_probs`."""
        log_scale = floored(at_least_float32(self.log_scale))
        squares = (at_least_float32(x) - at_least_float32(output)).square().flatten(1)
        return -0.5 * (-2 * log_scale).exp() * squares.sum(1) - squares.shape[1] * (log_scale + 0.5 * log(2 * pi))

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the output, which may leave the range of the data."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, *shape)`` around the output."""
        output = at_least_float32(output)
        return output + self.learned_scale * normal_like(output, generator)


class PixelScaleGaussianLikelihood(Likelihood):
    """Independent Gaussians with a mean and a standard deviation for each dimension of each sample.

    log p(x|z) = Σ log N(x; mu, sigma²). The first half of the output is mu, the second is log sigma, with the soft
    lower bound of `SharedScaleGaussianLikelihood`.

    Papers: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix C.2; Simple and Effective VAE
    Training with Calibrated Decoders, https://arxiv.org/abs/2006.13202, where a shared scale is often better

    Args:
        weight: Factor of the term in the objective.
    """

    def outputs(self, channels: int) -> int:
        """Channels of the decoder's output: a mean and a log sigma for each of the samples' channels."""
        return 2 * channels

    @property
    def scale_note(self) -> str:
        """A phrase without a number: the factor of the squared error differs between pixels."""
        return "scales that the decoder learns: the squared error of a pixel counts the more, the smaller its scale is"

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats, ``(n, *shape)``; output is ``(n, 2 channels, ...)``."""
        return log_density(x, *output.chunk(2, dim=1))

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the first half of the output."""
        return output.chunk(2, dim=1)[0]

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, *shape)`` around the first half of the output."""
        mean, log_scale = at_least_float32(output).chunk(2, dim=1)
        return mean + floored(log_scale).exp() * normal_like(mean, generator)


def floored(log_scale: Tensor) -> Tensor:
    """Apply the soft lower bound `LOG_SCALE_FLOOR` to log sigma; its gradient is never 0."""
    return LOG_SCALE_FLOOR + softplus(log_scale - LOG_SCALE_FLOOR)


def log_density(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return log N(x; mean, sigma²) of each element, in nats, from the log sigma before `floored`."""
    log_scale = floored(at_least_float32(log_scale))
    residual = (at_least_float32(x) - at_least_float32(mean)) * (-log_scale).exp()
    return -0.5 * residual.square() - log_scale - 0.5 * log(2 * pi)
