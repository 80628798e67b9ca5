"""What a penalty promises."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, FROM_0, require
from lightning_gen.regularizers.contest import Contest
from lightning_gen.schedules import Schedule, at


class Penalty(nn.Module, ABC):
    """One summand of a discriminator's loss beside the objective, and the weight it carries in the sum.

    Calling a penalty gives its *unweighted* value, a mean over the batch; whoever sums multiplies by the weight. With
    an interval it is computed on every `every`-th update only and counts `every` times there, which costs less and
    pulls as hard on average: **unsafe where modes must be covered**, R1 and R2 on every 8th update failed outright on
    mixtures of Gaussians and on Stacked MNIST (https://arxiv.org/abs/2501.05441, appendix E).

    Args:
        weight: Factor of the penalty in the discriminator's loss, at least 0, or a schedule of it.
        every: It is due on every so many-th update of the discriminator.

    Attributes:
        at_real: Whether it reads `Contest.real_gradient`.
        at_fake: Whether it reads `Contest.fake_gradient`.
        for_single_samples: Whether it is defined only where no sample's logit depends on another's.

    Raises:
        InputError: The weight is negative or not finite, or the interval is below 1.
    """

    at_real: ClassVar[bool] = False
    at_fake: ClassVar[bool] = False
    for_single_samples: ClassVar[bool] = False

    def __init__(self, weight: float | Schedule, every: int = 1) -> None:
        super().__init__()
        require(self, "weight", weight, FROM_0)
        if every not in COUNT:
            raise InputError(f"{type(self).__name__} cannot be due on every {every} updates: give 1 or more")
        self.weight = weight
        self.every = every

    @abstractmethod
    def forward(self, contest: Contest) -> Tensor:
        """Return the unweighted penalty, a scalar that can be differentiated by the critic's parameters."""


def due(penalties: Mapping[str, Penalty], update: int) -> dict[str, Penalty]:
    """The penalties that are paid with the discriminator's update of that number, counted from 0."""
    return {name: penalty for name, penalty in penalties.items() if update % penalty.every == 0}


def factor(penalty: Penalty, images: int) -> float:
    """What a penalty that is due is multiplied by in the loss, after so many images."""
    return penalty.every * at(penalty.weight, images)
