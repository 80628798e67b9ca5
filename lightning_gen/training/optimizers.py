"""Optimizers and learning-rate schedulers: how they are made, checked and stepped."""

from collections.abc import Iterable, Iterator
from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.ranges import FINITE, FROM_0
from lightning_gen.schedules import ImageSchedule

SCHEDULER_REMEDY = (
    "give it other numbers; one that needs the length of the run counts updates, one for each batch, such as "
    "total_steps: 1000"
)


def make_optimizer(
    make: OptimizerCallable, parameters: Iterable[nn.Parameter], name: str = "the optimizer"
) -> Optimizer:
    """Make an optimizer, with a fused update where it has one and the user has not chosen.

    Gradients of float16 are unscaled before its step, not in it: clipping, norms and the check that all is finite come
    between.

    Args:
        make: Makes it from the parameters.
        parameters: What it trains.
        name: What it is called in messages.

    Raises:
        InputError: One of its numbers is out of range.
    """
    try:
        optimizer = make(parameters)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{name} cannot be made ({error}): give it other settings") from error
    check_options(optimizer, name)
    fuse(optimizer)
    private.unscale_before_step(optimizer)
    return optimizer


def make_scheduler(make: LRSchedulerCallable, optimizer: Optimizer) -> LRScheduler:
    """Make a learning-rate scheduler.

    Raises:
        InputError: It waits for a metric, which is not known after each update, it holds an `ImageSchedule`, or one of
            its numbers is out of range.
    """
    try:
        scheduler = make(optimizer)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"the learning-rate scheduler cannot be made ({error}): {SCHEDULER_REMEDY}") from error
    check_options(optimizer, type(scheduler).__name__)
    if isinstance(scheduler, ReduceLROnPlateau):
        raise InputError(
            "ReduceLROnPlateau waits for a validation metric and schedulers are stepped after each update: use one "
            "that counts images, lightning_gen.schedules.ImageSchedule"
        )
    inner = private.inner_schedulers(scheduler)
    for each in inner:
        inner += private.inner_schedulers(each)
        if isinstance(each, ImageSchedule):
            raise InputError(
                f"an ImageSchedule inside {type(scheduler).__name__} never learns how many images were seen: give "
                "one ImageSchedule alone; its Linear and Cosine have warmup_images, start_images and end_images"
            )
    return scheduler


def step_scheduler(scheduler: LRScheduler, images_seen: int) -> None:
    """Step a scheduler after an update: one that counts images learns how many were seen, any other counts the update.

    Raises:
        InputError: It cannot go on, such as one that was made for fewer updates.
    """
    if isinstance(scheduler, ImageSchedule):
        scheduler.step_to(images_seen)
        return
    try:
        scheduler.step()
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"{type(scheduler).__name__} cannot go on after {images_seen:,} images ({error}): give it other numbers, "
            "and go on from the last checkpoint"
        ) from error


def fuse(optimizer: Optimizer) -> None:
    """Let an optimizer update all weights in one kernel, where it can and the user has not chosen how.

    Args:
        optimizer: Before its first step.
    """
    chosen = any(optimizer.defaults.get(name) for name in ("foreach", "capturable", "differentiable"))
    if chosen or optimizer.defaults.get("fused", False) is not None:
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if any(weight.device.type not in ("cpu", "cuda") or not weight.is_floating_point() for weight in weights):
        return
    for settings in (optimizer.defaults, *optimizer.param_groups):
        settings["fused"] = True


def check_options(optimizer: Optimizer, owner: str) -> None:
    """Check the numbers of all groups of an optimizer, of which torch checks most but not all.

    Args:
        optimizer: The optimizer.
        owner: What they are called in a refusal.

    Raises:
        InputError: A number is not finite, or a learning rate is negative.
    """
    for group in optimizer.param_groups:
        for name, value in numbers(group):
            allowed = FROM_0 if name == "lr" else FINITE
            if value not in allowed:
                raise InputError(f"{owner} cannot have {name} {value}: give a number {allowed.words}")


def numbers(group: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a group by name, those of pairs too."""
    for name, value in group.items():
        for each in value if isinstance(value, (tuple, list)) and name != "params" else [value]:
            if isinstance(each, float):
                yield name, each
