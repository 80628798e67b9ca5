"""Likelihoods that are made of another one."""

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule


class WrappedLikelihood(Likelihood):
    """A likelihood that is another one in everything but what it counts as a term.

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; that of the likelihood inside has no effect.

    Raises:
        InputError: The likelihood inside was given a weight.
    """

    def __init__(self, likelihood: Likelihood, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        if likelihood.weight != 1.0:
            raise InputError(
                f"the weight of {type(likelihood).__name__} has no effect inside {type(self).__name__}: give it to "
                f"{type(self).__name__}"
            )
        self.likelihood = likelihood
        self.discrete = likelihood.discrete
        self.pixels_only = likelihood.pixels_only

    def outputs(self, channels: int) -> int:
        """Channels of the decoder's output that the likelihood reads."""
        return self.likelihood.outputs(channels)

    @property
    def scale_note(self) -> str:
        """What the likelihood's scale makes of an error."""
        return self.likelihood.scale_note

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of the likelihood's independent parts, in nats."""
        return self.likelihood.log_probs(output, x)

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats."""
        return self.likelihood.log_prob(output, x)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, channels, ...)`` of the likelihood."""
        return self.likelihood.mean(output)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw samples ``(n, channels, ...)`` from the likelihood."""
        return self.likelihood.sample(output, generator)


class HiddenPart(WrappedLikelihood):
    """A likelihood of what the encoder could not see, as masked autoencoders learn from.

    As a term: E[-Σ log p(xᵢ|z)] over the hidden dimensions i of a sample, in nats; over all of them where nothing says
    what is hidden, as of a model without a corruption. `log_prob` is that of the whole sample.

    Paper: Masked Autoencoders Are Scalable Vision Learners, https://arxiv.org/abs/2111.06377, section 3; there it is
    the mean over the hidden pixels instead of their sum

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; that of the likelihood inside has no effect.

    Raises:
        InputError: The likelihood inside was given a weight.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of -log p of the hidden dimensions, in nats per sample.

        Raises:
            InputError: Channels are hidden one by one and the likelihood cannot tell them apart.
        """
        log_probs = self.log_probs(record.output, record.x)
        if record.hidden is None:
            return -log_probs.flatten(1).sum(1).mean()
        if record.hidden.shape[1] > log_probs.shape[1]:
            raise InputError(
                f"the channels of a pixel depend on each other in {type(self.likelihood).__name__} and here they are "
                "hidden one by one: hide whole pixels, or use another likelihood"
            )
        return -torch.where(record.hidden, log_probs, 0.0).flatten(1).sum(1).mean()
