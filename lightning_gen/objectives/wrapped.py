"""Likelihoods that wrap another one."""

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.objectives.reconstruction import Likelihood
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule


class WrappedLikelihood(Likelihood):
    """A likelihood that delegates to another one, with another value as a term of the objective.

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; the weight of the likelihood inside is unused.

    Raises:
        InputError: The weight of the likelihood inside is not 1.
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
        self.counted = likelihood.counted

    def outputs(self, channels: int) -> int:
        """Channels of the decoder's output that the likelihood reads."""
        return self.likelihood.outputs(channels)

    @property
    def scale_note(self) -> str:
        """The note of the likelihood inside."""
        return self.likelihood.scale_note

    def log_probs(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p of the likelihood's independent parts, in nats."""
        return self.likelihood.log_probs(output, x)

    def log_prob(self, output: Tensor, x: Tensor) -> Tensor:
        """Return log p(x|z) of each sample, ``(n,)``, in nats."""
        return self.likelihood.log_prob(output, x)

    def dimensions(self, x: Tensor) -> Tensor:
        """The number of dimensions that the likelihood inside counts, ``(n,)``."""
        return self.likelihood.dimensions(x)

    def mean(self, output: Tensor) -> Tensor:
        """Return the expected samples ``(n, channels, ...)`` of the likelihood."""
        return self.likelihood.mean(output)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Sample ``(n, channels, ...)`` from the likelihood."""
        return self.likelihood.sample(output, generator)


class HiddenPart(WrappedLikelihood):
    """A likelihood of the part of a sample that is hidden from the encoder, as in masked autoencoders.

    As a term it is E[-Σ log p(xᵢ|z)] over the hidden dimensions i of a sample, in nats, or over all dimensions if no
    mask is known, as for a model without a corruption. `log_prob` is that of the whole sample.

    Paper: Masked Autoencoders Are Scalable Vision Learners, https://arxiv.org/abs/2111.06377, section 3, with the mean
    over the hidden pixels instead of the sum

    Args:
        likelihood: The distribution p(x|z).
        weight: Factor of the term in the objective, or a schedule of it; the weight of the likelihood inside is unused.

    Raises:
        InputError: The weight of the likelihood inside is not 1.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of -log p of the hidden dimensions, in nats per sample.

        Raises:
            InputError: The mask differs between channels, or places, and the likelihood does not separate them.
        """
        log_probs = self.log_probs(record.output, record.x)
        if record.hidden is None:
            return -log_probs.flatten(1).sum(1).mean()
        if record.hidden[0, 0].numel() > log_probs[0, 0].numel():
            raise InputError(
                f"the places of a sample depend on each other in {type(self.likelihood).__name__}, so none can be left "
                "out: use CategoricalLikelihood for letters that are hidden"
            )
        if record.hidden.shape[1] > log_probs.shape[1]:
            raise InputError(
                f"the channels of a pixel depend on each other in {type(self.likelihood).__name__} and here they are "
                "masked separately: hide whole pixels, or use another likelihood"
            )
        return -torch.where(record.hidden, log_probs, 0.0).flatten(1).sum(1).mean()
