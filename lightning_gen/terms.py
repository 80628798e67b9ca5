"""A term of an autoencoder's objective: what likelihoods, divergences and sparsity penalties have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule


class Term(nn.Module, ABC):
    """One summand of an autoencoder's objective, and the weight it carries in the sum.

    Calling a term gives its *unweighted* value: the mean over the batch of the sum over a sample's dimensions, in nats
    per sample. The objective is Σ weightₖ · termₖ(record); whoever sums multiplies by the weight.

    Args:
        weight: Factor of the term in the objective, at least 0, or a schedule of it in images; the ELBO has 1
            everywhere.

    Attributes:
        watches_input: Whether it differentiates by what the encoder saw, `Reconstruction.seen`.

    Raises:
        InputError: The weight is negative or not finite.
    """

    watches_input: ClassVar[bool] = False

    def __init__(self, weight: float | Schedule = 1.0) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        self.weight = weight

    @abstractmethod
    def forward(self, record: Reconstruction) -> Tensor:
        """Return the unweighted term of one pass through an autoencoder, a scalar in nats per sample."""


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half-precision tensors to float32 and leave wider ones as they are; sums of many small terms need it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def per_sample(values: Tensor) -> Tensor:
    """Return the sum over the dimensions of each sample, ``(n,)``, of ``(n, ...)``."""
    return values.reshape(len(values), -1).sum(1)
