"""Numbers that change during training, as functions of the images seen: independent of the batch size, of the number
of discriminator updates and of the number of devices.

Arguments that can change take a `Schedule` instead of a number, such as a penalty's weight or the half-life of an
average. `ImageSchedule` changes an optimizer's settings; it is used like torch's schedulers.

An update has the learning rate, and the weights of an autoencoder's terms, that are due after the images of the updates
before it. The weights in a discriminator's loss, and in that of a GAN's generator, count the images of the update
itself as well: they are one batch ahead, and so is the probability of an augmentation.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.ranges import FINITE, Range, require
from lightning_gen.recording import Recorded


class Schedule(Recorded, ABC):
    """A number as a function of the images seen.

    Args:
        warmup_images: Images of a linear warmup from 0; 0 for none.

    Raises:
        InputError: The images are negative or not finite.
    """

    def __init__(self, warmup_images: int = 0) -> None:
        _check_images("warmup_images", warmup_images, 0)
        self.warmup_images = warmup_images

    def __call__(self, images: int) -> float:
        """The number after a number of images; a warmup starts above 0."""
        if images >= self.warmup_images:
            return self.value(images)
        return self.value(self.warmup_images) * max(1, images) / self.warmup_images

    @abstractmethod
    def value(self, images: int) -> float:
        """The number after a number of images, without the warmup."""

    @property
    def ends(self) -> tuple[float, ...]:
        """Numbers between which it changes, without the warmup; empty if they are unknown."""
        return ()


class Constant(Schedule):
    """A constant number after the warmup.

    Args:
        first: The number.
        warmup_images: Images of a linear warmup from 0; 0 for none.

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


class Ramp(FormerNames, Schedule):
    """A change from one number to another between two counts of images; the number is constant before and after.

    Args:
        end_images: Images at the end of the change.
        start_images: Images at the start of the change.
        first: The number until the start.
        last: The number from the end on.
        warmup_images: Images of a linear warmup from 0; 0 for none.

    Raises:
        InputError: The end is not after the start, or a number is not finite.
    """

    former_names: ClassVar[Mapping[str, str]] = {"course": "interpolation"}

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
        """``first + (last - first) * interpolation(fraction)``, by the fraction of the images between start and end."""
        fraction = (images - self.start_images) / (self.end_images - self.start_images)
        return self.first + (self.last - self.first) * self.interpolation(min(1.0, max(0.0, fraction)))

    @property
    def ends(self) -> tuple[float, ...]:
        """Both numbers."""
        return (self.first, self.last)

    @abstractmethod
    def interpolation(self, fraction: float) -> float:
        """The fraction of the change after a fraction of the images; from 0 at 0 to 1 at 1."""


class Linear(Ramp):
    """A linear change, such as the decay of the learning rates of WGAN-GP and CycleGAN."""

    def interpolation(self, fraction: float) -> float:
        """``fraction``."""
        return fraction


class Cosine(Ramp):
    """A change along half a period of a cosine.

    SGDR: Stochastic Gradient Descent with Warm Restarts, https://arxiv.org/abs/1608.03983, equation 5 with one period.
    """

    def interpolation(self, fraction: float) -> float:
        """``(1 - cos(pi * fraction)) / 2``."""
        return 0.5 * (1.0 - math.cos(math.pi * fraction))


class Exponential(Ramp):
    """A change by the same factor with each image, between two numbers above 0.

    Args:
        end_images: Images at the end of the change.
        start_images: Images at the start of the change.
        first: The number until the start, above 0.
        last: The number from the end on, above 0.
        warmup_images: Images of a linear warmup from 0; 0 for none.

    Raises:
        InputError: The end is not after the start, or a number is not above 0.
    """

    def __init__(
        self, end_images: int, start_images: int = 0, first: float = 1.0, last: float = 0.01, warmup_images: int = 0
    ) -> None:
        super().__init__(end_images, start_images, first, last, warmup_images)
        if min(first, last) <= 0:
            raise InputError(f"Exponential goes between numbers above 0, not {first} and {last}: use Linear or Cosine")

    def interpolation(self, fraction: float) -> float:
        """``(ratio**fraction - 1) / (ratio - 1)`` with ``ratio = last / first``: the logarithm changes linearly."""
        ratio = self.last / self.first
        return fraction if ratio == 1 else (ratio**fraction - 1) / (ratio - 1)


def at(number: float | Schedule, images: int) -> float:
    """A number, or the value of a schedule after a number of images."""
    return number(images) if isinstance(number, Schedule) else number


class ImageSchedule(LRScheduler):
    """Schedules an optimizer's learning rate, and Adam's second beta, by the images seen.

    It is used like torch's schedulers: as ``generator_scheduler``, ``discriminator_scheduler`` or ``scheduler``. The
    module steps it after each update.

    Args:
        optimizer: The optimizer.
        learning_rate: Factor of the optimizer's initial learning rates; None for 1.
        beta2: Adam's second beta; None for the optimizer's own.

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
        """Set the optimizer's settings to the scheduled values after the images seen."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
            if self.beta2 is not None:
                group["betas"] = (group["betas"][0], self.beta2(self.images))

    def state_dict(self) -> dict[str, Any]:
        """The progress; the schedules are settings, which a resumed run may change."""
        return {"images": self.images, "last_epoch": self.last_epoch, "_last_lr": self._last_lr}

    def step_to(self, images: int) -> None:
        """Set the optimizer's settings to the scheduled values after `images` images."""
        self.images = images
        self.step()
        self.apply()


def _check_images(name: str, value: int, least: float) -> None:
    if value not in Range("", least):
        raise InputError(f"{name} must be at least {least} images, not {value}")
