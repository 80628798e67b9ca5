"""What an augmentation promises: samples in, samples of the same shape out."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Augmentation(nn.Module, ABC):
    """Changes samples at random; their shape, dtype and device stay."""

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed samples ``(n, *shape)``; the ones given are left as they are.

        Args:
            x: Samples, ``(n, *shape)``; images in [-1, 1].
            generator: Source of the noise.
        """
