"""A likelihood of 8-bit pixels as discrete values."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood, uniform_like
from lightning_gen.ranges import COUNT
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32

LOG_SCALE_RANGE = (-7.0, 7.0)
"""Range to which log-scales are clamped. The lower bound, that of the paper's code, is a scale of 1/9 of the distance
between two values; the upper one is 500 times the whole range, beyond which float32 rounds."""
HALF_BIN = 1 / 255
"""Half the distance between two of the 256 values in [-1, 1]."""


class LogisticMixtureLikelihood(Likelihood):
    """A mixture of logistic distributions, discretised to the 256 values of an 8-bit pixel. For images in [-1, 1] only.

    p(x|z) = Σₖ πₖ [F((x + 1/255 - muₖ) / sₖ) - F((x - 1/255 - muₖ) / sₖ)] with F the sigmoid; the lowest and the
    highest value also have the probability of all values beyond them. The three channels of a colour image share the
    weights of the mixture, and the means of a channel depend on the channels before it: mu_green + c₀ · red, mu_blue +
    c₁ · red + c₂ · green, with coefficients c = tanh(output). Otherwise each channel has a mixture of its own. Samples
    should be 2 · v / 255 - 1 with v = 0...255; other values are treated as centres of a bin.

    Paper: PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood,
    https://arxiv.org/abs/1701.05517, equations 1 to 3

    Args:
        components: Logistic distributions in the mixture of a pixel, at least 1; 10 in the paper.
        weight: Factor of the term in the objective.

    Raises:
        InputError: There are no components.
    """

    discrete = True
    pixels_only = True

    def __init__(self, components: int = 10, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        if components not in COUNT:
            raise InputError(f"LogisticMixtureLikelihood cannot have {components} components: give at least 1")
        self.components = components

    def outputs(self, channels: int) -> int:
        """Channels of the decoder's output: 10 a component for three channels, else 3 a component and channel.

        For three channels they are the logits of the mixture and, for each channel, the means, log-scales and
        coefficients; otherwise, for each channel, the logits, means and log-scales.
        """
        return 10 * self.components if channels == 3 else 3 * self.components * channels

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of each pixel ``(n, 1, h, w)`` for three channels, else of each channel ``(n, channels, ...)``.

        Args:
            output: ``(n, outputs, ...)``.
            x: Images in [-1, 1], ``(n, channels, ...)``.
        """
        return self.mixture(output).log_probs(at_least_float32(x))

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected images ``(n, channels, ...)`` in [-1, 1], to within half of one of 255 steps.

        For three channels the expected red and green of each component replace the sampled ones in the means of later
        channels. This is exact for components within [-1, 1].
        """
        mixture = self.mixture(output)
        expected = mixture.in_turn(expected_value)
        return (mixture.logits.softmax(2) * expected).sum(2).to(output.dtype)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample images ``(n, channels, ...)`` with the 256 values in [-1, 1]."""
        mixture = self.mixture(output)
        gumbel = -(-uniform_like(mixture.logits, generator).log()).log()
        chosen = mixture.only((mixture.logits + gumbel).argmax(2, keepdim=True))

        def draw(mean: Tensor, log_scale: Tensor) -> Tensor:
            value = mean + log_scale.exp() * uniform_like(mean, generator).logit()
            return ((value.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1

        return chosen.in_turn(draw).squeeze(2)

    def mixture(self, output: Tensor) -> "Mixture":
        """The parameters of the mixtures in an output ``(n, outputs, ...)``."""
        output, k, sides = at_least_float32(output), self.components, output.shape[2:]
        if output.shape[1] == self.outputs(3):
            logits, rest = output[:, :k].unsqueeze(1), output[:, k:].unflatten(1, (3, 3, k))
            means, log_scales, coefficients = rest.unbind(2)
            return Mixture(logits, means, log_scales.clamp(*LOG_SCALE_RANGE), coefficients.tanh())
        logits, means, log_scales = output.reshape(len(output), -1, 3, k, *sides).unbind(2)
        return Mixture(logits, means, log_scales.clamp(*LOG_SCALE_RANGE))


class Mixture(NamedTuple):
    """The parameters of mixtures of logistic distributions.

    Attributes:
        logits: Unnormalised log-probabilities of the components, ``(n, channels, components, ...)``, or
            ``(n, 1, components, ...)`` if the channels share them.
        means: ``(n, channels, components, ...)``.
        log_scales: ``(n, channels, components, ...)``.
        coefficients: Coefficients of earlier channels in the means of later ones, of red for green, of red for blue,
            and of green for blue, ``(n, 3, components, ...)``; None if channels are independent.
    """

    logits: Tensor
    means: Tensor
    log_scales: Tensor
    coefficients: Tensor | None = None

    def only(self, index: Tensor) -> "Mixture":
        """The mixture of one component for each pixel, by its index ``(n, channels or 1, 1, ...)``."""
        index = index.expand(-1, self.means.shape[1], *index.shape[2:])
        means, log_scales = self.means.gather(2, index), self.log_scales.gather(2, index)
        coefficients = None if self.coefficients is None else self.coefficients.gather(2, index)
        return Mixture(torch.zeros_like(means), means, log_scales, coefficients)

    def log_probs(self, x: Tensor) -> Tensor:
        """Return log p of images ``(n, channels, ...)``, in nats, summed over channels that share a mixture."""
        x, means = x.unsqueeze(2), self.means
        if self.coefficients is None:
            return (self.logits.log_softmax(2) + log_bin(x, means, self.log_scales)).logsumexp(2)
        red, green = x[:, 0], x[:, 1]
        c0, c1, c2 = self.coefficients.unbind(1)
        moved = torch.stack([means[:, 0], means[:, 1] + c0 * red, means[:, 2] + c1 * red + c2 * green], dim=1)
        log_probs = log_bin(x, moved, self.log_scales).sum(1, keepdim=True)
        return (self.logits.log_softmax(2) + log_probs).logsumexp(2)

    def in_turn(self, value: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Values ``(n, channels, components, ...)`` from means and log-scales, channel by channel."""
        if self.coefficients is None:
            return value(self.means, self.log_scales)
        means, log_scales = self.means.unbind(1), self.log_scales.unbind(1)
        c0, c1, c2 = self.coefficients.unbind(1)
        red = value(means[0], log_scales[0])
        green = value(means[1] + c0 * red, log_scales[1])
        blue = value(means[2] + c1 * red + c2 * green, log_scales[2])
        return torch.stack([red, green, blue], dim=1)


def log_bin(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return the log-probability of the bin around x under a logistic distribution, in nats.

    F(a) - F(b) = F(a) · F(-b) · (1 - exp(b - a)), whose logarithm is accurate if F(a) and F(b) are both near 0 or 1.
    """
    per_scale = (-log_scale).exp()
    below = logsigmoid((x - mean + HALF_BIN) * per_scale)
    above = logsigmoid(-(x - mean - HALF_BIN) * per_scale)
    within = below + above + torch.log(-torch.expm1(-2 * HALF_BIN * per_scale))
    return torch.where(x < -0.999, below, torch.where(x > 0.999, above, within))


def expected_value(mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return the mean of a logistic distribution after its values are clamped to [-1, 1].

    It is the integral of the probability of values above t, over t in [-1, 1], minus 1. The mean of the 256 discrete
    values differs from it by less than half a bin.
    """
    scale = log_scale.exp()
    return scale * (softplus((mean + 1) / scale) - softplus((mean - 1) / scale)) - 1
