"""What all quantizers are: bottlenecks whose codes are some of finitely many, without a distribution over them."""

from abc import abstractmethod

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck
from lightning_gen.records import Code, Quantization


class Quantizer(Bottleneck):
    """Puts features, as they are or place by place of a map, onto the nearest of finitely many codes.

    Args:
        latent_dim: Width of the code, and of the features.
    """

    @property
    def features(self) -> int:
        """Width of the features that the encoder must give: `latent_dim`."""
        return self.latent_dim

    @abstractmethod
    def snap(self, code: Tensor) -> Tensor:
        """Put codes ``(n, latent_dim, ...)`` onto the nearest that the quantizer gives; without a gradient."""


def quantized(features: Tensor, vectors: Tensor, quantizations: tuple[Quantization, ...], dtype: torch.dtype) -> Code:
    """Make a code that is `vectors` to the bit and has the gradient of `features` (the straight-through estimator).

    Args:
        features: What was quantized, ``(n, latent_dim, ...)``.
        vectors: What it became, same shape.
        quantizations: How.
        dtype: Type of the code.
    """
    sample = (vectors.detach() + (features - features.detach())).to(dtype)
    return Code(sample, sample, (), quantizations)
