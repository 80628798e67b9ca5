"""The base of all codebooks: a list of vectors, each of which represents the features that are nearest to it.

Sums over a batch are taken over all devices, and random choices are shared by them, so a codebook is the same on every
device. The state dict holds all of its state. Only the first batch copies numbers from the device to the host; later
batches do not synchronise.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize

from lightning_gen.bottlenecks.shared_sampling import Total, one_hot, sampled
from lightning_gen.errors import InputError
from lightning_gen.terms import at_least_float32

ROUNDS = 10
"""Iterations of k-means at the start: the first ones gain most, and later updates move the codes anyway."""

GRACE = 2.0
"""Use of a new code, in multiples of the use below which a code is dead: small, so that features move it quickly."""


class Codebook(nn.Module, ABC):
    """A list of vectors, initialised by k-means on the first batch; unused vectors are replaced.

    Args:
        codes: Number of vectors.
        width: Their width.
        decay: Weight of the old value in a running average.
        restart_below: Use, as a share of even use of all codes, below which a code is replaced; 0 for never.

    Attributes:
        vectors: What is learned, ``(codes, width)``: the codes, or vectors in their directions where they are
            `normalized`.
        normalized: Whether codes are divided by their norms; False unless the quantizer sets it.
        use: Running average of the number of features in a batch that are nearest to each code, ``(codes,)``.
    """

    vectors: Tensor
    use: Tensor

    def __init__(self, codes: int, width: int, decay: float, restart_below: float) -> None:
        super().__init__()
        self.codes = codes
        self.width = width
        self.decay = decay
        self.restart_below = restart_below
        self.normalized = False
        self.register_buffer("use", torch.zeros(codes))

    @property
    def table(self) -> Tensor:
        """All codes, ``(codes, width)``."""
        return normalize(self.vectors, dim=1) if self.normalized else self.vectors

    def forward(self, indices: Tensor) -> Tensor:
        """Map indices ``(n, ...)`` to their codes ``(n, width, ...)``."""
        return embedding(indices, self.table).movedim(-1, 1)

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        """Map features ``(n, width, ...)`` to the indices of their nearest codes, int64, ``(n, ...)``; in float32."""
        codes = at_least_float32(self.table)
        with torch.autocast(x.device.type, enabled=False):
            # |x|² is the same for all codes, and adding it would cost precision
            distances = torch.addmm(codes.square().sum(1), rows(x).to(codes.dtype), codes.mT, alpha=-2)
        return distances.argmin(1).view(x.shape[:1] + x.shape[2:])

    @torch.no_grad()
    def start(self, x: Tensor, generator: torch.Generator, total: Total) -> None:
        """Initialise the codes by k-means on features ``(n, width, ...)``, from features that are sampled at random.

        Raises:
            InputError: All devices together have fewer features than the codebook has codes.
        """
        x = rows(x)
        count = total(torch.tensor(len(x), device=x.device))
        if count < self.codes:
            raise InputError(
                f"a batch gives {count} vectors, over all devices, and the codebook has {self.codes} codes to start "
                f"from them: set --model.bottleneck.codes {count} or less, or take larger batches (--data.batch_size)"
            )
        everywhere = torch.ones_like(self.use, dtype=torch.bool)
        self.replace(everywhere, sampled(x, self.codes, generator, total)[0], count)
        for _ in range(ROUNDS):
            counts, sums = self.counts_and_sums(x, self.nearest(x), total)
            others, _ = sampled(x, self.codes, generator, total)
            means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), others)
            self.replace(everywhere, means, count)

    @torch.no_grad()
    def update(self, x: Tensor, indices: Tensor, generator: torch.Generator, total: Total) -> None:
        """Learn from features ``(n, width, ...)`` and the indices of their codes ``(n, ...)``, then replace dead codes.

        Features that are not finite are skipped, as a gradient scaler skips updates.
        """
        x = rows(x)
        counts, sums = self.counts_and_sums(x, indices, total)
        self.use.lerp_(counts, 1 - self.decay)
        self.learn(sums)
        if self.restart_below:
            count = counts.sum()
            dead = self.use < self.restart_below * count / self.codes
            # Sampled even if no code is dead: to find out would be to wait for the device
            vectors, found = sampled(x, self.codes, generator, total)
            self.replace(dead & found, vectors, count)

    def counts_and_sums(self, x: Tensor, indices: Tensor, total: Total) -> tuple[Tensor, Tensor]:
        """The number of rows of ``(n, width)`` that have each code, ``(codes,)``, and their sums, ``(codes, width)``.

        Rows whose sum is not finite are left out.
        """
        indices, finite = indices.flatten(), x.sum(1).isfinite()
        if x.device.type == "cpu":  # rows that are not finite are added to one more code, which is then dropped
            indices = torch.where(finite, indices, self.codes)
            counts = x.new_zeros(self.codes + 1).index_add_(0, indices, x.new_ones(len(x)))
            sums = x.new_zeros(self.codes + 1, self.width).index_add_(0, indices, x)
            both = torch.cat([counts[:, None], sums], dim=1)[:-1]
        else:  # a product of matrices: on a GPU scattered sums differ from run to run
            counted = torch.cat([finite[:, None].to(x.dtype), torch.where(finite[:, None], x, 0)], dim=1)
            both = one_hot(indices, self.codes).to(x.dtype).mT @ counted
        both = total(both)
        return both[:, 0], both[:, 1:]

    @abstractmethod
    def learn(self, sums: Tensor) -> None:
        """Move each code towards its nearest features, whose sums are ``(codes, width)``."""

    def replace(self, where: Tensor, vectors: Tensor, count: Tensor) -> None:
        """Replace codes by vectors, and reset their running averages.

        Args:
            where: Which codes, bool, ``(codes,)``.
            vectors: The new codes, ``(codes, width)``.
            count: Number of features in the batch, over all devices, a scalar.
        """
        share = GRACE * self.restart_below or 1.0
        self.vectors.copy_(torch.where(where[:, None], vectors, self.vectors))
        self.use.copy_(torch.where(where, share * count / self.codes, self.use))


def rows(x: Tensor) -> Tensor:
    """The vectors of ``(n, width, ...)`` at all positions: ``(n · positions, width)``."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])
