"""Gaussians as networks give them: by the logarithm of their variance."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal, register_kl


class GivenNormal(Normal):
    """Independent Gaussians that are not made of `loc` and `scale`; expanded, they are Gaussians like any others."""

    def expand(self, batch_shape: Any, _instance: Any = None) -> Normal:
        """The same Gaussians in a larger shape."""
        return Normal(self.loc, self.scale, validate_args=False).expand(batch_shape, _instance)


class LogVarianceNormal(GivenNormal):
    """Independent Gaussians that remember the logarithm of their variance, for a divergence that never takes it anew.

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

    Half as many operations as for two Gaussians of any kind, and finite where sigma² is so small that it is rounded to
    0. Paper: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix B
    """
    return 0.5 * (posterior.loc.square() + posterior.log_variance.exp() - 1 - posterior.log_variance)
