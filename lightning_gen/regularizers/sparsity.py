"""Penalties that make codes sparse."""

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.ranges import Range, require
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


class L1Sparsity(Term):
    """The sum of the code's absolute values, E_x[Σ |z|].

    With its weight it is -log of a Laplace prior with scale 1 / weight, in nats, without the constant.

    Paper: Emergence of simple-cell receptive field properties by learning a sparse code for natural images,
    https://doi.org/10.1038/381607a0, with S(x) = |x|

    Args:
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean over the batch of Σ |z|."""
        return at_least_float32(record.code.sample).abs().flatten(1).sum(1).mean()


class ActivitySparsity(Term):
    """Σⱼ KL(Bernoulli(target) || Bernoulli(activityⱼ)), where activityⱼ is the mean of a code's unit j over the batch.

    It is in nats for a batch, not for each sample. Each channel of a map is a unit, and its positions count as samples.
    Each device computes it on its own part of a batch.

    Source: Sparse autoencoder, Andrew Ng, CS294A lecture notes, section 3, where the weight is beta = 3,
    https://web.stanford.edu/class/cs294a/sparseAutoencoder_2011new.pdf

    Args:
        target: Target of the mean activity of each unit, in (0, 1).
        weight: Factor of the term in the objective, or a schedule of it.

    Raises:
        InputError: The target is not in (0, 1).
    """

    def __init__(self, target: float = 0.05, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        require(self, "target", target, Range("between 0 and 1", 0, 1, above=True, below=True), "an activity")
        self.target = target

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the divergence of the units' mean activities from the target, in nats.

        Raises:
            InputError: The code is not in [0, 1]; this is only checked before the first training image.
        """
        code = at_least_float32(record.code.sample).transpose(0, 1).flatten(1)
        if record.images == 0:  # not at every step: the check waits for the device
            require_activities(code)
        margin = torch.finfo(code.dtype).eps  # keeps the loss finite for a unit that is always on or always off
        activity = code.mean(1).clamp(margin, 1 - margin)
        silent = (1 - self.target) * ((1 - self.target) / (1 - activity)).log()
        return (self.target * (self.target / activity).log() + silent).sum()


def require_activities(code: Tensor) -> None:
    """Check that a code holds activities in [0, 1].

    Raises:
        InputError: A value is outside.
    """
    least, most = code.min().item(), code.max().item()
    if not 0 <= least <= most <= 1:
        raise InputError(
            f"ActivitySparsity needs activities from 0 to 1 and the code goes from {least:.3g} to {most:.3g}: use "
            "SigmoidBottleneck"
        )
