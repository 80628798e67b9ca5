"""What a resumed run needs beyond what Lightning puts back: random state, and settings that the user has changed."""

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
    """Check that the state of the optimizers was written by optimizers of the same classes.

    Args:
        stored: The checkpoint's description of its module.
        own: The description of the module that goes on.

    Raises:
        InputError: An optimizer is of another class.
    """
    for name, described in own.items():
        before = stored.get(name)
        if name.endswith("optimizer") and isinstance(described, dict) and isinstance(before, dict):
            old, new = before["class_path"].rsplit(".")[-1], described["class_path"].rsplit(".")[-1]
            if old != new:
                raise InputError(
                    f"the checkpoint holds the state of {old} and --model.{name} is {new}: keep the class and change "
                    "its numbers, or start a new run"
                )


def apply_settings(optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler]) -> None:
    """Let the settings of this run win over those that came with the state of the optimizers and schedulers.

    Unchanged settings are left at the same bits. A learning rate that a scheduler has moved keeps its place on the
    way: it is scaled by the ratio of the new initial rate to the old one. Moments are laid out in memory as the weights
    are: torch's fused optimizers go through both in the order of memory, without a look at the strides.

    Args:
        optimizers: After their state was put back.
        schedulers: Theirs, likewise.
    """
    for optimizer in optimizers:
        for weight, moments in optimizer.state.items():
            moments |= {name: laid_out_as(weight, moment) for name, moment in moments.items()}
        for group in optimizer.param_groups:
            group |= {key: value for key, value in optimizer.defaults.items() if key != "lr" and key in group}
            new, old = optimizer.defaults["lr"], group.get("initial_lr", group["lr"])
            if new != old:
                group["lr"] = group["lr"] * (new / old) if old else new
                if "initial_lr" in group:
                    group["initial_lr"] = new
    for scheduler in schedulers:
        scheduler.base_lrs = [group["initial_lr"] for group in scheduler.optimizer.param_groups]
        if isinstance(scheduler, ImageSchedule):
            scheduler.apply()


def laid_out_as(weight: Tensor, moment: Any) -> Any:
    """What an optimizer keeps of a weight, in the weight's order of memory; anything else as it is."""
    if not isinstance(moment, Tensor) or moment.shape != weight.shape or moment.stride() == weight.stride():
        return moment
    return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)
