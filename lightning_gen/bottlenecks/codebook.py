"""Learned codebooks, and the settings from which a quantizer builds them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lightning_gen.bottlenecks.codebook_base import Codebook
from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, BELOW_1, require
from lightning_gen.recording import Recorded


class AveragedCodebook(Codebook):
    """A codebook whose vectors are running averages of the features nearest to them.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Weight of the old value in a running average.
        restart_below: Use, as a share of even use, below which a code is replaced.
        epsilon: Added to the use of each code by Laplace smoothing.
    """

    averages: Tensor

    def __init__(self, codes: int, width: int, decay: float, restart_below: float, epsilon: float) -> None:
        super().__init__(codes, width, decay, restart_below)
        self.epsilon = epsilon
        self.register_buffer("vectors", first_vectors(codes, width))
        self.register_buffer("averages", torch.zeros(codes, width))

    def learn(self, sums: Tensor) -> None:
        """Update the averages with the sums, and divide them by the use after Laplace smoothing."""
        self.averages.lerp_(sums, 1 - self.decay)
        whole = self.use.sum()
        smoothed = (self.use + self.epsilon) / (whole + self.codes * self.epsilon) * whole
        self.vectors.copy_(self.averages / smoothed[:, None])

    def replace(self, where: Tensor, vectors: Tensor, count: Tensor) -> None:
        """Replace codes by vectors, with averages that fit them."""
        super().replace(where, vectors, count)
        self.averages.copy_(torch.where(where[:, None], vectors * self.use[:, None], self.averages))


class TrainedCodebook(Codebook):
    """A codebook whose vectors are parameters; the term `CodebookDistance` trains them.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Weight of the old value in a running average.
        restart_below: Use, as a share of even use, below which a code is replaced.
    """

    def __init__(self, codes: int, width: int, decay: float, restart_below: float) -> None:
        super().__init__(codes, width, decay, restart_below)
        self.vectors = nn.Parameter(first_vectors(codes, width))

    def learn(self, sums: Tensor) -> None:
        """Do nothing: the optimizer updates the vectors."""


class CodebookLearning(Recorded, ABC):
    """How a quantizer's codebooks are learned: settings, without weights.

    Args:
        decay: Weight of the old value in a running average, from 0 to below 1.
        restart_below: Use, as a share of even use of all codes, below which a code is dead and is replaced by a feature
            of the batch; 0 to keep dead codes.

    Raises:
        InputError: A number is out of its range.
    """

    def __init__(self, decay: float = 0.99, restart_below: float = 0.05) -> None:
        require(self, "decay", decay, BELOW_1, "one")
        if restart_below not in BELOW_1:
            raise InputError(
                f"{type(self).__name__} cannot have restart_below {restart_below}: give a share from 0, to keep dead "
                "codes, to below 1"
            )
        self.decay = decay
        self.restart_below = restart_below

    @abstractmethod
    def codebook(self, codes: int, width: int) -> Codebook:
        """Make a codebook of `codes` vectors of a width."""


class MovingAverage(CodebookLearning):
    """Codes are running averages of the features nearest to them; the objective needs the term `Commitment`.

    Paper: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, appendix A.1

    Args:
        decay: Weight of the old value in a running average, from 0 to below 1.
        restart_below: Use, as a share of even use of all codes, below which a code is dead and is replaced by a feature
            of the batch, together with its averages; 0 to keep dead codes.
        epsilon: Added to the use of each code by Laplace smoothing, in features a batch.

    Raises:
        InputError: A number is out of its range.
    """

    def __init__(self, decay: float = 0.99, restart_below: float = 0.05, epsilon: float = 1e-5) -> None:
        super().__init__(decay, restart_below)
        require(self, "epsilon", epsilon, ABOVE_0)
        self.epsilon = epsilon

    def codebook(self, codes: int, width: int) -> Codebook:
        """Make a codebook of `codes` vectors of a width."""
        return AveragedCodebook(codes, width, self.decay, self.restart_below, self.epsilon)


class GradientDescent(CodebookLearning):
    """Codes are parameters; the objective needs the terms `CodebookDistance`, to train them, and `Commitment`.

    Paper: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, equation 3
    """

    def codebook(self, codes: int, width: int) -> Codebook:
        """Make a codebook of `codes` vectors of a width."""
        return TrainedCodebook(codes, width, self.decay, self.restart_below)


def first_vectors(codes: int, width: int) -> Tensor:
    """Sample the vectors of a codebook before its first batch, uniformly from [-1/codes, 1/codes]."""
    return (2 * torch.rand(codes, width) - 1) / codes
