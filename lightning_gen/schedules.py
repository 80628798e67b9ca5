"""Learning-rate schedules in images, so that they do not depend on the batch size, on the number of discriminator
updates or on the number of devices.
"""

import math
from abc import abstractmethod
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.errors import InputError


class ImageSchedule(LRScheduler):
    """Base of the schedules: the learning rate is its initial value times `factor` of the images seen.

    Used like any scheduler of torch's: give the class as ``generator_scheduler``, ``discriminator_scheduler`` or
    ``scheduler``; the module moves it on after each update.

    Args:
        optimizer: The optimizer whose learning rates are set.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.images = 0
        super().__init__(optimizer)

    @abstractmethod
    def factor(self, images: int) -> float:
        """What the initial learning rate is multiplied by after so many images."""

    def get_lr(self) -> list[float | Any]:
        """The learning rate of each parameter group."""
        return [base * self.factor(self.images) for base in self.base_lrs]

    def apply(self) -> None:
        """Set the learning rates to those after the images seen."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """How far it is; its shape is a setting, which a resumed run may change."""
        return {"images": self.images, "last_epoch": self.last_epoch, "_last_lr": self._last_lr}

    def step_to(self, images: int) -> None:
        """Set the learning rates to those after `images` images."""
        self.images = images
        self.step()


def _check_images(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"{name} must be at least {least} images, not {value}")


class Warmup(ImageSchedule):
    """Rises linearly from 0 to 1 over the first `warmup_images`, then stays.

    Args:
        optimizer: The optimizer.
        warmup_images: Length of the rise in images.
    """

    def __init__(self, optimizer: Optimizer, warmup_images: int) -> None:
        _check_images("warmup_images", warmup_images, 1)
        self.warmup_images = warmup_images
        super().__init__(optimizer)

    def factor(self, images: int) -> float:
        """``min(1, images / warmup_images)``; the very first update has a rate above zero."""
        return min(1.0, max(1, images) / self.warmup_images)


class LinearDecay(ImageSchedule):
    """Falls linearly from 1 to `final` between `start_images` and `end_images`, as WGAN-GP and CycleGAN do.

    Args:
        optimizer: The optimizer.
        end_images: Where the fall ends, in images.
        start_images: Where it begins, in images.
        final: Factor at and after the end, 0 or more.
    """

    def __init__(self, optimizer: Optimizer, end_images: int, start_images: int = 0, final: float = 0.0) -> None:
        _check_images("end_images", end_images, start_images + 1)
        self.end_images = end_images
        self.start_images = start_images
        self.final = final
        super().__init__(optimizer)

    def factor(self, images: int) -> float:
        """Linear between the two ends."""
        done = (images - self.start_images) / (self.end_images - self.start_images)
        return 1.0 + (self.final - 1.0) * min(1.0, max(0.0, done))


class CosineDecay(ImageSchedule):
    """Rises linearly over `warmup_images`, then falls from 1 to `final` along half a cosine until `end_images`.

    SGDR: Stochastic Gradient Descent with Warm Restarts, equation 5 with one period (https://arxiv.org/abs/1608.03983).

    Args:
        optimizer: The optimizer.
        end_images: Where the fall ends, in images.
        warmup_images: Length of the rise in images; 0 for none.
        final: Factor at and after the end, 0 or more.
    """

    def __init__(self, optimizer: Optimizer, end_images: int, warmup_images: int = 0, final: float = 0.0) -> None:
        _check_images("end_images", end_images, warmup_images + 1)
        self.end_images = end_images
        self.warmup_images = warmup_images
        self.final = final
        super().__init__(optimizer)

    def factor(self, images: int) -> float:
        """Warm-up, then half a cosine."""
        if images < self.warmup_images:
            return max(1, images) / self.warmup_images
        done = min(1.0, (images - self.warmup_images) / (self.end_images - self.warmup_images))
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * done))
