"""The base of the terms of an autoencoder's objective: likelihoods, divergences and sparsity penalties."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.ranges import FROM_0, require
from lightning_gen.recording import Recorded
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule


class Term(Recorded, nn.Module, ABC):
    """One summand of an autoencoder's objective, with its weight.

    Calling a term gives its *unweighted* value: the mean over the batch of the sum over a sample's dimensions, in nats
    per sample. The objective is Σ weightₖ · termₖ(record); the caller multiplies by the weights.

    Args:
        weight: Factor of the term in the objective, at least 0, or a schedule of it in images; all weights of the ELBO
            are 1.

    Attributes:
        watches_input: Whether it differentiates by the encoder's input, `Reconstruction.seen`.

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
    """Convert half-precision tensors to float32, for sums of many small terms; other types do not change."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def per_sample(values: Tensor) -> Tensor:
    """Return the sums ``(n,)`` over the dimensions of each sample of ``(n, ...)``."""
    return values.reshape(len(values), -1).sum(1)
