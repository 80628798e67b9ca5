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


class AdaptiveAugmentation(Augmentation):
    """An augmentation that changes more as the discriminator overfits."""

    @abstractmethod
    def adapt(self, real_sign: Tensor, images: int) -> None:
        """Hear how sure the discriminator is, after each of its updates; nothing is read back from the device.

        Args:
            real_sign: Mean sign of the logits on real samples over all devices, a scalar in [-1, 1].
            images: Images that the update used, over all devices.
        """

    def figures(self) -> dict[str, Tensor]:
        """Named scalars to log, apart from the state that `adapt` changes in place."""
        return {}
