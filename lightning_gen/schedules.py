"""Numbers that change over training, in images, so that they do not depend on the batch size, on the number of
discriminator updates or on the number of devices.

A `Schedule` may stand wherever a number is asked for that can change: a penalty's weight, the average's half-life. What
an optimizer owns is moved by `ImageSchedule`, which is used like any scheduler of torch's.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.errors import InputError
from lightning_gen.ranges import FINITE, Range, require


class Schedule(ABC):
    """A number as a function of the images seen.

    Args:
        warmup_images: Images over which it first rises linearly from 0 to its value there; 0 for no rise.

    Raises:
        InputError: The images are negative or not finite.
    """

    def __init__(self, warmup_images: int = 0) -> None:
        _check_images("warmup_images", warmup_images, 0)
        self.warmup_images = warmup_images

    def __call__(self, images: int) -> float:
        """The number after so many images; a rise starts above 0."""
        if images >= self.warmup_images:
            return self.value(images)
        return self.value(self.warmup_images) * max(1, images) / self.warmup_images

    @abstractmethod
    def value(self, images: int) -> float:
        """The number after so many images, the rise apart."""

    @property
    def ends(self) -> tuple[float, ...]:
        """Numbers between which it moves, the rise apart; empty where they are not known."""
        return ()


class Constant(Schedule):
    """Always the same number, once the rise is over.

    Args:
        first: The number.
        warmup_images: Length of a linear rise from 0, in images; 0 for none.

    Raises:
        InputError: The number is not finite, or the images are negative.
    """

    def __init__(self, first: float = 1.0, warmup_images: int = 0) -> None:
        super().__init__(warmup_images)
        require(self, "first", first, FINITE)
        self.first = first

    def value(self, images: int) -> float:
        """``first``."""
        return self.first

    @property
    def ends(self) -> tuple[float, ...]:
        """The number."""
        return (self.first,)


class Ramp(Schedule):
    """From one number to another between two counts of images, and constant outside.

    Args:
        end_images: Where it ends, in images.
        start_images: Where it begins, in images.
        first: The number at and before the beginning.
        last: The number at and after the end.
        warmup_images: Length of a linear rise from 0, in images; 0 for none.

    Raises:
        InputError: The end is not after the beginning, or a number is not finite.
    """

    def __init__(
        self, end_images: int, start_images: int = 0, first: float = 1.0, last: float = 0.0, warmup_images: int = 0
    ) -> None:
        super().__init__(warmup_images)
        _check_images("start_images", start_images, -math.inf)
        _check_images("end_images", end_images, start_images + 1)
        self.end_images = end_images
        self.start_images = start_images
        require(self, "first", first, FINITE)
        require(self, "last", last, FINITE)
        self.first = first
        self.last = last

    def value(self, images: int) -> float:
        """``first + (last - first) * course(share of the way)``."""
        way = (images - self.start_images) / (self.end_images - self.start_images)
        return self.first + (self.last - self.first) * self.course(min(1.0, max(0.0, way)))

    @property
    def ends(self) -> tuple[float, ...]:
        """Both numbers."""
        return (self.first, self.last)

    @abstractmethod
    def course(self, way: float) -> float:
        """Share of the change that is done after a share of the way; from 0 at 0 to 1 at 1."""


class Linear(Ramp):
    """Straight, as the learning rates of WGAN-GP and CycleGAN fall."""

    def course(self, way: float) -> float:
        """``way``."""
        return way


class Cosine(Ramp):
    """Along half a cosine: slowly, fast, slowly.

    SGDR: Stochastic Gradient Descent with Warm Restarts, https://arxiv.org/abs/1608.03983, equation 5 with one period.
    """

    def course(self, way: float) -> float:
        """``(1 - cos(pi * way)) / 2``."""
        return 0.5 * (1.0 - math.cos(math.pi * way))


class Exponential(Ramp):
    """By the same factor with each image; both ends are above 0.

    Args:
        end_images: Where it ends, in images.
        start_images: Where it begins, in images.
        first: The number at and before the beginning, above 0.
        last: The number at and after the end, above 0.
        warmup_images: Length of a linear rise from 0, in images; 0 for none.

    Raises:
        InputError: The end is not after the beginning, or a number is not above 0.
    """

    def __init__(
        self, end_images: int, start_images: int = 0, first: float = 1.0, last: float = 0.01, warmup_images: int = 0
    ) -> None:
        super().__init__(end_images, start_images, first, last, warmup_images)
        if min(first, last) <= 0:
            raise InputError(f"Exponential goes between numbers above 0, not {first} and {last}: use Linear or Cosine")

    def course(self, way: float) -> float:
        """Share of the change after a share of the way on which the logarithm changes evenly."""
        ratio = self.last / self.first
        return way if ratio == 1 else (ratio**way - 1) / (ratio - 1)


def at(number: float | Schedule, images: int) -> float:
    """A number, or what a schedule makes of it after so many images."""
    return number(images) if isinstance(number, Schedule) else number


class ImageSchedule(LRScheduler):
    """Moves an optimizer's learning rate, and Adam's second beta, with the images seen.

    Used like any scheduler of torch's: as ``generator_scheduler``, ``discriminator_scheduler`` or ``scheduler``; the
    module moves it on after each update.

    Args:
        optimizer: The optimizer whose learning rates are set.
        learning_rate: Factor of the optimizer's own learning rates; None for 1.
        beta2: Adam's second beta; None to leave it.

    Raises:
        InputError: The optimizer has no betas and `beta2` is given.
    """

    def __init__(
        self, optimizer: Optimizer, learning_rate: Schedule | None = None, beta2: Schedule | None = None
    ) -> None:
        if beta2 is not None and "betas" not in optimizer.defaults:
            raise InputError(f"{type(optimizer).__name__} has no betas: leave out beta2, or use torch.optim.Adam")
        self.learning_rate = learning_rate
        self.beta2 = beta2
        self.images = 0
        super().__init__(optimizer)
        self.apply()

    def get_lr(self) -> list[float | Any]:
        """The learning rate of each parameter group."""
        factor = 1.0 if self.learning_rate is None else self.learning_rate(self.images)
        return [base * factor for base in self.base_lrs]

    def apply(self) -> None:
        """Set what is scheduled to what it is after the images seen."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
            if self.beta2 is not None:
                group["betas"] = (group["betas"][0], self.beta2(self.images))

    def state_dict(self) -> dict[str, Any]:
        """How far it is; its shape is a setting, which a resumed run may change."""
        return {"images": self.images, "last_epoch": self.last_epoch, "_last_lr": self._last_lr}

    def step_to(self, images: int) -> None:
        """Set what is scheduled to what it is after `images` images."""
        self.images = images
        self.step()
        self.apply()


def _check_images(name: str, value: int, least: float) -> None:
    if value not in Range("", least):
        raise InputError(f"{name} must be at least {least} images, not {value}")
