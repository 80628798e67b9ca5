"""Terms that move features and the codes of a codebook towards each other."""

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import Quantization, Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term


class Commitment(Term):
    """The squared distance of features from their codes, ||z - sg[e]||²; its gradient moves only the encoder.

    It is summed over the dimensions of a vector and over the codebooks, and averaged over the batch and over the
    positions of a map, so it depends neither on the batch size nor on the size of the map. Its unit is that of squared
    features, for each position; it is not in nats. The weight is the paper's beta.

    Paper: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, equation 3, third term; for
    several codebooks Autoregressive Image Generation using Residual Quantization, https://arxiv.org/abs/2203.01941,
    equation 7

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(self, weight: float | Schedule = 0.25) -> None:
        super().__init__(weight)

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean squared distance of the features from their codes, over positions."""
        found = quantizations(self, record)
        return torch.stack([squared_distance(each.features, each.vectors.detach()) for each in found]).sum()


class CodebookDistance(Term):
    """The squared distance of codes from their features, ||sg[z] - e||²; its gradient moves only the codebook.

    It is for codebooks that learn by `GradientDescent`. Its value is that of `Commitment`.

    Paper: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, equation 3, second term

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean squared distance of the codes from their features, over positions.

        Raises:
            InputError: The codes are not parameters.
        """
        found = quantizations(self, record)
        if torch.is_grad_enabled() and not any(each.vectors.requires_grad for each in found):
            raise InputError(
                "CodebookDistance moves codes by their gradient and these have none: leave the term out, or let the "
                "codebook learn by GradientDescent (--model.bottleneck.learning GradientDescent)"
            )
        return torch.stack([squared_distance(each.features.detach(), each.vectors) for each in found]).sum()


def quantizations(term: Term, record: Reconstruction) -> tuple[Quantization, ...]:
    """The quantizations in a record, one for each codebook.

    Raises:
        InputError: There is no codebook.
    """
    if not record.code.quantizations:
        raise InputError(
            f"{type(term).__name__} needs a code from a codebook: use VectorQuantizer or ResidualQuantizer, or leave "
            "the term out"
        )
    return record.code.quantizations


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """The squared distance of vectors ``(n, width, ...)``, averaged over the batch and the positions."""
    return (a - b).square().sum(1).mean()
