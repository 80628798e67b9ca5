"""Codebooks: vectors that stand for all that lies nearer to them than to the others, and how they are learned.

Whatever is summed over a batch is summed over all devices first, and what is random is drawn once for all of them, so a
codebook is the same on every device. All of its state is in buffers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, one_hot

from lightning_gen.errors import InputError
from lightning_gen.terms import at_least_float32

Total: TypeAlias = Callable[[Tensor], Tensor]

LOTS = 64
ROUNDS = 10
GRACE = 2.0
"""Use that a code begins with, in multiples of that below which it is dead: little, so that features soon move it."""


class Codebook(nn.Module, ABC):
    """A list of vectors, started by k-means on the first batch, of which unused ones are started again.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Share of a running average that a batch leaves as it was.
        restart_below: Use, as a share of even use of all codes, below which a code starts again; 0 for never.

    Attributes:
        vectors: The codes, ``(codes, width)``.
        use: Running average of the features a batch that are nearest to each code, ``(codes,)``.
    """

    vectors: Tensor
    use: Tensor

    def __init__(self, codes: int, width: int, decay: float, restart_below: float) -> None:
        super().__init__()
        self.codes = codes
        self.width = width
        self.decay = decay
        self.restart_below = restart_below
        self.register_buffer("use", torch.zeros(codes))

    def forward(self, indices: Tensor) -> Tensor:
        """Map indices ``(n, ...)`` to their codes ``(n, width, ...)``."""
        return embedding(indices, self.vectors).movedim(-1, 1)

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        """Map features ``(n, width, ...)`` to the indices of their nearest codes, int64, ``(n, ...)``; in float32."""
        codes = at_least_float32(self.vectors)
        with torch.autocast(x.device.type, enabled=False):
            # |x|² is the same for all codes, and adding it would cost digits
            distances = torch.addmm(codes.square().sum(1), rows(x).to(codes.dtype), codes.mT, alpha=-2)
        return distances.argmin(1).view(x.shape[:1] + x.shape[2:])

    @torch.no_grad()
    def start(self, x: Tensor, generator: torch.Generator, total: Total) -> None:
        """Lay the codes where features ``(n, width, ...)`` are, by k-means from features drawn at random.

        Raises:
            InputError: All devices together have fewer features than there are codes, or some are not finite.
        """
        x = rows(x)
        count = int(total(torch.tensor(len(x), device=x.device)))
        if count < self.codes:
            raise InputError(
                f"a batch gives {count} vectors, over all devices, and the codebook has {self.codes} codes to start "
                f"from them: set --model.bottleneck.codes {count} or less, or take larger batches (--data.batch_size)"
            )
        self.place(self.use >= 0, drawn(x, self.codes, generator, total)[0], count)
        for _ in range(ROUNDS):
            counts, sums = self.tally(x, self.nearest(x), total)
            others, _ = drawn(x, self.codes, generator, total)
            means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), others)
            self.place(self.use >= 0, means, count)

    @torch.no_grad()
    def follow(self, x: Tensor, indices: Tensor, generator: torch.Generator, total: Total) -> None:
        """Learn from features ``(n, width, ...)`` and their codes ``(n, ...)``, then start dead codes again.

        Raises:
            InputError: Some features are not finite.
        """
        x = rows(x)
        counts, sums = self.tally(x, indices, total)
        self.use.lerp_(counts, 1 - self.decay)
        self.learn(sums)
        count = int(counts.sum())
        dead = self.use < self.restart_below * count / self.codes
        if dead.any():  # the same on all devices, so all of them draw or none
            vectors, found = drawn(x, self.codes, generator, total)
            self.place(dead & found, vectors, count)

    def tally(self, x: Tensor, indices: Tensor, total: Total) -> tuple[Tensor, Tensor]:
        """How many rows of ``(n, width)`` have each code, ``(codes,)``, and their sums, ``(codes, width)``.

        Raises:
            InputError: A sum is not finite.
        """
        belongs = one_hot(indices.flatten(), self.codes).to(x.dtype)
        # A product of matrices: scattered sums come out different from run to run on a GPU
        both = total(torch.cat([belongs.sum(0)[:, None], belongs.mT @ x], dim=1))
        if not both.isfinite().all():
            raise InputError(
                "the encoder's features are no longer finite and would spoil the codebook: lower the learning rate, "
                "--model.optimizer.lr, or clip the gradient, --trainer.gradient_clip_val 1"
            )
        return both[:, 0], both[:, 1:]

    @abstractmethod
    def learn(self, sums: Tensor) -> None:
        """Move the codes towards the features that are nearest to them, whose sums are ``(codes, width)``."""

    def place(self, where: Tensor, vectors: Tensor, count: int) -> None:
        """Put vectors in place of codes, with all that is known of these.

        Args:
            where: Which codes, bool, ``(codes,)``.
            vectors: What to put there, ``(codes, width)``.
            count: Features in the batch, over all devices.
        """
        share = GRACE * self.restart_below or 1.0
        self.vectors.copy_(torch.where(where[:, None], vectors, self.vectors))
        self.use.masked_fill_(where, share * count / self.codes)


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

    def place(self, where: Tensor, vectors: Tensor, count: int) -> None:
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
        if not 0 <= decay < 1:
            raise InputError(f"{type(self).__name__} cannot have decay {decay}: give one from 0 to below 1")
        if not 0 <= restart_below < 1:
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
        if not epsilon > 0:
            raise InputError(f"MovingAverage cannot have epsilon {epsilon}: give a number above 0")
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


def rows(x: Tensor) -> Tensor:
    """The vectors of ``(n, width, ...)``, place by place: ``(n · places, width)``."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])


def drawn(x: Tensor, count: int, generator: torch.Generator, total: Total) -> tuple[Tensor, Tensor]:
    """Draw vectors at random from those of all devices, the same on every one of them.

    For each place every device draws a vector of its own and a lot; the lowest lot that only one device has wins.

    Args:
        x: This device's vectors, ``(n, width)``.
        count: How many to draw.
        generator: This device's own source.
        total: Sums over all devices.

    Returns:
        The vectors ``(count, width)``, and which of the places were won, ``(count,)``: all, but for a chance that
        vanishes.
    """
    picks, lots = (
        torch.randint(high, (count,), generator=generator, device=generator.device).to(x.device)
        for high in (len(x), LOTS)
    )
    alone = total(one_hot(lots, LOTS)) == 1
    wins = alone.any(1) & (lots == alone.int().argmax(1))
    return total(torch.where(wins[:, None], x[picks], 0)), alone.any(1)
