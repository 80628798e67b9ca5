"""The base of the terms of an objective: likelihoods, divergences, penalties and distances."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.ranges import FROM_0, require
from lightning_gen.recording import Recorded
from lightning_gen.schedules import Schedule


class Term(Recorded, nn.Module, ABC):
    """One summand of the objective of an autoencoder or of a translator, with its weight.

    Calling a term gives its *unweighted* value: for an autoencoder the mean over the batch of the sum over a sample's
    dimensions, in nats per sample. The objective is Σ weightₖ · termₖ(record); the caller multiplies by the weights.

    Args:
        weight: Factor of the term in the objective, at least 0, or a schedule of it in images; all weights of the ELBO
            are 1.

    Attributes:
        watches_input: Whether it differentiates by the encoder's input, `Reconstruction.seen`.
        of_reconstructions: Whether it is for a `Reconstruction`, what an autoencoder makes of a batch.
        of_translations: Whether it is for a `Translation`.
        needs_pairs: Whether, in a `Translation`, it compares each sample with the target of its own source.

    Raises:
        InputError: The weight is negative or not finite.
    """

    watches_input: ClassVar[bool] = False
    of_reconstructions: ClassVar[bool] = True
    of_translations: ClassVar[bool] = False
    needs_pairs: ClassVar[bool] = False

    def __init__(self, weight: float | Schedule = 1.0) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        self.weight = weight

    @abstractmethod
    def forward(self, record: Any) -> Tensor:
        """Return the unweighted term of one pass over a batch, a scalar; in nats per sample for an autoencoder.

        Args:
            record: A `Reconstruction`, or a `Translation` where it is for one.
        """


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half-precision tensors to float32, for sums of many small terms; other types do not change."""
    return x if x.dtype is torch.float32 else x.to(torch.promote_types(x.dtype, torch.float32))


def per_sample(values: Tensor) -> Tensor:
    """Return the sums ``(n,)`` over the dimensions of each sample of ``(n, ...)``."""
    return values.reshape(len(values), -1).sum(1)
