"""The interface of latent samplers: they are fitted to codes, and sample codes from the fitted density."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.recording import Recorded

FLATTEST = 1e-6
"""Lower bound on the deviations by which codes are divided, as a share of the largest one."""


class LatentSampler(Recorded, nn.Module, ABC):
    """A density of codes, fitted after an autoencoder was trained: ex-post density estimation.

    The codes of the data have the distribution q(z) = E_x[q(z|x)], the aggregated posterior. The decoder was trained on
    it, and a prior only approximates it. Codes are flattened and standardised, each dimension by its own mean and
    deviation; `log_prob` is the density of the original codes.

    Paper: From Variational to Deterministic Autoencoders, https://arxiv.org/abs/1903.12436, section 4

    Attributes:
        widest: Largest width of a code that is fitted in reasonable time.
        encoded_by: Key of the weights of the encoder that gave the codes; None before fitting.
        centre: Mean of the codes, ``(width,)``.
        spread: Deviation by which the codes are divided, ``(width,)``.
    """

    widest: ClassVar[int] = 1024
    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoded_by: str | None = None

    def fit(self, codes: Tensor, generator: torch.Generator) -> None:
        """Fit the density to codes ``(n, width)``.

        Args:
            codes: One code in each row, on the CPU.
            generator: Source of random numbers for initial values and batches, on the CPU.

        Raises:
            InputError: The codes are not finite, are all equal, or are too wide or too few for this density.
        """
        self.check(codes)
        self.build(codes.shape[1])
        codes = codes.double()
        spread = codes.std(0, correction=0)
        self.centre, self.spread = codes.mean(0), spread.clamp_min(FLATTEST * float(spread.max()))
        self.fit_standard((codes - self.centre) / self.spread, generator)

    def check(self, codes: Tensor) -> None:
        """Check that the density can be fitted to codes ``(n, width)``.

        Raises:
            InputError: The codes are not finite, are all equal, or are too wide.
        """
        if not codes.isfinite().all():
            raise InputError("some codes are not finite: the training diverged, take an earlier checkpoint")
        if (codes == codes[:1]).all():
            raise InputError("all codes are equal, whatever the sample: train the encoder longer, or again")
        if codes.shape[1] > self.widest:
            raise InputError(
                f"codes of {codes.shape[1]:,} numbers are too wide for {type(self).__name__}, which takes up to "
                f"{self.widest:,}: train with a smaller latent_dim, or with an encoder that gives smaller maps"
            )

    def build(self, width: int) -> None:
        """Create the parameters of the density, for codes of a width."""
        self.register_buffer("centre", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(width, dtype=torch.float64))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Sample codes ``(n, width)``, float32, on the CPU."""
        return (self.centre + self.spread * self.draw_standard(n, generator)).float()

    def log_prob(self, codes: Tensor) -> Tensor:
        """The log-density of codes ``(n, width)``, float64 ``(n,)``, in nats."""
        standard = (codes.double() - self.centre) / self.spread
        return self.log_prob_standard(standard) - self.spread.log().sum()

    @abstractmethod
    def fit_standard(self, codes: Tensor, generator: torch.Generator) -> None:
        """Fit the density to standardised codes ``(n, width)``, float64."""

    @abstractmethod
    def draw_standard(self, n: int, generator: torch.Generator) -> Tensor:
        """Sample standardised codes ``(n, width)``."""

    @abstractmethod
    def log_prob_standard(self, codes: Tensor) -> Tensor:
        """The log-density ``(n,)`` of standardised codes ``(n, width)``, float64."""
