"""Codebooks that are learned, and the plans from which a quantizer builds them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lightning_gen.bottlenecks.codebook_base import Codebook
from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, BELOW_1, require


class AveragedCodebook(Codebook):
    """A codebook whose vectors are running averages of the features nearest to them.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Share of a running average that a batch leaves as it was.
        restart_below: Use, as a share of even use, below which a code starts again.
        epsilon: What Laplace smoothing adds to the use of each code.
    """

    averages: Tensor

    def __init__(self, codes: int, width: int, decay: float, restart_below: float, epsilon: float) -> None:
        super().__init__(codes, width, decay, restart_below)
        self.epsilon = epsilon
        self.register_buffer("vectors", first_vectors(codes, width))
        self.register_buffer("averages", torch.zeros(codes, width))

    def learn(self, sums: Tensor) -> None:
        """Average the sums in, and divide by the use that Laplace smoothing makes of `use`."""
        self.averages.lerp_(sums, 1 - self.decay)
        whole = self.use.sum()
        smoothed = (self.use + self.epsilon) / (whole + self.codes * self.epsilon) * whole
        self.vectors.copy_(self.averages / smoothed[:, None])

    def place(self, where: Tensor, vectors: Tensor, count: Tensor) -> None:
        """Put vectors in place of codes, and the averages that they are the quotients of."""
        super().place(where, vectors, count)
        self.averages.copy_(torch.where(where[:, None], vectors * self.use[:, None], self.averages))


class TrainedCodebook(Codebook):
    """A codebook whose vectors are parameters; the term `CodebookDistance` trains them.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Share of a running average that a batch leaves as it was.
        restart_below: Use, as a share of even use, below which a code starts again.
    """

    def __init__(self, codes: int, width: int, decay: float, restart_below: float) -> None:
        super().__init__(codes, width, decay, restart_below)
        self.vectors = nn.Parameter(first_vectors(codes, width))

    def learn(self, sums: Tensor) -> None:
        """Nothing: the optimizer moved them."""


class CodebookLearning(ABC):
    """How a quantizer's codebooks are learned; a plan from which it builds them, without weights.

    Args:
        decay: Share of a running average that a batch leaves as it was, from 0 to below 1.
        restart_below: Use, as a share of even use of all codes, below which a code counts as dead and starts again from
            a feature of the batch; 0 to leave dead codes alone.

    Raises:
        InputError: A number is out of its range.
    """

    def __init__(self, decay: float = 0.99, restart_below: float = 0.05) -> None:
        require(self, "decay", decay, BELOW_1, "one")
        if restart_below not in BELOW_1:
            raise InputError(
                f"{type(self).__name__} cannot have restart_below {restart_below}: give a share from 0, to leave dead "
                "codes alone, to below 1"
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
        decay: Share of a running average that a batch leaves as it was, from 0 to below 1.
        restart_below: Use, as a share of even use of all codes, below which a code counts as dead and starts again from
            a feature of the batch, together with its averages; 0 to leave dead codes alone.
        epsilon: What Laplace smoothing adds to the use of each code, in features a batch.

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
    """Codes are parameters; the objective needs the terms `CodebookDistance`, which trains them, and `Commitment`.

    Paper: Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937, equation 3
    """

    def codebook(self, codes: int, width: int) -> Codebook:
        """Make a codebook of `codes` vectors of a width."""
        return TrainedCodebook(codes, width, self.decay, self.restart_below)


def first_vectors(codes: int, width: int) -> Tensor:
    """Draw what a codebook holds before its first batch, uniformly from [-1/codes, 1/codes]."""
    return (2 * torch.rand(codes, width) - 1) / codes
