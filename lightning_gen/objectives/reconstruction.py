"""Likelihoods: how well a decoder's output explains the samples."""

from abc import ABC, abstractmethod
from math import log, log2, pi
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, require
from lightning_gen.records import Reconstruction, Shape
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32

Nats = TypeVar("Nats", float, Tensor)


class Likelihood(Term, ABC):
    """The distribution p(x|z) whose parameters are the decoder's output; as a term, E[-log p(x|z)].

    Args:
        weight: Factor of the term in the objective, or a schedule of it.

    Attributes:
        discrete: Whether it gives the probability of a pixel's value, one of 2 or of 256, rather than a density. A
            density of 8-bit pixels has no upper bound: give it samples between them, by `Dequantization`.
        pixels_only: Whether it is for pixels in [-1, 1] and not for points.
    """

    discrete: bool = False
    pixels_only: bool = False

    def outputs(self, channels: int) -> int:
        """Channels that the decoder's output must have for samples of so many channels: as many."""
        return channels

    @property
    def scale_note(self) -> str:
        """What its scale makes of an error, as it is said after "with"; nothing where it has no scale."""
        return ""

    @abstractmethod
    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of the parts of each sample that are independent given z, in nats.

        Args:
            output: What the decoder gave, ``(n, outputs, ...)``.
            x: The samples, ``(n, channels, ...)``.

        Returns:
            ``(n, channels, ...)``, or ``(n, 1, ...)`` where the channels of a pixel depend on each other.
        """

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, summed over the sample's dimensions; see `log_probs`."""
        return self.log_probs(output, x).flatten(1).sum(1)

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, channels, ...)``, in the range of the data, from a decoder's output."""

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw samples ``(n, channels, ...)`` from p(x|z), at least float32; a density's may leave [-1, 1].

        Raises:
            InputError: It cannot.
        """
        raise InputError(f"{type(self).__name__} cannot draw samples: take those that it expects, by `mean`")

    def bits_per_dim(self, nats: Nats, shape: Shape, step: float | None) -> Nats:
        """Turn nats per sample into bits per dimension, where values are steps of a scale those of one step.

        nats / (D log 2), with D the number of dimensions; a density is given -log2(step) more, as each stored value
        takes a step of the scale: 7 for 8-bit pixels in [-1, 1], each of which takes 2 / 256.

        Args:
            nats: -log p(x), or a bound on it, in nats per sample.
            shape: Shape of one sample.
            step: Width of a stored value, `Medium.step`; None where values are no such steps.
        """
        stepped = step is not None and not self.discrete
        return nats / (torch.Size(shape).numel() * log(2)) - (log2(step) if stepped and step else 0.0)

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of -log p(x|z), in nats per sample."""
        return -self.log_prob(record.output, record.x).mean()


class BernoulliLikelihood(Likelihood):
    """Pixels as probabilities: the output is a logit, the target (x + 1) / 2. For images in [-1, 1] only.

    log p(x|z) = Σ t log s + (1 - t) log(1 - s) with t = (x + 1) / 2 and s = sigmoid(output). For pixels that are
    neither black nor white this is a cross-entropy, not a normalised likelihood: its least value is their
    entropy, not 0. `Binarization` draws black and white ones from them.

    Paper: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix C.1

    Args:
        weight: Factor of the term in the objective.
    """

    discrete = True
    pixels_only = True

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the negative cross-entropy of each pixel in nats; output, x and result are ``(n, *shape)``."""
        output, target = at_least_float32(output), (at_least_float32(x) + 1) / 2
        return -binary_cross_entropy_with_logits(output, target, reduction="none")

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, in fewer passes over the pixels than `log_probs`."""
        output, target = at_least_float32(output), (at_least_float32(x) + 1) / 2
        return -binary_cross_entropy_with_logits(output, target, reduction="none").flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected images ``(n, *shape)`` in [-1, 1]: 2 sigmoid(output) - 1."""
        return 2 * output.sigmoid() - 1

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw black and white images ``(n, *shape)``, each pixel -1 or 1."""
        output = at_least_float32(output)
        return 2 * (uniform_like(output, generator) < output.sigmoid()).to(output) - 1


class GaussianLikelihood(Likelihood):
    """Independent Gaussians about the output, all with one standard deviation.

    log p(x|z) = -Σ (x - output)² / (2 scale²) - D/2 log(2 pi scale²), with D the number of dimensions of a sample. The
    constant is there, so values are true densities in the units of the data (images: the range is 2 wide). With scale
    1 the gradient is that of half the summed squared error.

    Paper: Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114, appendix C.2

    Args:
        scale: Standard deviation, in units of the data.
        weight: Factor of the term in the objective.

    Raises:
        InputError: The scale is not positive.
    """

    def __init__(self, scale: float = 1.0, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        require(self, "scale", scale, ABOVE_0, "a standard deviation")
        self.scale = scale

    @property
    def scale_note(self) -> str:
        """How often the squared error counts."""
        return f"scale {self.scale:g}: the squared error counts {0.5 / self.scale**2:g} times"

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats; output, x and result are ``(n, *shape)``."""
        squares = (at_least_float32(x) - at_least_float32(output)).square()
        return -0.5 / self.scale**2 * squares - self._normalizer

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, in fewer passes over its dimensions than `log_probs`."""
        squares = (at_least_float32(x) - at_least_float32(output)).square().flatten(1)
        return -0.5 / self.scale**2 * squares.sum(1) - squares.shape[1] * self._normalizer

    @property
    def _normalizer(self) -> float:
        """Log of the density's factor, of one dimension."""
        return log(self.scale) + 0.5 * log(2 * pi)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the output as it is, which may leave the range of the data."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw samples ``(n, *shape)`` about the output."""
        output = at_least_float32(output)
        return output + self.scale * normal_like(output, generator)


class LaplaceLikelihood(Likelihood):
    """Independent Laplace distributions about the output, all of one width: the absolute error, in nats.

    log p(x|z) = -Σ |x - output| / scale - D log(2 scale), with D the number of dimensions of a sample; a true density,
    as that of `GaussianLikelihood`. The best output is the median, which `mean` is too.

    Args:
        scale: Mean absolute deviation, in units of the data; the standard deviation is √2 times that.
        weight: Factor of the term in the objective.

    Raises:
        InputError: The scale is not positive.
    """

    def __init__(self, scale: float = 1.0, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        require(self, "scale", scale, ABOVE_0, "a mean absolute deviation")
        self.scale = scale

    @property
    def scale_note(self) -> str:
        """How often the absolute error counts."""
        return f"scale {self.scale:g}: the absolute error counts {1 / self.scale:g} times"

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats; output, x and result are ``(n, *shape)``."""
        return -(at_least_float32(x) - at_least_float32(output)).abs() / self.scale - log(2 * self.scale)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the output as it is, which may leave the range of the data."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw samples ``(n, *shape)`` about the output."""
        output = at_least_float32(output)
        u = 2 * uniform_like(output, generator) - 1
        tail = u.abs().clamp(max=1 - torch.finfo(u.dtype).eps)  # u may be -1, which is infinitely far out
        return output - self.scale * u.sign() * torch.log1p(-tail)


def uniform_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw U(0, 1) of the shape, type and device of a tensor; 0 may be drawn and 1 is not."""
    return torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw N(0, 1) of the shape, type and device of a tensor."""
    return torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
