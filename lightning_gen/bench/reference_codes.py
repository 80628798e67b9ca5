"""The bottlenecks of the reference loop of an autoencoder."""

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding

from lightning_gen.bottlenecks import ResidualQuantizer, VectorQuantizer
from lightning_gen.bottlenecks.codebook import AveragedCodebook
from lightning_gen.bottlenecks.codebook_base import Codebook

ITERATIONS, GRACE, TICKETS = 10, 2.0, 64
"""Iterations of k-means; the use of a new code, in multiples of the use below which it is dead; range of the tickets,
which the library draws for several devices, and which are drawn here so that random numbers stay the same."""


class CodeAndLoss(NamedTuple):
    """A code, and its loss term, a mean over samples."""

    code: Tensor
    loss: Tensor | float = 0.0


class ReferenceIdentity:
    """The features themselves."""

    def __call__(self, features: Tensor) -> CodeAndLoss:
        """Leave features ``(n, latent_dim)`` as they are."""
        return CodeAndLoss(features)

    def after_update(self) -> None:
        """Do nothing."""


class ReferenceGaussian(ReferenceIdentity):
    """A code drawn from a Gaussian posterior, and its divergence from N(0, I).

    Args:
        beta: Weight of the divergence.
        rng: Source of the noise.
    """

    def __init__(self, beta: float, rng: torch.Generator) -> None:
        self.beta = beta
        self.rng = rng

    def __call__(self, features: Tensor) -> CodeAndLoss:
        """Draw from the posterior of features ``(n, 2 latent_dim)``: its mean, the logarithm of its variance."""
        mean, log_variance = features.chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=self.rng, device=self.rng.device, dtype=mean.dtype)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return CodeAndLoss(mean + (0.5 * log_variance).exp() * noise, self.beta * divergence / len(mean))


class ReferenceQuantizer(ReferenceIdentity):
    """Codebooks in sequence, each of which quantizes what those before it left.

    Args:
        quantizer: The quantizer whose codebooks are copied; not changed.
        commitment: Weight of the squared distance of the features from their codes.
        rng: Source of the dropout of codebooks, and of the choice of vectors with which codes start.
    """

    def __init__(self, quantizer: VectorQuantizer | ResidualQuantizer, commitment: float, rng: torch.Generator) -> None:
        self.books = [ReferenceCodebook(each, rng) for each in quantizer.each_codebook()]
        self.dropout = quantizer.dropout
        self.started = bool(quantizer.started)
        self.commitment = commitment
        self.rng = rng

    def __call__(self, features: Tensor) -> CodeAndLoss:
        """Quantize maps of features ``(n, width, *sides)``, with a straight-through gradient."""
        residual, shown, distances = features, [], []
        for book, kept in zip(self.books, self.kept(features), strict=True):
            vectors = book.look_up(residual)
            seen, residual = residual, residual - vectors
            if kept is not None:  # a codebook that a sample lost sees its own vectors, which are no error
                seen = torch.where(kept, seen, vectors)
                book.watch(seen)
            distances.append((seen - vectors).square().sum(1).mean())
            shown.append(vectors if kept is None else vectors * kept)
        code = reduce(torch.add, shown) + (features - features.detach())
        return CodeAndLoss(code, self.commitment * torch.stack(distances).sum())

    def kept(self, features: Tensor) -> list[Tensor | None]:
        """For each codebook the samples that keep it, bool ``(n, 1, ...)``; None for all of them."""
        depth = len(self.books)
        if not self.dropout:
            return [None] * depth
        coins, shares = torch.rand(2, len(features), generator=self.rng, device=self.rng.device)
        counts = torch.where(coins < self.dropout, (shares * depth).long() + 1, depth)
        return [(index < counts).view(-1, *[1] * (features.ndim - 1)) for index in range(depth)]

    @torch.no_grad()
    def after_update(self) -> None:
        """Initialise the codebooks by k-means; from then on update them by moving averages."""
        if self.started:
            for book in self.books:
                book.follow()
            return
        rows = self.books[0].rows
        for book in self.books:
            rows = book.start(rows)
        self.started = True


class ReferenceCodebook:
    """Vectors that follow the features nearest to them by moving averages.

    Args:
        codebook: The codebook that is copied; not changed.
        rng: Source of the choice of vectors with which codes start.

    Attributes:
        rows: The features of the batch, ``(rows, width)``.
    """

    def __init__(self, codebook: Codebook, rng: torch.Generator) -> None:
        assert isinstance(codebook, AveragedCodebook)
        self.decay, self.restart_below, self.epsilon = codebook.decay, codebook.restart_below, codebook.epsilon
        self.vectors, self.use, self.averages = (
            each.clone() for each in (codebook.vectors, codebook.use, codebook.averages)
        )
        self.rng = rng

    def look_up(self, features: Tensor) -> Tensor:
        """The vectors ``(n, width, *sides)`` that are nearest to features."""
        self.watch(features)
        self._indices = self.nearest()
        return embedding(self._indices.view(len(features), *features.shape[2:]), self.vectors).movedim(-1, 1)

    def watch(self, features: Tensor) -> None:
        """Learn from features ``(n, width, *sides)`` in the next update."""
        self.rows = features.detach().movedim(1, -1).reshape(-1, features.shape[1])

    def start(self, rows: Tensor) -> Tensor:
        """Initialise the vectors by k-means on features ``(rows, width)``; returns what they leave."""
        self.rows = rows
        self.place(torch.ones_like(self.use, dtype=torch.bool), self.draw())
        for _ in range(ITERATIONS):
            self._indices = self.nearest()
            counts, sums = self.tally()
            means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), self.draw())
            self.place(torch.ones_like(self.use, dtype=torch.bool), means)
        return rows - self.vectors[self.nearest()]

    def follow(self) -> None:
        """Update the moving averages (appendix A.1 of the paper), with Laplace smoothing; restart dead codes."""
        counts, sums = self.tally()
        self.use.lerp_(counts, 1 - self.decay)
        self.averages.lerp_(sums, 1 - self.decay)
        whole = self.use.sum()
        smoothed = (self.use + self.epsilon) / (whole + len(self.use) * self.epsilon) * whole
        self.vectors = self.averages / smoothed[:, None]
        if self.restart_below:
            self.place(self.use < self.restart_below * len(self.rows) / len(self.use), self.draw())

    def nearest(self) -> Tensor:
        """The indices of the nearest vectors, ``(rows,)``; |x|² is the same for all of them."""
        with torch.no_grad(), torch.autocast(self.rows.device.type, enabled=False):
            squares = self.vectors.square().sum(1)
            return torch.addmm(squares, self.rows, self.vectors.mT, alpha=-2).argmin(1)

    def tally(self) -> tuple[Tensor, Tensor]:
        """The number of features of each code, ``(codes,)``, and their sums, ``(codes, width)``."""
        counts = torch.bincount(self._indices, minlength=len(self.use)).to(self.rows.dtype)
        return counts, torch.zeros_like(self.vectors).index_add_(0, self._indices, self.rows)

    def draw(self) -> Tensor:
        """Random vectors of the batch, one for each code."""
        picks, _ = (
            torch.randint(high, self.use.shape, generator=self.rng, device=self.rng.device)
            for high in (len(self.rows), TICKETS)
        )
        return self.rows[picks]

    def place(self, where: Tensor, vectors: Tensor) -> None:
        """Replace codes by vectors."""
        use = (GRACE * self.restart_below or 1.0) * len(self.rows) / len(self.use)
        self.vectors = torch.where(where[:, None], vectors, self.vectors)
        self.use = torch.where(where, use, self.use)
        self.averages = torch.where(where[:, None], vectors * use, self.averages)
