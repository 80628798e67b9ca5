"""The interface of penalties: summands of a GAN's losses beside the objective, each with a weight and an interval."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, FROM_0, require
from lightning_gen.recording import Recorded
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.generator_pass import GeneratorPass
from lightning_gen.schedules import Schedule


class LazyPenalty(Recorded, nn.Module, ABC):
    """A penalty that can be restricted to every k-th update (lazy regularization).

    Calling a penalty gives its *unweighted* value, a mean over the batch; the caller multiplies it by `weight` and
    `every`. With an interval of k it has k times its weight in every k-th update, which costs less and has the same
    mean gradient.
    **This is unsafe where modes must be covered**: R1 and R2 on every 8th update failed on mixtures of Gaussians and on
    Stacked MNIST (https://arxiv.org/abs/2501.05441, appendix E).

    Args:
        weight: Factor of the penalty in the loss, at least 0, or a schedule of it.
        every: Interval k in updates.

    Raises:
        InputError: The weight is negative or not finite, or the interval is below 1.
    """

    def __init__(self, weight: float | Schedule, every: int = 1) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        if every not in COUNT:
            raise InputError(f"{type(self).__name__} cannot be part of every {every} updates: give 1 or more")
        self.weight = weight
        self.every = every


class Penalty(LazyPenalty):
    """One summand of a discriminator's loss beside the objective; see `LazyPenalty`.

    Attributes:
        at_real: Whether it reads `DiscriminatorPass.real_gradient`.
        at_fake: Whether it reads `DiscriminatorPass.fake_gradient`.
        for_single_samples: Whether it is defined only if no sample's logit depends on another sample.
    """

    at_real: ClassVar[bool] = False
    at_fake: ClassVar[bool] = False
    for_single_samples: ClassVar[bool] = False

    @abstractmethod
    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return the unweighted penalty, a scalar with a gradient to the critic's parameters."""


class GeneratorPenalty(LazyPenalty):
    """One summand of a generator's loss beside the objective; see `LazyPenalty`."""

    @abstractmethod
    def forward(self, record: GeneratorPass) -> Tensor:
        """Return the unweighted penalty, a scalar with a gradient to the generator's parameters."""
