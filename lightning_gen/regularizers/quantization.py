"""Terms that move features and the codes of a codebook towards each other."""

from math import log

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, require
from lightning_gen.records import Quantization, Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


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


class CodebookEntropy(Term):
    """Makes each feature sure of its code, and all codes used: E[H(p(·|z))] - H(E[p(·|z)]).

    p(k|z) = softmax_k(-||z - e_k||² / temperature) is a soft choice among all codes e_k, for the feature z of each
    position of each sample. The first entropy is small where one code is much nearer than the others, the second is
    large where features of the batch are spread over the codes. The difference is the negative mutual information of
    feature and code, from -log(codes) to 0. It is in nats for each position, not for a sample; it is summed over the
    codebooks. Each device computes it on its own part of a batch.

    Gradients reach the encoder, and the codes where they learn by `GradientDescent`. All distances of a batch are held
    in memory: positions times codes.

    Paper: MaskGIT: Masked Generative Image Transformer, https://arxiv.org/abs/2202.04200, whose code has the weight 0.1
    and the temperature 0.01; so have Language Model Beats Diffusion: Tokenizer is Key to Visual Generation,
    https://arxiv.org/abs/2310.05737, equation 5, and Autoregressive Model Beats Diffusion, where it is an option,
    https://arxiv.org/abs/2406.06525. Unlike their code nothing is added to probabilities before a logarithm.

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
        temperature: Squared distance by which a code must be nearer to be e times as likely, above 0.

    Raises:
        InputError: The temperature is not above 0.
    """

    def __init__(self, weight: float | Schedule = 0.1, temperature: float = 0.01) -> None:
        super().__init__(weight)
        require(self, "temperature", temperature, ABOVE_0)
        self.temperature = temperature

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean entropy of the choices minus the entropy of their mean, in nats.

        Raises:
            InputError: There is no codebook, or its codes are not listed.
        """
        return torch.stack([self._entropies(each) for each in quantizations(self, record)]).sum()

    def _entropies(self, found: Quantization) -> Tensor:
        if found.codes is None:
            raise InputError(
                f"CodebookEntropy needs a codebook that lists its codes, not one of {found.size} codes by rounding: "
                "use VectorQuantizer or ResidualQuantizer, or leave the term out"
            )
        logits = -squared_distances(found.features, found.codes) / self.temperature
        chosen = logits.log_softmax(1)
        # the logarithm of the mean probability, whose gradient is finite where the probability is 0
        mean = chosen.logsumexp(0) - log(len(chosen))
        return entropy(chosen).mean() - entropy(mean)


def entropy(log_probabilities: Tensor) -> Tensor:
    """The entropies ``(...)`` of distributions over the last dimension of ``(..., k)``, in nats."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def squared_distances(features: Tensor, codes: Tensor) -> Tensor:
    """Squared distances ``(positions, k)`` of features ``(n, width, ...)`` from codes ``(k, width)``, in float32."""
    with torch.autocast(features.device.type, enabled=False):
        x, codes = at_least_float32(features).movedim(1, -1).flatten(0, -2), at_least_float32(codes)
        return x.square().sum(1, keepdim=True) + codes.square().sum(1) - 2 * x @ codes.mT


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
