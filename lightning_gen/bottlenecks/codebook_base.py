"""What all codebooks are: vectors that stand for all that lies nearer to them than to the others.

Whatever is summed over a batch is summed over all devices first, and what is random is drawn once for all of them, so a
codebook is the same on every device. All of its state is in the state dict. Only the start reads numbers off the
device: a batch after it makes nobody wait.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from lightning_gen.bottlenecks.draws import Total, chosen, drawn
from lightning_gen.errors import InputError
from lightning_gen.terms import at_least_float32

ROUNDS = 10
"""Rounds of k-means at the start: most of what it gains comes first, and the codes follow the features anyway."""

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
            InputError: All devices together have fewer features than there are codes.
        """
        x = rows(x)
        count = total(torch.tensor(len(x), device=x.device))
        if count < self.codes:
            raise InputError(
                f"a batch gives {count} vectors, over all devices, and the codebook has {self.codes} codes to start "
                f"from them: set --model.bottleneck.codes {count} or less, or take larger batches (--data.batch_size)"
            )
        everywhere = torch.ones_like(self.use, dtype=torch.bool)
        self.place(everywhere, drawn(x, self.codes, generator, total)[0], count)
        for _ in range(ROUNDS):
            counts, sums = self.tally(x, self.nearest(x), total)
            others, _ = drawn(x, self.codes, generator, total)
            means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), others)
            self.place(everywhere, means, count)

    @torch.no_grad()
    def follow(self, x: Tensor, indices: Tensor, generator: torch.Generator, total: Total) -> None:
        """Learn from features ``(n, width, ...)`` and their codes ``(n, ...)``, then start dead codes again.

        Features that are not finite are passed over, as a gradient scaler passes over updates.
        """
        x = rows(x)
        counts, sums = self.tally(x, indices, total)
        self.use.lerp_(counts, 1 - self.decay)
        self.learn(sums)
        if self.restart_below:
            count = counts.sum()
            dead = self.use < self.restart_below * count / self.codes
            vectors, found = drawn(x, self.codes, generator, total)  # drawn even for none: to ask would be to wait
            self.place(dead & found, vectors, count)

    def tally(self, x: Tensor, indices: Tensor, total: Total) -> tuple[Tensor, Tensor]:
        """How many rows of ``(n, width)`` have each code, ``(codes,)``, and their sums, ``(codes, width)``.

        Rows whose sum is not finite are left out.
        """
        indices, finite = indices.flatten(), x.sum(1).isfinite()
        if x.device.type == "cpu":  # what is not finite is added to a code that there is not
            indices = torch.where(finite, indices, self.codes)
            counts = x.new_zeros(self.codes + 1).index_add_(0, indices, x.new_ones(len(x)))
            sums = x.new_zeros(self.codes + 1, self.width).index_add_(0, indices, x)
            both = torch.cat([counts[:, None], sums], dim=1)[:-1]
        else:  # a product of matrices: scattered sums come out different from run to run on a GPU
            counted = torch.cat([finite[:, None].to(x.dtype), torch.where(finite[:, None], x, 0)], dim=1)
            both = chosen(indices, self.codes).to(x.dtype).mT @ counted
        both = total(both)
        return both[:, 0], both[:, 1:]

    @abstractmethod
    def learn(self, sums: Tensor) -> None:
        """Move the codes towards the features that are nearest to them, whose sums are ``(codes, width)``."""

    def place(self, where: Tensor, vectors: Tensor, count: Tensor) -> None:
        """Put vectors in place of codes, with all that is known of these.

        Args:
            where: Which codes, bool, ``(codes,)``.
            vectors: What to put there, ``(codes, width)``.
            count: Features in the batch, over all devices, a scalar.
        """
        share = GRACE * self.restart_below or 1.0
        self.vectors.copy_(torch.where(where[:, None], vectors, self.vectors))
        self.use.copy_(torch.where(where, share * count / self.codes, self.use))


def rows(x: Tensor) -> Tensor:
    """The vectors of ``(n, width, ...)``, place by place: ``(n · places, width)``."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])
