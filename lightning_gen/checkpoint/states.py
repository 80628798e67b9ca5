"""States of callbacks, data and optimizers in checkpoints: plain data, which is read without running code.

A state may also hold numpy scalars and arrays, paths, times and time spans. Scalars are written as Python numbers; the
others are written as records of plain data, and restored with their class.
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
"""The key of a record for a value of another class."""
CLASSES = (bool, int, float, complex, str, bytes, type(None), Tensor, torch.Size, torch.dtype, torch.device)
"""Classes of values that need no conversion."""


class Unserializable(Exception):
    """A value cannot be stored in checkpoints; the text gives its position and its class."""


@dataclass(frozen=True)
class Converter:
    """Converts values of a class to plain data and back.

    Attributes:
        kind: The class.
        write: Converts a value to plain data.
        read: Converts plain data to a value.
    """

    kind: type
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def parts_of(span: datetime.timedelta) -> list[int]:
    """A time span as whole numbers."""
    return [span.days, span.seconds, span.microseconds]


CONVERTERS = {
    "path": Converter(PurePath, str, Path),
    "span": Converter(datetime.timedelta, parts_of, lambda parts: datetime.timedelta(*parts)),
    "time": Converter(datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "array": Converter(np.ndarray, lambda array: torch.from_numpy(np.array(array, order="C")), Tensor.numpy),
}
"""Converters by their names in checkpoints."""


def serialized(value: Any, place: str = "") -> Any:
    """A state as plain data; plain data does not change.

    Raises:
        Unserializable: It holds a value that cannot be converted.
    """
    if type(value) in CLASSES:
        return value
    if type(value) in (dict, OrderedDict):
        items = value.items()
        return type(value)((serialized(key, place), serialized(item, f"{place}[{key!r}]")) for key, item in items)
    if type(value) in (list, tuple, set):
        return type(value)(serialized(item, place) for item in value)
    if isinstance(value, np.generic) and type(value.item()) in CLASSES:
        return value.item()
    for name, converter in CONVERTERS.items():
        if isinstance(value, converter.kind):
            try:
                return {CARRIED: name, "value": converter.write(value)}
            except TypeError:  # an array of objects
                break
    if not readable(value):
        raise Unserializable(f"{place} is of the class {type(value).__module__}.{type(value).__qualname__}")
    return value


def readable(value: Any) -> bool:
    """Whether torch can write a value, and read it as data."""
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception:  # a class may raise any error when it is written
        return False
    return True


def deserialized(value: Any) -> Any:
    """The inverse of `serialized`."""
    if type(value) is dict and CARRIED in value:
        try:
            return CONVERTERS[value[CARRIED]].read(value["value"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"the checkpoint has {value!r:.80} in a state, which is invalid: use another") from None
    if type(value) in (dict, OrderedDict):
        return type(value)((key, deserialized(item)) for key, item in value.items())
    return type(value)(map(deserialized, value)) if type(value) in (list, tuple, set) else value


def serialize_states(checkpoint: dict[str, Any]) -> None:
    """Convert all states in a checkpoint to plain data; one that cannot be converted is left out with a warning.

    This does not stop a run that has already trained: `check_states` does so before training.
    """
    for owner, name in list(states(checkpoint)):
        try:
            owner[name] = serialized(owner[name], str(name))
        except Unserializable as reason:
            del owner[name]
            rank_zero_warn(f"{name} is not kept in checkpoints: {reason}, which is not plain data")


def deserialize_states(checkpoint: dict[str, Any]) -> None:
    """Undo `serialize_states`."""
    for owner, name in list(states(checkpoint)):
        owner[name] = deserialized(owner[name])


def states(checkpoint: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each state's dict and key: the states of callbacks, and all other entries but the weights."""
    for name in checkpoint.get("callbacks") or {}:
        yield checkpoint["callbacks"], name
    for name in checkpoint:
        if name not in ("callbacks", "state_dict"):
            yield checkpoint, name


def state_of(owner: Any) -> Any:
    """The state of a callback or of data before training; None if it has none yet."""
    try:
        return owner.state_dict()
    except Exception:  # it may exist only after the first batch
        return None


def check_states(trainer: pl.Trainer) -> None:
    """Check before training that the checkpoints of a run can be read again.

    Raises:
        InputError: The description of the module or of the data, or a state, is not plain data.
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
            serialized(state_of(owner))
        except Unserializable as reason:
            raise InputError(
                f"the state of {type(owner).__name__} cannot be kept in a checkpoint, its {reason}: let its state_dict "
                "return plain numbers, texts and tensors"
            ) from None
