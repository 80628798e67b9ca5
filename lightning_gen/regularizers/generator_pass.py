"""A generator and latents: the input of penalties on a generator."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GeneratorPass:
    """A generator and latents that were sampled for its penalties.

    Attributes:
        network: The generator; it maps latents ``(n, latent_dim)`` and classes ``(n,)``, or None, to samples
            ``(n, *shape)``.
        latents: Latents from the prior, ``(n, latent_dim)``.
        labels: Classes, ``(n,)``, or None.
        generator: Source of the random numbers of penalties.
    """

    network: Callable[[Tensor, Tensor | None], Tensor]
    latents: Tensor
    labels: Tensor | None
    generator: torch.Generator
