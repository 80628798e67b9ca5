"""The interface of all bottlenecks: features in, a code out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.recording import Recorded
from lightning_gen.records import Code, Shape


class Bottleneck(Recorded, FormerNames, nn.Module, ABC):
    """Maps an encoder's features to the code that a decoder reads.

    Args:
        latent_dim: Width of the code.

    Attributes:
        quantizes: Whether a code is given by whole numbers, the indices of its quantizations, as `Quantizer` gives it.
    """

    quantizes: ClassVar[bool] = False
    former_names: ClassVar[Mapping[str, str]] = {"snap": "quantize", "adapt": "update_codebook"}

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim not in COUNT:
            raise InputError(f"{type(self).__name__} cannot be {latent_dim} wide: give a latent_dim of at least 1")
        self.latent_dim = latent_dim

    @property
    def has_prior(self) -> bool:
        """Whether `sample_prior` can sample codes, without an encoder."""
        return False

    @property
    def spherical_prior(self) -> bool:
        """Whether nearly all codes of the prior lie near a sphere around 0."""
        return False

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of the features that the bottleneck reads: the encoder's output must be as wide."""

    @abstractmethod
    def forward(self, features: Tensor, generator: torch.Generator | None = None) -> Code:
        """Map features ``(n, features)``, or each position of maps ``(n, features, h, w)``, to a code.

        Args:
            features: The encoder's output.
            generator: Source of noise. With None the code is its mean, in training and in evaluation. `train()` and
                `eval()` change nothing, so a validation ELBO is estimated with the noise that its definition has.

        Returns:
            A code ``(n, latent_dim)``, or ``(n, latent_dim, h, w)``.
        """

    def sample_prior(self, n: int, generator: torch.Generator, map_size: Shape = ()) -> Tensor:
        """Sample codes ``(n, latent_dim, *map_size)`` from the prior, float32, on the generator's device.

        Raises:
            InputError: The bottleneck has no prior, so that the distribution of its codes is unknown.
        """
        raise InputError(
            f"{type(self).__name__} has no prior to sample codes from: use GaussianBottleneck to generate, or fit a "
            "sampler to its codes"
        )

    def quantize(self, code: Tensor) -> Tensor:
        """Map codes ``(n, latent_dim, ...)``, such as those of a sampler, to the nearest codes of the bottleneck.

        The codes of most bottlenecks are continuous: they return their input.
        """
        return code

    def update_codebook(self, code: Code, generator: torch.Generator, total: Callable[[Tensor], Tensor]) -> None:
        """Update the codebooks with the codes of a training batch, after its optimizer step; most have none.

        Args:
            code: The output of `forward` for the batch, without its graph and levels.
            generator: This process's own source of random numbers.
            total: Sums a tensor over all devices, so that codebooks stay equal on all of them.
        """


def require_features(bottleneck: Bottleneck, features: Tensor) -> None:
    """Check that features have the width that a bottleneck reads.

    Raises:
        InputError: They are wider or narrower.
    """
    if features.ndim < 2 or features.shape[1] != bottleneck.features:
        raise InputError(
            f"{type(bottleneck).__name__} with latent_dim {bottleneck.latent_dim} reads features of shape "
            f"(n, {bottleneck.features}, ...) and got {tuple(features.shape)}: "
            f"build the encoder with features {bottleneck.features}"
        )
