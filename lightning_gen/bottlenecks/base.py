"""What a bottleneck promises: features in, a code out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Code, Shape


class Bottleneck(nn.Module, ABC):
    """Maps an encoder's features to the code that a decoder reads.

    Args:
        latent_dim: Width of the code.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim not in COUNT:
            raise InputError(f"{type(self).__name__} cannot be {latent_dim} wide: give a latent_dim of at least 1")
        self.latent_dim = latent_dim

    @property
    def has_prior(self) -> bool:
        """Whether codes can be drawn without an encoder, by `sample_prior`."""
        return False

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of the features that the encoder must give."""

    @abstractmethod
    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, features)``, or maps ``(n, features, h, w)`` place by place, to a code.

        Args:
            features: What the encoder gave.
            generator: Source of noise. None makes the code its mean, in training as in evaluation; `train()` and
                `eval()` change nothing, so a validation ELBO is estimated with the noise it is defined with.

        Returns:
            A code ``(n, latent_dim)``, or ``(n, latent_dim, h, w)``.
        """

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Draw codes ``(n, latent_dim, *map_size)`` from the prior, float32, on the generator's device.

        Raises:
            InputError: The bottleneck has no prior: nothing says how its codes are distributed.
        """
        raise InputError(
            f"{type(self).__name__} has no prior to draw codes from: use GaussianBottleneck to generate, or fit a "
            "sampler to its codes"
        )

    def snap(self, code: Tensor) -> Tensor:
        """Put codes ``(n, latent_dim, ...)``, such as a sampler draws, where the bottleneck's own codes lie.

        Those are everywhere for most bottlenecks, which give the codes back as they are.
        """
        return code

    def adapt(self, code: Code, generator: torch.Generator, total: Callable[[Tensor], Tensor]) -> None:
        """Follow the codes of a training batch, after its update; nothing for most bottlenecks.

        Args:
            code: What `forward` made of the batch, without its graph and levels.
            generator: This process's own source of random numbers.
            total: Sums a tensor over all devices, so that what follows from the sum is equal on all of them.
        """


def require_features(bottleneck: Bottleneck, features: Tensor) -> None:
    """Check that features are as wide as a bottleneck needs them.

    Raises:
        InputError: They are not.
    """
    if features.ndim < 2 or features.shape[1] != bottleneck.features:
        raise InputError(
            f"{type(bottleneck).__name__} with latent_dim {bottleneck.latent_dim} reads features of shape "
            f"(n, {bottleneck.features}, ...) and got {tuple(features.shape)}: "
            f"build the encoder with features {bottleneck.features}"
        )
