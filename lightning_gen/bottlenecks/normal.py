"""Gaussians that are parametrised by the logarithm of their variance, as the output of a network."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal, register_kl


class GivenNormal(Normal):
    """Independent Gaussians whose constructor does not take `loc` and `scale`; expanded, they are plain Gaussians."""

    def expand(self, batch_shape: Any, _instance: Any = None) -> Normal:
        """The same Gaussians, broadcast to a larger shape."""
        return Normal(self.loc, self.scale, validate_args=False).expand(batch_shape, _instance)


class LogVarianceNormal(GivenNormal):
    """Independent Gaussians that keep the logarithm of their variance, so that a divergence need not compute it.

    Args:
        mean: Any shape.
        log_variance: Same shape.
    """

    def __init__(self, mean: Tensor, log_variance: Tensor) -> None:
        self.log_variance = log_variance
        super().__init__(mean, (0.5 * log_variance).exp(), validate_args=False)


class StandardNormal(GivenNormal):
    """N(0, I).

    Args:
        like: A tensor of its shape, type and device.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__(torch.zeros_like(like), torch.ones_like(like), validate_args=False)


@register_kl(LogVarianceNormal, StandardNormal)
def divergence(posterior: LogVarianceNormal, prior: StandardNormal) -> Tensor:
    """KL(q || N(0, I)) of each dimension in nats, ½ (mu² + sigma² - 1 - log sigma²).

    It takes half as many operations as the divergence of two arbitrary Gaussians, and stays finite if sigma² underflows
    to 0. Paper: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix B
    """
    return 0.5 * (posterior.loc.square() + posterior.log_variance.exp() - 1 - posterior.log_variance)
