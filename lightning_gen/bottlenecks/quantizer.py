"""What all quantizers are: bottlenecks whose codes are some of finitely many, without a distribution over them."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck
from lightning_gen.errors import InputError
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

    @abstractmethod
    def codes_of(self, indices: Sequence[Tensor]) -> Tensor:
        """Look up the code that indices stand for: of the indices of a code it is that code to the bit.

        So a sample can be kept, or sent, as ``[each.indices for each in code.quantizations]`` alone.

        Args:
            indices: Int64, ``(n, ...)`` each, one tensor for each of the code's quantizations, in their order.

        Returns:
            The code in float32, ``(n, latent_dim, ...)``, without a gradient; `forward` rounds it to the type of the
            features where that is narrower.

        Raises:
            InputError: There are more tensors, or fewer, than the quantizer has codebooks.
        """


def require_indices(quantizer: Quantizer, indices: Sequence[Tensor], count: int) -> None:
    """Check that there are indices for each codebook.

    Raises:
        InputError: There are not.
    """
    if len(indices) != count:
        raise InputError(
            f"{type(quantizer).__name__} names a code by {count} tensors of indices and got {len(indices)}: give a "
            "list of the indices of all quantizations of a code"
        )


def quantized(features: Tensor, vectors: Tensor, quantizations: tuple[Quantization, ...], dtype: torch.dtype) -> Code:
    """Make a code that is `vectors` to the bit and has the gradient of `features` (the straight-through estimator).

    It lies in memory as the features do, channels last or not.

    Args:
        features: What was quantized, ``(n, latent_dim, ...)``.
        vectors: What it became, same shape.
        quantizations: How.
        dtype: Type of the code.
    """
    sample = ((features - features.detach()) + vectors.detach()).to(dtype)
    return Code(sample, sample, (), quantizations)
