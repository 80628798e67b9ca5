"""What a resumed run needs beyond what Lightning puts back: random state, and settings that the user has changed."""

import copy
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.errors import InputError
from lightning_gen.schedules import ImageSchedule


def random_state(rng: torch.Generator) -> dict[str, Any]:
    """The state of all random numbers of this process, as plain data.

    Args:
        rng: The module's own generator; its device's global state is kept as well.
    """
    kind, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    state = {
        "rng": rng.get_state(),
        "torch": torch.get_rng_state(),
        "numpy": [str(kind), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "python": [version, list(internal), gauss],
    }
    return state | ({"cuda": torch.cuda.get_rng_state(rng.device)} if rng.device.type == "cuda" else {})


def set_random_state(rng: torch.Generator, state: dict[str, Any]) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(state["torch"].cpu())
    np.random.set_state(tuple(state["numpy"]))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if rng.device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), rng.device)
    if state["rng"].numel() == rng.get_state().numel():  # another device type has another kind of state
        rng.set_state(state["rng"].cpu())


def another_number(before: int, now: int) -> str:
    """What a run that goes on with another number of processes is told."""
    return (
        f"the checkpoint is of a run on {before} devices and this one is on {now}: the same samples follow in the same "
        "order, but random numbers start anew, so it is no longer to the bit the run that was interrupted; take "
        "as many devices as before for that"
    )


NAMED = 3
"""Tensors that a message names."""


def check_weights(module: nn.Module, stored: dict[str, Tensor]) -> None:
    """Check that weights are those of a model like this one.

    Raises:
        InputError: Tensors are missing, too many, or of another shape.
    """
    own = module.state_dict()
    shapes = {name: (size(stored, name), size(own, name)) for name in {**own, **stored}}
    differ = [f"{name}: {theirs}, here {ours}" for name, (theirs, ours) in shapes.items() if theirs != ours]
    if differ:
        more = f"; and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
        raise InputError(
            f"the checkpoint's weights do not fit this {type(module).__name__} ({'; '.join(differ[:NAMED])}{more}): "
            "take the model and the size of the data from the checkpoint's own run, its config.yaml"
        )


def check_class(module: nn.Module, stored: dict[str, Any]) -> None:
    """Check that a checkpoint is of a module of the same class.

    Args:
        module: The module that goes on.
        stored: The checkpoint's description of its module.

    Raises:
        InputError: It is of another.
    """
    ours, theirs = type(module).__name__, str(stored.get("_class_path", type(module).__name__)).rsplit(".")[-1]
    if ours != theirs:
        raise InputError(
            f"the checkpoint is of a run of {theirs} and this is {ours}: leave out --config to go on with that run as "
            "it is, or give the new run a name of its own with --name"
        )


def size(tensors: dict[str, Tensor], name: str) -> str:
    """A tensor's shape, as 64 x 3 x 4 x 4."""
    return (" x ".join(map(str, tensors[name].shape)) or "a number") if name in tensors else "missing"


def check_optimizers(stored: dict[str, Any], own: dict[str, Any]) -> None:
    """Check that the state of optimizers and schedulers was written by ones of the same classes.

    Args:
        stored: The checkpoint's description of its module.
        own: The description of the module that goes on.

    Raises:
        InputError: One is of another class.
    """
    for name, described in own.items():
        before = stored.get(name)
        if name.endswith(("optimizer", "scheduler")) and isinstance(described, dict) and isinstance(before, dict):
            old, new = before["class_path"].rsplit(".")[-1], described["class_path"].rsplit(".")[-1]
            if old != new:
                raise InputError(
                    f"the checkpoint holds the state of {old} and --model.{name} is {new}: keep the class and change "
                    "its numbers, or start a new run"
                )


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


def check_groups(stored: Sequence[dict[str, Any]], optimizers: Sequence[Optimizer]) -> None:
    """Check that the state of optimizers is of as many parameters in as many groups.

    Args:
        stored: The checkpoint's states.
        optimizers: Those that go on.

    Raises:
        InputError: It is not.
    """
    before = [[len(group["params"]) for group in state["param_groups"]] for state in stored]
    now = [[len(group["params"]) for group in optimizer.param_groups] for optimizer in optimizers]
    if before != now:
        raise InputError(
            f"the checkpoint's optimizers have groups of {before} parameters and these have {now}: build the groups "
            "as before, or start a new run"
        )


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
            scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]
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
    if "_schedulers" in now and "_schedulers" in moved:
        pairs = zip(now["_schedulers"], moved["_schedulers"], strict=False)
        inner = {"_schedulers": [unmoved_state(*pair) for pair in pairs]}
    return now | rates | inner


def laid_out_as(weight: Tensor, moment: Any) -> Any:
    """What an optimizer keeps of a weight, in the weight's order of memory; anything else as it is."""
    if not isinstance(moment, Tensor) or moment.shape != weight.shape or moment.stride() == weight.stride():
        return moment
    return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
