"""The interface of all augmentations: samples in, samples of the same shape out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.deprecation import FormerNames
from lightning_gen.recording import Recorded


class Augmentation(Recorded, nn.Module, ABC):
    """Transforms samples at random and keeps their shape, dtype and device."""

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed samples ``(n, *shape)``; the input is not changed in place.

        Args:
            x: Samples, ``(n, *shape)``; images in [-1, 1].
            generator: Source of the noise.
        """


class AdaptiveAugmentation(FormerNames, Augmentation):
    """An augmentation that changes in training, such as one that becomes stronger when the discriminator overfits."""

    former_names: ClassVar[Mapping[str, str]] = {"figures": "metrics"}

    @property
    def reads_signs(self) -> bool:
        """Whether it follows the sign of the logits, which objectives of differences leave undetermined."""
        return True

    def advance(self, images_seen: int) -> None:
        """Follow schedules, before the updates on each batch.

        Args:
            images_seen: Training images seen so far, the batch included, over all devices.
        """

    @abstractmethod
    def adapt(self, real_sign: Tensor, images: int) -> None:
        """Adapt to the discriminator's overfitting, after each of its updates, without waiting for the device.

        Args:
            real_sign: Mean sign of the logits on real samples over all devices, a scalar in [-1, 1].
            images: Images that the update used, over all devices.
        """

    def metrics(self) -> dict[str, Tensor]:
        """Named scalars to log; copies of the state, which `adapt` changes in place."""
        return {}

    def summary(self, max_images: int | None) -> list[str]:
        """Lines that a run prints at its start.

        Args:
            max_images: Length of the run in images; None where it is not known.
        """
        return []
