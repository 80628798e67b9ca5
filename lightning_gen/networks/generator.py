"""The base of generators: it builds itself from the shape of one sample and knows no loss."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.networks.base import Network
from lightning_gen.networks.conditioning import GeneratorConditioning, plain_batch_norm
from lightning_gen.networks.requirements import require_labels, require_positive
from lightning_gen.records import Shape


class Generator(Network, ABC):
    """Maps latents to samples.

    Args:
        shape: Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``.
        latent_dim: Width of the latents.
        conditioning: How it is conditioned on the class; None for an unconditional generator.

    Attributes:
        class_embedding: The layer from classes ``(n,)`` to what is concatenated to the latents, or None.
    """

    conditioning: GeneratorConditioning | None

    takes_plain_modules: ClassVar[bool] = True

    def __init__(self, shape: Shape, latent_dim: int = 100, conditioning: GeneratorConditioning | None = None) -> None:
        super().__init__(shape, conditioning)
        require_positive(self, "latent_dim", latent_dim)
        self.latent_dim = latent_dim
        self.class_embedding = None if conditioning is None else conditioning.embedding()

    @property
    def input_dim(self) -> int:
        """Width of the input of `draw`: the latent, with the class where it is concatenated."""
        return self.concatenated_shape((self.latent_dim,))[0]

    def concatenate(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Concatenate the classes ``(n,)``, or their embedding, to latents ``(n, latent_dim)``.

        Raises:
            InputError: It is conditional and the classes are missing.
        """
        if self.class_embedding is None:
            return super().concatenate(x, labels)
        return torch.cat([x, self.class_embedding(require_labels(self, labels))], dim=1)

    def make_batch_norm(self, channels: int, dimensions: int | None = None) -> nn.Module:
        """Make BatchNorm of `channels` channels for vectors (0 dimensions) or maps; None: dimensions of a sample."""
        if dimensions is None:
            dimensions = len(self.shape) - 1
        if self.conditioning is not None:
            return self.conditioning.batch_norm(channels, dimensions)
        return plain_batch_norm(channels, dimensions)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents ``(n, latent_dim)``, and classes ``(n,)`` where it is conditional, to samples ``(n, *shape)``.

        Raises:
            InputError: The latents have another width, or the generator is conditional and the classes are missing.
        """
        return self.draw(self.prepare(latent, (self.latent_dim,), "latent_dim", labels), labels)

    @abstractmethod
    def draw(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """Map inputs ``(n, input_dim)``, and classes ``(n,)`` or None, to samples ``(n, *shape)``."""
