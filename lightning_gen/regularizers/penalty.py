"""What penalties promise: summands of a loss of a GAN beside its objective, each with a weight and an interval."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, FROM_0, require
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.generator_pass import GeneratorPass
from lightning_gen.schedules import Schedule


class LazyPenalty(nn.Module, ABC):
    """A penalty that may be part of every so many-th update only.

    Calling a penalty gives its *unweighted* value, a mean over the batch; whoever sums multiplies by `factor`. With an
    interval it counts `every` times in the updates that it is part of, which costs less and pulls as hard on average:
    **unsafe where modes must be covered**, R1 and R2 on every 8th update failed outright on mixtures of Gaussians and
    on Stacked MNIST (https://arxiv.org/abs/2501.05441, appendix E).

    Args:
        weight: Factor of the penalty in the loss, at least 0, or a schedule of it.
        every: It is part of every so many-th update.

    Raises:
        InputError: The weight is negative or not finite, or the interval is below 1.
    """

    def __init__(self, weight: float | Schedule, every: int = 1) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        if every not in COUNT:
            raise InputError(f"{type(self).__name__} cannot be due on every {every} updates: give 1 or more")
        self.weight = weight
        self.every = every

    def factor(self, images: int) -> float:
        """What its value is multiplied by in the loss of an update that it is part of, after so many images."""
        return self.every * (self.weight(images) if isinstance(self.weight, Schedule) else self.weight)


class Penalty(LazyPenalty):
    """One summand of a discriminator's loss beside the objective; see `LazyPenalty`.

    Attributes:
        at_real: Whether it reads `DiscriminatorPass.real_gradient`.
        at_fake: Whether it reads `DiscriminatorPass.fake_gradient`.
        for_single_samples: Whether it is defined only where no sample's logit depends on another's.
    """

    at_real: ClassVar[bool] = False
    at_fake: ClassVar[bool] = False
    for_single_samples: ClassVar[bool] = False

    @abstractmethod
    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return the unweighted penalty, a scalar that can be differentiated by the critic's parameters."""


class GeneratorPenalty(LazyPenalty):
    """One summand of a generator's loss beside the objective; see `LazyPenalty`."""

    @abstractmethod
    def forward(self, record: GeneratorPass) -> Tensor:
        """Return the unweighted penalty, a scalar that can be differentiated by the generator's parameters."""
