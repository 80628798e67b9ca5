"""Resuming from a checkpoint: the state that Lightning does not restore, and checks that the checkpoint fits."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.checkpoint.weights import fit, size
from lightning_gen.errors import InputError
from lightning_gen.training.settings import apply_settings, as_built


class Resumption:
    """The state of the run that a module resumes.

    Attributes:
        progress: The module's state in the checkpoint, from loading to the first batch; else None.
        built: The settings with which this run's optimizers and schedulers were built; None before it begins.
    """

    def __init__(self) -> None:
        self.progress: dict[str, Any] | None = None
        self.built: dict[str, Any] | None = None
        self._schedulers: list[dict[str, Any]] = []

    def load(self, progress: dict[str, Any], schedulers: list[dict[str, Any]]) -> None:
        """Keep the module's state in a checkpoint, and the states of its schedulers."""
        self.progress = progress
        self._schedulers = copy.deepcopy(schedulers)  # torch takes parts out of what it loads

    def begin(self, optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler]) -> None:
        """Record the settings of optimizers and schedulers before their state is restored."""
        self.built = as_built(optimizers, schedulers)

    @property
    def pending(self) -> list[Any] | None:
        """The states of the processes that are not restored yet; None if there are none."""
        return None if self.progress is None else self.progress.get("processes", [])

    def own_state(self, rank: int, processes: int) -> dict[str, Any] | None:
        """The state of one process; None if the run had another number of processes."""
        states = self.pending or []
        return states[rank] if len(states) == processes else None

    def apply_settings(
        self, optimizers: Sequence[Optimizer], schedulers: Sequence[LRScheduler], images_seen: int
    ) -> None:
        """Let settings that the user has changed between the runs win; see `lightning_gen.training.settings`."""
        assert self.built is not None
        before = self.progress.get("built") if self.progress else None
        apply_settings(optimizers, schedulers, self.built, before, self._schedulers, images_seen)

    def warn_of_other_devices(self, processes: int) -> None:
        """Warn if the run had another number of processes."""
        before = len(self.pending or [])
        if before != processes:
            warnings.warn(
                f"the checkpoint is of a run on {before} devices and this one is on {processes}: the same samples "
                "follow in the same order, but random numbers start anew, so it is no longer to the bit the run that "
                "was interrupted; take as many devices as before for that",
                stacklevel=3,
            )


NAMED = 3
"""Number of tensors that a message names."""


def check_weights(module: nn.Module, stored: dict[str, Tensor], strict: bool = True) -> None:
    """Check that weights are those of a model like this one.

    Args:
        module: The model.
        stored: The weights, by the names of the model.
        strict: Whether it is an error too if tensors are missing or too many.

    Raises:
        InputError: A tensor has another shape, or tensors are missing or too many.
    """
    found = fit(module, stored)
    differ = list(found.other_shapes)
    if strict:
        own = module.state_dict()
        differ += [f"{name} (missing, here {size(own[name])})" for name in found.missing]
        differ += [f"{name} ({size(stored[name])}, here missing)" for name in found.left]
    if differ:
        more = f"; and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
        raise InputError(
            f"the checkpoint's weights do not fit this {type(module).__name__}: {'; '.join(differ[:NAMED])}{more}: "
            "leave out --config and the options of model and data, which the checkpoint has, or take only the weights "
            "that fit, with --init_from"
        )


def check_class(module: nn.Module, stored: dict[str, Any]) -> None:
    """Check that a checkpoint is of a module of the same class.

    Args:
        module: The module that resumes.
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


def check_optimizers(stored: dict[str, Any], own: dict[str, Any]) -> None:
    """Check that the state of optimizers and schedulers was written by ones of the same classes.

    Args:
        stored: The checkpoint's description of its module.
        own: The description of the module that resumes.

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


def check_groups(stored: Sequence[dict[str, Any]], optimizers: Sequence[Optimizer]) -> None:
    """Check that the state of optimizers is of as many parameters in as many groups.

    Args:
        stored: The checkpoint's states.
        optimizers: The optimizers that resume.

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
