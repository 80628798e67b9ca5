"""Bottlenecks of sparse autoencoders: most of the code is 0, or a penalty can make it so."""

import torch
from torch import Tensor

from lightning_gen.bottlenecks.base import Bottleneck, require_features
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Code


class SparseBottleneck(Bottleneck):
    """A deterministic bottleneck as wide as the features, without a prior.

    Args:
        latent_dim: Width of the code.
    """

    @property
    def features(self) -> int:
        """Width of the features that it reads: `latent_dim`."""
        return self.latent_dim


class TopKBottleneck(SparseBottleneck):
    """Keeps the k largest features of each sample and sets all others to 0; only those k receive gradients.

    Of a map it keeps the k largest features at each position.

    Paper: k-Sparse Autoencoders, https://arxiv.org/abs/1312.5663, algorithm 1, without its larger k in evaluation

    Args:
        latent_dim: Width of the code.
        k: Number of features to keep, from 1 to `latent_dim`.

    Raises:
        InputError: k is out of range.
    """

    def __init__(self, latent_dim: int = 128, k: int = 10) -> None:
        super().__init__(latent_dim)
        if k not in COUNT or k > latent_dim:
            raise InputError(
                f"TopKBottleneck cannot keep {k} of {latent_dim} features: give a k from 1 to {latent_dim}"
            )
        self.k = k

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, latent_dim, ...)`` to a code of the same shape; it is deterministic."""
        require_features(self, features)
        largest = features.topk(self.k, dim=1, sorted=False)
        code = torch.zeros_like(features).scatter(1, largest.indices, largest.values)
        return Code(sample=code, mean=code)


class SigmoidBottleneck(SparseBottleneck):
    """The sigmoid of the features: each number of the code is the activity of a unit, in (0, 1).

    Args:
        latent_dim: Width of the code.
    """

    def __init__(self, latent_dim: int = 128) -> None:
        super().__init__(latent_dim)

    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, latent_dim, ...)`` to sigmoid(features); it is deterministic."""
        require_features(self, features)
        code = features.sigmoid()
        return Code(sample=code, mean=code)
