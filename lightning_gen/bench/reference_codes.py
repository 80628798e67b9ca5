"""The bottlenecks of the reference loop of an autoencoder."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding

from lightning_gen.bottlenecks import VectorQuantizer
from lightning_gen.bottlenecks.codebook import AveragedCodebook

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


class ReferenceCodebook(ReferenceIdentity):
    """The nearest vector of a codebook that follows the features by moving averages.

    Args:
        quantizer: The quantizer whose codebook is copied; not changed.
        commitment: Weight of the squared distance of the features from their codes.
        rng: Source of the choice of vectors with which codes start.
    """

    def __init__(self, quantizer: VectorQuantizer, commitment: float, rng: torch.Generator) -> None:
        (codebook,) = quantizer.each_codebook()
        assert isinstance(codebook, AveragedCodebook)
        self.decay, self.restart_below, self.epsilon = codebook.decay, codebook.restart_below, codebook.epsilon
        self.vectors, self.use, self.averages = (
            each.clone() for each in (codebook.vectors, codebook.use, codebook.averages)
        )
        self.started = bool(quantizer.started)
        self.commitment = commitment
        self.rng = rng

    def __call__(self, features: Tensor) -> CodeAndLoss:
        """Quantize maps of features ``(n, width, h, w)``, with a straight-through gradient."""
        n, width, h, w = features.shape
        self._x = features.detach().movedim(1, -1).reshape(-1, width)
        self._indices = self.nearest()
        vectors = embedding(self._indices.view(n, h, w), self.vectors).movedim(-1, 1)
        distance = (features - vectors).square().sum(1).mean()
        return CodeAndLoss(vectors + (features - features.detach()), self.commitment * distance)

    @torch.no_grad()
    def after_update(self) -> None:
        """Initialise the codebook by k-means; from then on update it by moving averages."""
        if self.started:
            self.follow()
        else:
            self.start()
            self.started = True

    def start(self) -> None:
        """Initialise the codes by k-means on the features."""
        self.place(torch.ones_like(self.use, dtype=torch.bool), self.draw())
        for _ in range(ITERATIONS):
            self._indices = self.nearest()
            counts, sums = self.tally()
            means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), self.draw())
            self.place(torch.ones_like(self.use, dtype=torch.bool), means)

    def follow(self) -> None:
        """Update the moving averages (appendix A.1 of the paper), with Laplace smoothing; restart dead codes."""
        counts, sums = self.tally()
        self.use.lerp_(counts, 1 - self.decay)
        self.averages.lerp_(sums, 1 - self.decay)
        whole = self.use.sum()
        smoothed = (self.use + self.epsilon) / (whole + len(self.use) * self.epsilon) * whole
        self.vectors = self.averages / smoothed[:, None]
        if self.restart_below:
            self.place(self.use < self.restart_below * len(self._x) / len(self.use), self.draw())

    def nearest(self) -> Tensor:
        """The indices of the nearest vectors, ``(rows,)``; |x|² is the same for all of them."""
        with torch.no_grad(), torch.autocast(self._x.device.type, enabled=False):
            squares = self.vectors.square().sum(1)
            return torch.addmm(squares, self._x, self.vectors.mT, alpha=-2).argmin(1)

    def tally(self) -> tuple[Tensor, Tensor]:
        """The number of features of each code, ``(codes,)``, and their sums, ``(codes, width)``."""
        counts = torch.bincount(self._indices, minlength=len(self.use)).to(self._x.dtype)
        return counts, torch.zeros_like(self.vectors).index_add_(0, self._indices, self._x)

    def draw(self) -> Tensor:
        """Random vectors of the batch, one for each code."""
        picks, _ = (
            torch.randint(high, self.use.shape, generator=self.rng, device=self.rng.device)
            for high in (len(self._x), TICKETS)
        )
        return self._x[picks]

    def place(self, where: Tensor, vectors: Tensor) -> None:
        """Replace codes by vectors."""
        use = (GRACE * self.restart_below or 1.0) * len(self._x) / len(self.use)
        self.vectors = torch.where(where[:, None], vectors, self.vectors)
        self.use = torch.where(where, use, self.use)
        self.averages = torch.where(where[:, None], vectors * use, self.averages)
