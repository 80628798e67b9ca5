"""Descriptions of parts as plain data: their class and their constructor's arguments, read from the parts."""

import dataclasses
import enum
import functools
import inspect
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from lightning.fabric.utilities.data import AttributeDict
from torch import nn

from lightning_gen import private
from lightning_gen.recording import ABSENT, WORDS, Recorded, recorded
from lightning_gen.reflection import argument_names, class_path, var_keyword, var_positional

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
WRITTEN_IN_PYTHON = 1 << 9  # the flag of classes that a class statement created
PLAIN = (bool, int, float, str, type(None))


class Undescribable(Exception):
    """A value that cannot be written as plain data."""


def arguments(part: object) -> dict[str, Any]:
    """The constructor arguments of a part, read from its attributes and written as plain data.

    Raises:
        Undescribable: An argument has no name, is neither an attribute nor recorded, or is not plain.
    """
    kind = type(part)
    try:
        names = argument_names(kind)
        own_constructor = kind.__init__ is not nn.Module.__init__  # that one is declared with *args and takes none
        unnamed = var_positional(kind) if own_constructor else None
    except ValueError:
        names, unnamed = None, None
    if names is None or not kind.__flags__ & WRITTEN_IN_PYTHON:
        raise Undescribable(f"{kind.__name__} does not declare its arguments")
    if unnamed is not None:
        raise Undescribable(f"{kind.__name__} takes arguments without names")
    return {name: described_argument(part, name) for name in names}


def described_argument(part: object, name: str) -> Any:
    """One constructor argument of a part, as plain data: the attribute of its name, else what was recorded.

    A number or a text is the recorded one where the attribute was another from the start.

    Raises:
        Undescribable: It is not plain, or it is neither an attribute nor recorded.
    """
    given = recorded(part).get(name, ABSENT)
    if type(given) in WORDS:
        return given
    if given is not ABSENT and not hasattr(part, name):
        return describe(given)
    if not hasattr(part, name):
        raise Undescribable(f"{type(part).__name__} does not keep its argument '{name}' as an attribute")
    try:
        return describe(getattr(part, name))
    except Undescribable:
        if given is ABSENT:
            raise
    return describe(given)


def others(part: object) -> dict[str, Any]:
    """The ``**kwargs`` of a part's constructor as plain data: a dict that is an attribute of that name, or recorded.

    Raises:
        Undescribable: They are neither an attribute nor recorded, or one is not plain.
    """
    kind = type(part)
    name = var_keyword(kind) if kind.__init__ is not nn.Module.__init__ else None
    forwarded = name is not None and set(argument_names(kind)) - set(inspect.signature(kind).parameters)
    if name is None or forwarded:  # forwarded arguments are attributes of their own
        return {}
    given = recorded(part).get(name, getattr(part, name, None))
    if not isinstance(given, dict):
        raise Undescribable(f"{kind.__name__} does not keep its arguments '**{name}' as an attribute")
    return describe(given)


def describe(value: Any) -> Any:
    """Convert a constructor argument to plain data that YAML and the command line understand.

    Args:
        value: A plain value, a numpy scalar, a member of an enumeration, a list, tuple or dict of values, a dataclass,
            a part (any object whose constructor arguments are its attributes), or a ``functools.partial`` of a class,
            such as an optimizer's.

    Raises:
        Undescribable: The value is something else.
    """
    value = private.uncompiled(value)
    if type(value) in PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, PLAIN):  # a user's class that is derived from a number or text
        return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, (dict, nn.ModuleDict)):
        return {str(key): describe(item) for key, item in value.items()}
    if is_record(value):
        return {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, functools.partial):
        # jsonargparse wraps the class as the last positional argument of its own instantiator
        kind = value.args[-1] if value.args else value.func
        if isinstance(kind, type):
            return {"class_path": class_path(kind), "init_args": describe(value.keywords)}
    if isinstance(value, type) or inspect.isroutine(value) or "<locals>" in type(value).__qualname__:
        raise Undescribable(f"{value!r} cannot be written into a checkpoint: give a functools.partial of a class")
    described = {"class_path": class_path(type(value)), "init_args": arguments(value)}
    return described | ({"dict_kwargs": more} if (more := others(value)) else {})


def is_record(value: Any) -> bool:
    """Whether a value is a dataclass without other base classes; with others it is a part, described by its class."""
    return not isinstance(value, type) and all(map(dataclasses.is_dataclass, type(value).__mro__[:-1]))


def plain(value: Any) -> Any:
    """Return a number or text.

    Raises:
        Undescribable: It is something else, such as a date.
    """
    if type(value) not in PLAIN:
        raise Undescribable(f"{value!r} cannot be written into a checkpoint: give a plain number or text")
    return value


def foreign_modules(described: Any) -> list[str]:
    """The modules of the classes in a description that are neither in this package nor in torch."""
    if isinstance(described, dict):
        paths = [described[key] for key in ("class_path", "_class_path") if isinstance(described.get(key), str)]
        own = [path.rpartition(".")[0] for path in paths if path.split(".")[0] not in ("lightning_gen", "torch")]
        return sorted({*own, *(name for value in described.values() for name in foreign_modules(value))})
    return sorted({name for item in described for name in foreign_modules(item)}) if isinstance(described, list) else []


def loading(kind: type, names: Iterable[str]) -> str:
    """How to load a checkpoint that could not keep some arguments, as the end of a sentence."""
    given = ", ".join(f"{name}=..." for name in names)
    again = f"give it again when loading, {kind.__name__}.load_from_checkpoint(path, {given})"
    return f"{again}, or let it be a class of yours"


class Described(Recorded):
    """Gives a LightningModule or a LightningDataModule its ``hparams``: a description of its live parts.

    Lightning writes ``hparams`` into every checkpoint and `load_from_checkpoint` rebuilds from it, so there is no need
    for ``save_hyperparameters``. An argument that is not kept as an attribute is the one that the constructor got. One
    without a description (an ``nn.Sequential``, a lambda) is left out with a warning, and has to be passed again when
    loading.
    """

    def save_hyperparameters(self, *args: Any, **options: Any) -> None:
        """Do nothing, for code that was written for Lightning: `hparams` are always what the object was built with."""

    @property
    def hparams(self) -> AttributeDict:
        """The constructor arguments as plain data, with their class."""
        described: dict[str, Any] = {}
        left: dict[str, Undescribable] = {}
        for name in argument_names(type(self)):
            try:
                described[name] = described_argument(self, name)
            except Undescribable as reason:
                left[name] = reason
        if left:
            reasons = ", ".join(f"'{name}' ({reason})" for name, reason in left.items())
            warnings.warn(f"not kept in checkpoints: {reasons}; {loading(type(self), left)}", stacklevel=1)
        return AttributeDict(_class_path=class_path(type(self)), **described, _instantiator=INSTANTIATOR)


def as_config(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Convert ``hparams`` to the ``{class_path, init_args}`` of the command line."""
    init_args = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": init_args}
