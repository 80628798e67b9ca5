"""The base of all quantizers: bottlenecks with finitely many codes and no distribution over them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck
from lightning_gen.errors import InputError
from lightning_gen.records import Code, Quantization


class Quantizer(Bottleneck):
    """Maps features, or each position of a feature map, to the nearest of finitely many codes.

    Args:
        latent_dim: Width of the code, and of the features.
    """

    quantizes: ClassVar[bool] = True

    @property
    def features(self) -> int:
        """Width of the features that it reads: `latent_dim`."""
        return self.latent_dim

    @abstractmethod
    def quantize(self, code: Tensor) -> Tensor:
        """Map codes ``(n, latent_dim, ...)`` to the quantizer's nearest codes; without a gradient."""

    @abstractmethod
    def codes_of(self, indices: Sequence[Tensor]) -> Tensor:
        """Look up the code of indices; from the indices of a code it is that code, bit for bit.

        So ``[each.indices for each in code.quantizations]`` is enough to store or to send a sample.

        Args:
            indices: Int64, ``(n, ...)`` each, one tensor for each of the code's quantizations, in their order.

        Returns:
            The code in float32, ``(n, latent_dim, ...)``, without a gradient; `forward` rounds it to the type of the
            features where that is narrower.

        Raises:
            InputError: The number of tensors is not the number of codebooks.
        """


def require_indices(quantizer: Quantizer, indices: Sequence[Tensor], count: int) -> None:
    """Check that a list holds indices for each codebook.

    Raises:
        InputError: It holds more tensors or fewer.
    """
    if len(indices) != count:
        raise InputError(
            f"{type(quantizer).__name__} needs {count} tensors of indices for a code and got {len(indices)}: give a "
            "list of the indices of all quantizations of a code"
        )


def quantized(features: Tensor, vectors: Tensor, quantizations: tuple[Quantization, ...], dtype: torch.dtype) -> Code:
    """Make a code that equals `vectors` bit for bit and has the gradient of `features`: straight-through estimation.

    It has the memory format of the features, channels last or not.

    Args:
        features: The features before quantization, ``(n, latent_dim, ...)``.
        vectors: The features after it, same shape.
        quantizations: The record of each codebook.
        dtype: Type of the code.
    """
    sample = ((features - features.detach()) + vectors.detach()).to(dtype)
    return Code(sample, sample, (), quantizations)
