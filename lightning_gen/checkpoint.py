"""What a checkpoint says of itself, and how it is read without trusting it.

A module is described by its live parts: every constructor argument is an attribute of the same name (scikit-learn's
convention), so ``{class_path, init_args}`` can be read off any part, whether it was built by YAML or in Python. The
description is plain data: it loads with ``weights_only=True``, and the classes it names are looked up among those
already imported, never imported because a file says so.
"""

import collections.abc
import copy
import dataclasses
import functools
import inspect
import os
import typing
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import ArgumentError, ArgumentParser
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.fabric.utilities.data import AttributeDict
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen.errors import InputError
from lightning_gen.messages import explain
from lightning_gen.reflection import argument_names, class_path, imported, nameless
from lightning_gen.schedules import ImageSchedule

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
PLAIN = (bool, int, float, str, type(None))

Owner = TypeVar("Owner", bound=nn.Module | LightningDataModule)
Restored = TypeVar("Restored", bound=LightningModule)


class Undescribable(Exception):
    """A value that cannot be written as plain data."""


def arguments(part: object) -> dict[str, Any]:
    """The constructor arguments of a part, read from its attributes and written as plain data.

    Raises:
        Undescribable: An argument has no name, is not kept as an attribute of the same name, or is not plain.
    """
    own_constructor = type(part).__init__ is not nn.Module.__init__  # that one says *args and takes none
    if own_constructor and nameless(type(part)) is not None:
        raise Undescribable(f"{type(part).__name__} takes arguments without names")
    names = argument_names(type(part))
    for name in names:
        if not hasattr(part, name):
            raise Undescribable(f"{type(part).__name__} does not keep its argument '{name}' as an attribute")
    return {name: describe(getattr(part, name)) for name in names}


def describe(value: Any) -> Any:
    """Write a constructor argument as plain data that YAML and the command line understand.

    Args:
        value: A plain value, a list, tuple or dict of values, a dataclass, a part (any object whose constructor
            arguments are its attributes), or a ``functools.partial`` of a class, such as an optimizer's.

    Raises:
        Undescribable: The value is none of these.
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, (dict, nn.ModuleDict)):
        return {str(key): describe(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, functools.partial):
        # jsonargparse wraps the class as the last positional argument of its own instantiator
        kind = value.args[-1] if value.args else value.func
        if isinstance(kind, type):
            return {"class_path": class_path(kind), "init_args": describe(value.keywords)}
    if isinstance(value, type) or inspect.isroutine(value) or "<locals>" in type(value).__qualname__:
        raise Undescribable(f"{value!r} cannot be written into a checkpoint: give a functools.partial of a class")
    return {"class_path": class_path(type(value)), "init_args": arguments(value)}


def foreign_modules(described: Any) -> list[str]:
    """The modules of classes in a description that come neither with the library nor with torch."""
    if isinstance(described, dict):
        paths = [described[key] for key in ("class_path", "_class_path") if isinstance(described.get(key), str)]
        own = [path.rpartition(".")[0] for path in paths if path.split(".")[0] not in ("lightning_gen", "torch")]
        return sorted({*own, *(name for value in described.values() for name in foreign_modules(value))})
    return sorted({name for item in described for name in foreign_modules(item)}) if isinstance(described, list) else []


class Described:
    """Gives a LightningModule or a LightningDataModule its ``hparams``: a description of its live parts.

    Lightning writes ``hparams`` into every checkpoint and `load_from_checkpoint` rebuilds from it, so nothing has to
    be saved by hand and ``save_hyperparameters`` is not called. An argument that cannot be described (a bare
    ``nn.Sequential``, a lambda) is left out with a warning and has to be given again when loading.
    """

    @property
    def hparams(self) -> AttributeDict:
        """The constructor arguments as plain data, with the class they belong to."""
        described: dict[str, Any] = {}
        for name in argument_names(type(self)):
            try:
                described[name] = describe(getattr(self, name))
            except Undescribable as reason:
                warnings.warn(
                    f"'{name}' is not kept in checkpoints ({reason}); give it again when loading: "
                    f"{type(self).__name__}.load_from_checkpoint(path, {name}=...)",
                    stacklevel=2,
                )
        return AttributeDict(_class_path=class_path(type(self)), **described, _instantiator=INSTANTIATOR)


def as_config(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``hparams`` into the ``{class_path, init_args}`` that the command line reads."""
    init_args = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": init_args}


def read(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint as data: tensors and plain values; code in the file is refused and never runs.

    Args:
        path: The file.
        device: Where its tensors go.

    Raises:
        InputError: The file is missing, truncated, not a checkpoint, or holds pickled code.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(str(found) for found in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        hint = f": there is {', '.join(near[:3])}" if near else ": give the path of a .ckpt file"
        raise InputError(f"the checkpoint {path} does not exist{hint}")
    try:
        checkpoint = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        if "Weights only load failed" in str(error) and "Unsupported" in str(error):
            raise InputError(
                f"{path} holds pickled code, which could run anything, and was not loaded: load only checkpoints of "
                "plain weights, such as those that lightning_gen writes"
            ) from None
        raise InputError(
            f"{path} is not a checkpoint or is truncated ({path.stat().st_size:,} bytes): use another one, such as "
            "checkpoints/last.ckpt of the run"
        ) from None
    described = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    if not isinstance(described, dict) or "_class_path" not in described or "state_dict" not in checkpoint:
        raise InputError(
            f"{path} holds no lightning_gen module: give a checkpoint written by `lightning_gen fit` or by a "
            "Trainer with a lightning_gen module"
        )
    return checkpoint


def check_description(kind: type, described: Any, path: str) -> None:
    """Refuse a description that would build, import or call anything but parts of the library's kinds.

    What may stand at an argument is read off the type of that argument: plain data of that type, a subclass of the
    part that is asked for, or an optimizer or scheduler of numbers alone. Classes are those that are imported already.

    Args:
        kind: The class that is described.
        described: Its constructor arguments as a checkpoint says.
        path: The file, for the message.

    Raises:
        InputError: Something else stands there.
    """
    hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    for name, value in described.items():
        if not name.startswith("_"):
            _check_value(flattened(hints.get(name)), value, path, f"{kind.__name__}.{name}")


def _check_value(allowed: set[Any], value: Any, path: str, place: str) -> None:
    if isinstance(value, str) and not allowed & {str, os.PathLike, Path} and value not in allowed:
        raise InputError(f"{path} has the text {value!r} at {place}, where none belongs, and was not loaded")
    if isinstance(value, list):
        for item in value:
            _check_value(allowed, item, path, place)
    if isinstance(value, dict) and "class_path" in value:
        part, rest = imported(value["class_path"]), value.get("init_args") or {}
        bases = tuple(kind for kind in allowed if isinstance(kind, type) and kind not in (str, dict, list, tuple))
        if part is None or not issubclass(part, bases) or value.keys() - {"class_path", "init_args"}:
            raise InputError(
                f"{path} asks for {value['class_path']!r} at {place}, which is not an imported class of the right "
                "kind, and was not loaded: if you trust the file, import the module that defines it first (--import)"
            )
        if issubclass(part, (Optimizer, LRScheduler)) and not issubclass(part, ImageSchedule):
            _check_value(set(), list(rest.values()), path, place)  # numbers only: a text could name a function
        else:
            check_description(part, rest, path)
    elif isinstance(value, dict):
        records = [kind for kind in allowed if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
        for record in records:
            check_description(record, value, path)
        for item in value.values() if not records else ():
            _check_value(allowed, item, path, place)


def flattened(hint: Any) -> set[Any]:
    """All types and literals that a type hint is made of; a Callable counts as its result, a dict as its values."""
    parts = typing.get_args(hint)
    if not parts:
        return {hint}
    if typing.get_origin(hint) in (collections.abc.Callable, dict):
        parts = parts[-1:]
    return set().union(*(flattened(part) for part in parts))


def described_class(base: type[Owner], hparams: Mapping[str, Any], path: str) -> type[Owner]:
    """The class that a description names, after the whole description was checked.

    Args:
        base: What it must be a subclass of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file that it comes from, for messages.

    Raises:
        InputError: The class is unknown or of another kind, or an argument is none that it takes.
    """
    kind = imported(hparams.get("_class_path"))
    if kind is None or not issubclass(kind, base):
        raise InputError(
            f"{path} holds {hparams.get('_class_path')!r}, which is not an imported {base.__name__}: load it with the "
            "class that wrote it, and import the module that defines that class first (--import)"
        )
    check_description(kind, hparams, path)
    return kind


def rebuild(base: type[Owner], hparams: dict[str, Any], path: str, **given: Any) -> Owner:
    """Build the module, the DataModule or the part that a description names.

    Args:
        base: What it must be an instance of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file that the description comes from, for messages.
        given: Constructor arguments that win over the description.

    Raises:
        InputError: The class is unknown or of another kind, or an argument does not fit.
    """
    kind = described_class(base, hparams, path)
    described = {key: value for key, value in hparams.items() if not key.startswith("_") and key not in given}
    described = copy.deepcopy(described)  # jsonargparse writes into what it parses
    parser = ArgumentParser(exit_on_error=False)
    try:
        # jsonargparse builds only what the types in the constructor's signature admit
        parser.add_class_arguments(kind, skip=set(given), instantiate=False)
        parts = parser.instantiate(parser.parse_object(described)).as_dict()
    except ArgumentError as error:
        raise InputError(f"{path} cannot be rebuilt as {kind.__name__}: {explain(str(error))}") from None
    return kind(**parts, **given)


def restore(base: type[Restored], checkpoint: dict[str, Any], path: str, **given: Any) -> Restored:
    """Build the module that a checkpoint describes and load its weights and progress.

    Weights lie in memory as those of the checkpoint, so that it computes the same, to the bit.

    Raises:
        InputError: The description or the weights do not fit the class.
    """
    module = rebuild(base, checkpoint["hyper_parameters"], path, **given)
    module.on_load_checkpoint(checkpoint)
    if any(each.dim() == 4 and not each.is_contiguous() for each in checkpoint["state_dict"].values()):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module.load_state_dict(checkpoint["state_dict"])
    return module


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, also when the disk fills or the process dies."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write beside the target, flush to the disk, then rename over it.

        Raises:
            InputError: The disk is full; an older checkpoint of the same name is intact.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
            for left in target.parent.glob(f".{target.name}.*.partial"):
                left.unlink(missing_ok=True)  # of a process that was killed while it wrote
        except (OSError, RuntimeError) as error:
            # torch's zip writer reports a full disk as a RuntimeError
            raise InputError(
                f"the checkpoint {target} could not be written ({error}): free some disk space or choose another "
                "folder with --runs_dir; earlier checkpoints are intact"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
