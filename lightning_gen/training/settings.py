"""Settings of optimizers and schedulers that a user changes between two runs replace those of the first run's state."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen import private
from lightning_gen.schedules import ImageSchedule


def as_built(optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler]) -> dict[str, Any]:
    """The settings with which optimizers and schedulers were built, as plain data.

    Args:
        optimizers: Before their state is restored and before their first step.
        schedulers: Their schedulers, likewise.

    Returns:
        The options of each group of each optimizer, and the state of each scheduler by its index: that of its
        optimizer, and its own among the schedulers of that optimizer.
    """
    states: dict[str, Any] = {}
    for scheduler in schedulers:
        owner = next(i for i, optimizer in enumerate(optimizers) if optimizer is scheduler.optimizer)
        rank = sum(place.startswith(f"{owner}.") for place in states)
        states[f"{owner}.{rank}"] = scheduler.state_dict()
    groups = [[options_of(group) for group in optimizer.param_groups] for optimizer in optimizers]
    return copy.deepcopy({"groups": groups, "schedulers": states})


def options_of(group: dict[str, Any]) -> dict[str, Any]:
    """The options of a parameter group, without its parameters."""
    return {name: value for name, value in group.items() if name != "params"}


def apply_settings(
    optimizers: Sequence[Optimizer],
    schedulers: Sequence[LRScheduler],
    built: dict[str, Any],
    before: dict[str, Any] | None,
    moved: Sequence[dict[str, Any]],
    images_seen: int,
) -> None:
    """Let settings that the user has changed between two runs replace those of the first run's state.

    Both runs record the settings with which their optimizers and schedulers are built. An option of a group, or a
    number of a scheduler, that is the same in both keeps its value in the first run's state, to the bit; one that
    differs takes its new value. So each group keeps its own options, and schedulers continue. A learning rate that a
    scheduler has changed is scaled by the ratio of the new initial rate to the old one; if the user has added or
    removed the scheduler, it is that of the new optimizer. If the first run has recorded nothing, as in earlier
    versions, its settings are inferred from its state, and schedulers stay unchanged.

    Moments get the memory layout of their weights: torch's fused optimizers traverse both in the order of memory and
    ignore strides.

    Args:
        optimizers: After their state was restored.
        schedulers: Their schedulers, likewise.
        built: Their settings, from `as_built`.
        before: The settings of the first run; None if it has not recorded them.
        moved: States of the first run's schedulers, in their order.
        images_seen: Training images that the first run has seen; an added schedule begins there.
    """
    before = unrecorded(built, optimizers, moved) if before is None else before
    for optimizer, groups, stored in zip(optimizers, built["groups"], before["groups"], strict=True):
        for weight, moments in optimizer.state.items():
            moments |= {name: laid_out_as(weight, moment) for name, moment in moments.items()}
        for group, now, then in zip(optimizer.param_groups, groups, stored, strict=True):
            options = options_of(group)
            kept = merged(then, now, options) | {"lr": resumed_rate(then, now, options["lr"])}
            for name in options.keys() - kept.keys():
                del group[name]
            group |= kept
    states = dict(zip(before["schedulers"], moved, strict=False))
    for scheduler, (place, now) in zip(schedulers, built["schedulers"].items(), strict=True):
        then = before["schedulers"].get(place)
        state = now if then is None else merged(then, now, states[place])
        scheduler.load_state_dict(copy.deepcopy(state))
        if then != now:
            private.set_latest_rates(scheduler)
        if isinstance(scheduler, ImageSchedule):
            scheduler.images = scheduler.images if then is not None and "images" in then else images_seen
            scheduler.apply()


ABSENT = object()
"""Marks a missing value."""


def merged(then: Any, now: Any, moved: Any) -> Any:
    """The moved value of settings that are the same in both runs; the new value of all others.

    Dicts are merged name by name, and lists and tuples of equal lengths element by element.
    """
    kind = type(moved)
    if kind is type(now) is type(then) is dict:
        each = {
            name: merged(*(side.get(name, ABSENT) for side in (then, now, moved))) for name in {**moved, **now, **then}
        }
        return {name: value for name, value in each.items() if value is not ABSENT}
    if kind in (list, tuple) and kind is type(now) is type(then) and len(then) == len(now) == len(moved):
        return kind(merged(*each) for each in zip(then, now, moved, strict=True))
    return moved if then == now else now


def resumed_rate(then: dict[str, Any], now: dict[str, Any], moved: Any) -> Any:
    """The learning rate of a group whose options may have changed, and whose rate a scheduler may have moved."""
    if ("initial_lr" in then) != ("initial_lr" in now):
        return now["lr"]
    old, new = (options.get("initial_lr", options["lr"]) for options in (then, now))
    if old == new:
        return moved
    return moved * (new / old) if old and moved != old else new


def unrecorded(
    built: dict[str, Any], optimizers: Sequence[Optimizer], moved: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The result of `as_built` for a run that has not recorded it, as far as its state tells."""
    groups = [
        [unmoved_options(now, options_of(group)) for now, group in zip(each, optimizer.param_groups, strict=True)]
        for each, optimizer in zip(built["groups"], optimizers, strict=True)
    ]
    pairs = zip(built["schedulers"].items(), moved, strict=False)
    return {"groups": groups, "schedulers": {place: unmoved_state(now, state) for (place, now), state in pairs}}


def unmoved_options(now: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    """The options with which a group was probably built: those that cycle with the rate as now, others as stored.

    A learning rate that was moved has its initial value beside it.
    """
    cycled = ("betas", "momentum") if "max_momentum" in moved else ()
    return moved | {name: now[name] for name in cycled if name in now}


def unmoved_state(now: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    """The state with which a scheduler was probably built: as now, but for its learning rates."""
    rates = {"base_lrs": moved["base_lrs"]} if "base_lrs" in now and "base_lrs" in moved else {}
    inner = {}
    several = private.INNER_SCHEDULERS
    if several in now and several in moved:
        inner = {several: [unmoved_state(*pair) for pair in zip(now[several], moved[several], strict=False)]}
    return now | rates | inner


def laid_out_as(weight: Tensor, moment: Any) -> Any:
    """A moment of a weight in the weight's memory layout; anything else unchanged."""
    if not isinstance(moment, Tensor) or moment.shape != weight.shape or moment.stride() == weight.stride():
        return moment
    return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
