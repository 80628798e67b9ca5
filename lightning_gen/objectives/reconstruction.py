"""Likelihoods of samples, with a decoder's output as parameters."""

from abc import ABC, abstractmethod
from math import log, log2, pi
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

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
        discrete: Whether it gives probabilities of a pixel's 2 or 256 values, rather than a density. A density of 8-bit
            pixels has no upper bound: use `Dequantization` with one.
        pixels_only: Whether it is only for pixels in [-1, 1].
        counted: What `dimensions` counts, in the singular.
    """

    counted: str = "dimension"
    discrete: bool = False
    pixels_only: bool = False

    def outputs(self, channels: int) -> int:
        """Number of channels of the decoder's output for samples with a number of channels; by default the same."""
        return channels

    def channels(self, outputs: int) -> int:
        """Number of channels of samples for a number of channels of the decoder's output, the inverse of `outputs`.

        Raises:
            InputError: There is none.
        """
        found = next((channels for channels in range(1, outputs + 1) if self.outputs(channels) == outputs), None)
        if found is None:
            raise InputError(
                f"a decoder with {outputs} channels gives no samples by {type(self).__name__}, which reads "
                f"{self.outputs(1)} for samples of one channel and {self.outputs(3)} for three: let it return as many"
            )
        return found

    @property
    def scale_note(self) -> str:
        """The effect of its scale on the error, a phrase to be put after "with"; empty without a scale."""
        return ""

    @abstractmethod
    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of the parts of each sample that are independent given z, in nats.

        Args:
            output: The decoder's output, ``(n, outputs, ...)``.
            x: The samples, ``(n, channels, ...)``.

        Returns:
            ``(n, channels, ...)``, or ``(n, 1, ...)`` if the channels of a pixel depend on each other.
        """

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, summed over the sample's dimensions; see `log_probs`."""
        return self.log_probs(output, x).flatten(1).sum(1)

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, channels, ...)``, in the range of the data, from a decoder's output."""

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, channels, ...)`` from p(x|z), at least float32; samples of a density may leave [-1, 1].

        Raises:
            InputError: The likelihood cannot be sampled.
        """
        raise InputError(f"{type(self).__name__} cannot draw samples: use its expected samples, `mean`")

    def dimensions(self, x: Tensor) -> Tensor:
        """The number of dimensions of each sample that `log_prob` sums over, ``(n,)``: by default all of them."""
        return torch.full((len(x),), x[:1].numel(), device=x.device)

    def bits_per_dim(self, nats: Nats, shape: Shape, step: float | None, dimensions: float | None = None) -> Nats:
        """Convert nats per sample to bits per dimension; for stored values with a step, to bits of the stored values.

        This is nats / (D log 2), with D the number of dimensions. For a density -log2(step) is added, as each stored
        value covers an interval of that width: 7 bits for 8-bit pixels in [-1, 1], whose step is 2 / 256.

        Args:
            nats: -log p(x), or a bound on it, in nats per sample.
            shape: Shape of one sample.
            step: Distance of two stored values, `Medium.step`; None if values are continuous.
            dimensions: Mean number of dimensions that count, see `dimensions`; None for all those of the shape.
        """
        count = torch.Size(shape).numel() if dimensions is None else dimensions
        stepped = step is not None and not self.discrete
        return nats / (count * log(2)) - (log2(step) if stepped and step else 0.0)

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of -log p(x|z), in nats per sample."""
        return -self.log_prob(record.output, record.x).mean()


class BernoulliLikelihood(Likelihood):
    """Pixels are probabilities: the output is a logit, and the target is (x + 1) / 2. For images in [-1, 1] only.

    log p(x|z) = Σ t log s + (1 - t) log(1 - s) with t = (x + 1) / 2 and s = sigmoid(output). For pixels that are
    neither black nor white this is a cross-entropy, not a normalised likelihood: its minimum is their entropy, not 0.
    `Binarization` samples black and white pixels.

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
        """Sample black and white images ``(n, *shape)``; each pixel is -1 or 1."""
        output = at_least_float32(output)
        return 2 * (uniform_like(output, generator) < output.sigmoid()).to(output) - 1


class GaussianLikelihood(Likelihood):
    """Independent Gaussians around the output with one standard deviation.

    log p(x|z) = -Σ (x - output)² / (2 scale²) - D/2 log(2 pi scale²), with D the number of dimensions of a sample. The
    constant is included, so values are densities in the units of the data (the range of images has the width 2). With
    scale 1 the gradient is that of half the summed squared error.

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
        """The factor of the squared error."""
        return f"scale {self.scale:g}: the squared error counts {0.5 / self.scale**2:g} times"

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats; output, x and result are ``(n, *shape)``."""
        squares = (at_least_float32(x) - at_least_float32(output)).square()
        return -0.5 / self.scale**2 * squares - self._normalizer

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats, in fewer passes over its dimensions than `log_probs`."""
        squares = (at_least_float32(x) - at_least_float32(output)).square().flatten(1)
        return -0.5 / self.scale**2 * squares.sum(1) - squares.shape[1] * self._normalizer

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of -log p(x|z), in nats per sample, in fewer kernels than by `log_prob`."""
        output, x = at_least_float32(record.output), at_least_float32(record.x)
        squares = mse_loss(output, x, reduction="sum") / len(x)
        return 0.5 / self.scale**2 * squares + x.numel() // len(x) * self._normalizer

    @property
    def _normalizer(self) -> float:
        """Logarithm of the normalisation constant of one dimension."""
        return log(self.scale) + 0.5 * log(2 * pi)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the output, which may leave the range of the data."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, *shape)`` around the output."""
        output = at_least_float32(output)
        return output + self.scale * normal_like(output, generator)


class LaplaceLikelihood(Likelihood):
    """Independent Laplace distributions around the output with one scale: the absolute error, in nats.

    log p(x|z) = -Σ |x - output| / scale - D log(2 scale), with D the number of dimensions of a sample; a density with
    its constant, as in `GaussianLikelihood`. The output is both the median and the mean.

    Args:
        scale: Mean absolute deviation, in units of the data; the standard deviation is √2 times the scale.
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
        """The factor of the absolute error."""
        return f"scale {self.scale:g}: the absolute error counts {1 / self.scale:g} times"

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the log-density of each dimension in nats; output, x and result are ``(n, *shape)``."""
        return -(at_least_float32(x) - at_least_float32(output)).abs() / self.scale - log(2 * self.scale)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, *shape)``: the output, which may leave the range of the data."""
        return output

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, *shape)`` around the output."""
        output = at_least_float32(output)
        u = 2 * uniform_like(output, generator) - 1
        tail = u.abs().clamp(max=1 - torch.finfo(u.dtype).eps)  # u may be -1, whose sample would be infinite
        return output - self.scale * u.sign() * torch.log1p(-tail)


def uniform_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample U(0, 1), from [0, 1), in the shape, type and device of a tensor."""
    return torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample N(0, 1) in the shape, type and device of a tensor."""
    return torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
