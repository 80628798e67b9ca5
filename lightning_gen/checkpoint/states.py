"""States of callbacks, data and optimizers, carried in checkpoints as data that is read without running code.

A state may hold what is no plain data but is as good as plain: a number of numpy's, a path, a time. A number is written
as one of Python's. What is of another class is written as a record of plain data, and given back as it was.
"""

import datetime
import io
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen.checkpoint.descriptions import Described
from lightning_gen.checkpoint.rebuilding import planned
from lightning_gen.errors import InputError

CARRIED = "lightning_gen.carried"
"""The key of a record that stands for a value of another class."""
CLASSES = (bool, int, float, complex, str, bytes, type(None), Tensor, torch.Size, torch.dtype, torch.device)
"""Classes of values that are read as they are."""


class Uncarried(Exception):
    """A value that no checkpoint holds; the text says where and what it is."""


@dataclass(frozen=True)
class Carrier:
    """How values of a class are written as plain data.

    Attributes:
        kind: The class.
        write: Makes plain data of a value.
        read: Makes the value anew.
    """

    kind: type
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def parts_of(span: datetime.timedelta) -> list[int]:
    """A span of time in whole numbers."""
    return [span.days, span.seconds, span.microseconds]


CARRIERS = {
    "path": Carrier(PurePath, str, Path),
    "span": Carrier(datetime.timedelta, parts_of, lambda parts: datetime.timedelta(*parts)),
    "time": Carrier(datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "array": Carrier(np.ndarray, lambda array: torch.from_numpy(np.array(array, order="C")), Tensor.numpy),
}
"""By the names that stand in checkpoints."""


def carried(value: Any, place: str = "") -> Any:
    """A state as plain data; plain data is left as it is.

    Raises:
        Uncarried: It holds something else.
    """
    if type(value) in CLASSES:
        return value
    if type(value) in (dict, OrderedDict):
        return type(value)((carried(key, place), carried(item, f"{place}[{key!r}]")) for key, item in value.items())
    if type(value) in (list, tuple, set):
        return type(value)(carried(item, place) for item in value)
    if isinstance(value, np.generic) and type(value.item()) in CLASSES:
        return value.item()
    for name, carrier in CARRIERS.items():
        if isinstance(value, carrier.kind):
            try:
                return {CARRIED: name, "value": carrier.write(value)}
            except TypeError:  # an array of objects
                break
    if not readable(value):
        raise Uncarried(f"{place} is of the class {type(value).__module__}.{type(value).__qualname__}")
    return value


def readable(value: Any) -> bool:
    """Whether a value comes back from a file that is read as data."""
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception:  # classes may refuse to be written in any way
        return False
    return True


def given_back(value: Any) -> Any:
    """A state as it was before `carried`."""
    if type(value) is dict and CARRIED in value:
        try:
            return CARRIERS[value[CARRIED]].read(value["value"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(
                f"the checkpoint has {value!r:.80} in a state, which stands for nothing: use another one"
            ) from None
    if type(value) in (dict, OrderedDict):
        return type(value)((key, given_back(item)) for key, item in value.items())
    return type(value)(map(given_back, value)) if type(value) in (list, tuple, set) else value


def carry(checkpoint: dict[str, Any]) -> None:
    """Turn all that a checkpoint holds into plain data; a state that cannot be is left out with a warning.

    A run is not stopped for it here, when it has trained already: `check_states` does that at the start.
    """
    for owner, name in list(places(checkpoint)):
        try:
            owner[name] = carried(owner[name], str(name))
        except Uncarried as reason:
            del owner[name]
            rank_zero_warn(f"{name} is not kept in checkpoints: {reason}, which is no plain data")


def uncarry(checkpoint: dict[str, Any]) -> None:
    """Put back what `carry` has turned into plain data."""
    for owner, name in list(places(checkpoint)):
        owner[name] = given_back(owner[name])


def places(checkpoint: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where states are: each callback's by itself, and all but the weights besides."""
    for name in checkpoint.get("callbacks") or {}:
        yield checkpoint["callbacks"], name
    for name in checkpoint:
        if name not in ("callbacks", "state_dict"):
            yield checkpoint, name


def state_of(owner: Any) -> Any:
    """The state of a callback or of data before training; None of one that has none yet."""
    try:
        return owner.state_dict()
    except Exception:  # it may need what comes with the first batch
        return None


def check_states(trainer: pl.Trainer) -> None:
    """Check before training that the checkpoints of a run will be read again.

    Raises:
        InputError: The description of the module or of the data, or a state, cannot be carried.
    """
    if not trainer.checkpoint_callbacks:
        return
    data = trainer.datamodule  # type: ignore[attr-defined]
    for part in (trainer.lightning_module, data):
        if isinstance(part, Described):
            planned(type(part), dict(part.hparams), "the checkpoint of this run", admits=lambda kind: True)
    owners = [*trainer.callbacks, *([] if data is None else [data])]  # type: ignore[attr-defined]
    for owner in owners:
        try:
            carried(state_of(owner))
        except Uncarried as reason:
            raise InputError(
                f"the state of {type(owner).__name__} cannot be kept in a checkpoint, its {reason}: let its state_dict "
                "give plain numbers, texts and tensors"
            ) from None
