"""What penalties on a generator see."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GeneratorPass:
    """A generator and latents that were drawn for its penalties.

    Attributes:
        network: The generator: latents ``(n, latent_dim)`` and classes ``(n,)`` or None to samples ``(n, *shape)``.
        latents: Latents from the prior, ``(n, latent_dim)``.
        labels: Classes, ``(n,)``, or None.
        generator: Source of whatever a penalty draws.
    """

    network: Callable[[Tensor, Tensor | None], Tensor]
    latents: Tensor
    labels: Tensor | None
    generator: torch.Generator
