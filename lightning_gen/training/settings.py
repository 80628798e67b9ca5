"""Settings of optimizers and schedulers that a user changes between two runs: they win over the state of the first."""

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
    """What optimizers and schedulers were built with, as plain data.

    Args:
        optimizers: Before their state is put back and before their first step.
        schedulers: Theirs, likewise.

    Returns:
        The options of each group of each optimizer, and the state of each scheduler by its place: the number of its
        optimizer, and its own among that one's.
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
    """Let what the user has changed between two runs win over the state that came from the first.

    Both runs note what their optimizers and schedulers are built with. An option of a group, or a number of a
    scheduler, that was built the same in both stays where the first run has moved it, to the bit; one that was not is
    as it was built now. So a group keeps options of its own, and what a scheduler moves stays on its way. A rate that a
    scheduler has moved is scaled by the ratio of the new initial rate to the old one; where the user has added the
    scheduler, or taken it away, it is that of the new optimizer. Where the first run has noted nothing, as in versions
    before this one, what it was built with is read off its state, and a scheduler stays as it was.

    Moments are laid out in memory as the weights are: torch's fused optimizers go through both in the order of memory,
    without a look at the strides.

    Args:
        optimizers: After their state was put back.
        schedulers: Theirs, likewise.
        built: What they were built with, by `as_built`.
        before: What those of the first run were built with; None where it has not noted it.
        moved: States of the first run's schedulers, in their order.
        images_seen: Training images that the first run has seen, where a schedule that was added begins.
    """
    before = unrecorded(built, optimizers, moved) if before is None else before
    for optimizer, groups, stored in zip(optimizers, built["groups"], before["groups"], strict=True):
        for weight, moments in optimizer.state.items():
            moments |= {name: laid_out_as(weight, moment) for name, moment in moments.items()}
        for group, now, then in zip(optimizer.param_groups, groups, stored, strict=True):
            options = options_of(group)
            settled = merged(then, now, options) | {"lr": settled_rate(then, now, options["lr"])}
            for name in options.keys() - settled.keys():
                del group[name]
            group |= settled
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
"""What stands where there is nothing."""


def merged(then: Any, now: Any, moved: Any) -> Any:
    """What was built the same as before stays where it was moved; anything else is as it is now.

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


def settled_rate(then: dict[str, Any], now: dict[str, Any], moved: Any) -> Any:
    """The learning rate of a group that was built with other options before, and has been moved since."""
    if ("initial_lr" in then) != ("initial_lr" in now):
        return now["lr"]
    old, new = (options.get("initial_lr", options["lr"]) for options in (then, now))
    if old == new:
        return moved
    return moved * (new / old) if old and moved != old else new


def unrecorded(
    built: dict[str, Any], optimizers: Sequence[Optimizer], moved: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What `as_built` would have given of a run that has not noted it, as far as its state tells."""
    groups = [
        [unmoved_options(now, options_of(group)) for now, group in zip(each, optimizer.param_groups, strict=True)]
        for each, optimizer in zip(built["groups"], optimizers, strict=True)
    ]
    pairs = zip(built["schedulers"].items(), moved, strict=False)
    return {"groups": groups, "schedulers": {place: unmoved_state(now, state) for (place, now), state in pairs}}


def unmoved_options(now: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    """What a group may have been built with, by its state: what cycles with a learning rate as now, the rest as it is.

    A learning rate that was moved has its initial value beside it.
    """
    cycled = ("betas", "momentum") if "max_momentum" in moved else ()
    return moved | {name: now[name] for name in cycled if name in now}


def unmoved_state(now: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    """What a scheduler may have been built with, by its state: as now, but for its learning rates."""
    rates = {"base_lrs": moved["base_lrs"]} if "base_lrs" in now and "base_lrs" in moved else {}
    inner = {}
    several = private.INNER_SCHEDULERS
    if several in now and several in moved:
        inner = {several: [unmoved_state(*pair) for pair in zip(now[several], moved[several], strict=False)]}
    return now | rates | inner


def laid_out_as(weight: Tensor, moment: Any) -> Any:
    """What an optimizer keeps of a weight, in the weight's order of memory; anything else as it is."""
    if not isinstance(moment, Tensor) or moment.shape != weight.shape or moment.stride() == weight.stride():
        return moment
    return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
