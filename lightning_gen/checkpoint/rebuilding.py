"""Building of parts from their descriptions, without a general parser, so that text always stays text.

A description is first compared with the type hints of the constructors that it names. An argument may be plain data of
its type, a record, or a class of the right kind that is trusted (`lightning_gen.checkpoint.trusted`). The result is a
plan, which is built only if the whole description fits.
"""

import collections.abc
import dataclasses
import enum
import functools
import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from lightning_gen import recording
from lightning_gen.checkpoint.descriptions import PLAIN, loading
from lightning_gen.checkpoint.trusted import trusted
from lightning_gen.errors import InputError
from lightning_gen.memory import Budget
from lightning_gen.reflection import UNKNOWN, argument_hints, imported, members, required_arguments, var_keyword
from lightning_gen.spelling import suggest

Owner = TypeVar("Owner")

TEXTS = (str, os.PathLike, Path)
SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
NO_PARTS = (*PLAIN, *TEXTS, *SEQUENCES, *MAPPINGS, tuple, set, frozenset, type, collections.abc.Callable)
"""Types whose values are plain data, or functions."""
UNTYPED = (Any, object, inspect.Parameter.empty)
KEYS = {"class_path", "init_args", "dict_kwargs"}
"""Keys of the description of a part."""


class Misfit(Exception):
    """A value does not fit the type of its argument; the text says why."""


@dataclass(frozen=True)
class Plan:
    """A part that is ready to be built.

    Attributes:
        kind: Its class.
        given: Its constructor's arguments; parts among them are plans.
        lazy: Whether the argument takes a factory of parts, as for optimizers.
    """

    kind: Callable[..., Any]
    given: dict[str, Any]
    lazy: bool = False

    def build(self, **more: Any) -> Any:
        """Build the parts among its arguments, then the part itself, with more arguments."""
        given = {name: built(value) for name, value in self.given.items()}
        return functools.partial(self.kind, **given) if self.lazy else recording.built(self.kind, **given, **more)


def built(value: Any) -> Any:
    """A value with all plans in it built."""
    if isinstance(value, Plan):
        return value.build()
    if isinstance(value, (list, tuple)):
        return type(value)(map(built, value))
    return {key: built(item) for key, item in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True)
class Reader:
    """Converts descriptions to plans.

    Args:
        path: The file of the descriptions, for messages.
        admits: Returns whether a class may be built.
    """

    path: str
    admits: Callable[[type], bool] = trusted

    def part(self, kind: type, described: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The arguments of a class, each compared with its type.

        Args:
            kind: The class.
            described: Its arguments.
            more: Further arguments, for its ``**kwargs``.

        Raises:
            InputError: The class has no such argument, or a value does not fit.
        """
        hints = argument_hints(kind)
        unknown = [name for name in described if name not in hints] or [*(more or ())][: var_keyword(kind) is None]
        if unknown:
            raise InputError(
                f"{self.path} cannot be rebuilt as {kind.__name__}: it has no argument "
                f"{str(unknown[0])!r}{suggest(str(unknown[0]), hints)}"
            )
        return {
            name: self.argument(hints.get(name, Any), value, f"{kind.__name__}.{name}")
            for name, value in {**(more or {}), **described}.items()
        }

    def argument(self, hint: Any, value: Any, place: str) -> Any:
        """The plan of one argument.

        Raises:
            InputError: The value does not fit.
        """
        try:
            return self.value(hint, value, place)
        except Misfit as reason:
            raise InputError(f"{self.path} {reason} at {place}, where none belongs, and was not loaded") from None

    def value(self, hint: Any, value: Any, place: str) -> Any:
        """The plan of a value.

        Raises:
            Misfit: It does not have the type of the hint.
            InputError: It is a part, and one of its arguments does not fit.
        """
        choices = members(hint)
        if any(choice in UNTYPED or isinstance(choice, TypeVar) for choice in choices):
            return self.untyped(value, place)
        if UNKNOWN in choices:
            return untyped(value, texts=False)
        if isinstance(value, dict) and "class_path" in value:
            return self.named(choices, value, place)
        if isinstance(value, str) and len(choices) > 1 and not plain_word(choices, value):
            raise Misfit(f"has the text {value!r}")
        # the same type first: for an int or a float, 1 is an int
        for choice in sorted(choices, key=lambda choice: choice is not type(value)):
            try:
                return self.one(choice, value, place)
            except Misfit:
                continue
        raise Misfit(f"has {spoken(value)}")

    def untyped(self, value: Any, place: str) -> Any:
        """The plan of a value for an argument without a type: plain data, or parts whose classes may be built.

        Raises:
            Misfit: It is something else.
            InputError: It is a part that may not be built, or one of whose arguments does not fit.
        """
        if isinstance(value, dict) and "class_path" in value:
            return self.named([object], value, place)
        if isinstance(value, dict) and not KEYS & value.keys():
            return {key: self.untyped(item, place) for key, item in value.items()}
        return [self.untyped(item, place) for item in value] if isinstance(value, list) else untyped(value)

    def one(self, hint: Any, value: Any, place: str) -> Any:
        """The plan of a value for a hint that is not a union; raises as `value`."""
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is typing.Literal:
            if any(type(value) is type(choice) and value == choice for choice in args):
                return value
        elif hint in PLAIN and type(value) is hint:
            return value
        elif hint is float and type(value) is int:
            return float(value)
        elif origin in TEXTS and isinstance(value, str):
            return Path(value)
        elif origin in SEQUENCES and isinstance(value, list):
            return [self.value(args[0] if args else Any, item, place) for item in value]
        elif origin is tuple and isinstance(value, list):
            return tuple(self.items(args, value, place))
        elif origin in MAPPINGS and isinstance(value, dict):
            return {key: self.value(args[1] if args else Any, item, place) for key, item in value.items()}
        elif isinstance(hint, type) and issubclass(hint, enum.Enum) and value in hint.__members__:
            return hint[value]
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, dict):
            return Plan(hint, self.part(hint, value))
        raise Misfit(f"has {spoken(value)}")

    def items(self, hints: tuple[Any, ...], values: list[Any], place: str) -> list[Any]:
        """The plans of the values of a tuple; raises as `value`."""
        if len(hints) == 2 and hints[1] is Ellipsis:
            hints = hints[:1] * len(values)
        if hints and len(hints) != len(values):
            raise Misfit(f"has {len(values)} values")
        return [
            self.value(hint, value, place) for hint, value in zip(hints or (Any,) * len(values), values, strict=True)
        ]

    def named(self, choices: list[Any], value: dict[str, Any], place: str) -> Plan:
        """The plan of a part with a class path.

        Raises:
            InputError: The class is not trusted, is of another kind, or an argument does not fit.
        """
        kind, arguments = imported(value["class_path"]), (value.get("init_args") or {}, value.get("dict_kwargs") or {})
        direct = kind is not None and (issubclass(kind, classes(choices)) or is_function(kind, choices))
        lazy = kind is not None and not direct and issubclass(kind, classes(results(choices)))
        if kind is None or not (direct or lazy) or value.keys() - KEYS or not all(map(named_values, arguments)):
            raise InputError(
                f"{self.path} asks for {value['class_path']!r} at {place}, which is not an imported class of the right "
                "kind, and was not loaded: if you trust the file, import the module that defines it first, --import "
                f"{str(value['class_path']).rpartition('.')[0]}"
            )
        self.check_admitted(kind, place)
        return Plan(kind, self.part(kind, *arguments), lazy)

    def check_admitted(self, kind: type, place: str) -> None:
        """Check that a class may be built.

        Raises:
            InputError: It is not trusted.
        """
        if not self.admits(kind):
            raise InputError(
                f"{self.path} asks for {kind.__module__}.{kind.__qualname__} at {place}, which is neither of this "
                "package nor of your own code, and was not loaded: if you trust the file, name the module with "
                f"--import {kind.__module__}, in Python by lightning_gen.checkpoint.trust({kind.__module__!r})"
            )


def results(choices: list[Any]) -> list[Any]:
    """The return types of the callables among types."""
    callables = [hint for hint in choices if (typing.get_origin(hint) or hint) is collections.abc.Callable]
    return [member for hint in callables for member in members((typing.get_args(hint) or (Any,))[-1])]


def classes(choices: list[Any]) -> tuple[type, ...]:
    """The classes of parts among types."""
    kinds = [typing.get_origin(hint) or hint for hint in choices]
    return tuple(
        kind
        for kind in kinds
        if isinstance(kind, type) and kind not in NO_PARTS and not getattr(kind, "_is_protocol", False)
    )


def is_function(kind: type, choices: list[Any]) -> bool:
    """Whether a class of layers fits an argument that takes a function of tensors, such as an activation."""
    return issubclass(kind, nn.Module) and any(result in (Any, Tensor) for result in results(choices))


def named_values(value: Any) -> bool:
    """Whether a value is a dict with texts as keys."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def plain_word(choices: list[Any], text: str) -> bool:
    """Whether the command line reads a text as text too.

    For an argument that takes a text or a part, it would read the name of a class, or YAML, as a part.
    """
    texts = (*TEXTS, *PLAIN)
    alone = all(
        (typing.get_origin(hint) or hint) in texts or typing.get_origin(hint) is typing.Literal for hint in choices
    )
    return alone or re.fullmatch(r"[a-z0-9_]*", text) is not None


def untyped(value: Any, texts: bool = True) -> Any:
    """A value for an argument without a type: plain data.

    Raises:
        Misfit: It is a part, a text that the command line would read as one, or any text if none is allowed.
    """
    if isinstance(value, str) and (not texts or re.search(r"[{\[:\n&*!]", value)):
        raise Misfit(f"has the text {value!r}")
    if isinstance(value, dict) and KEYS & value.keys():
        raise Misfit(f"has the part {value.get('class_path')!r}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        untyped(item, texts)
    if not isinstance(value, (*PLAIN, dict, list)):
        raise Misfit(f"has {spoken(value)}")
    return value


def spoken(value: Any) -> str:
    """A value, with its kind, for messages."""
    kind = {str: "the text", dict: "the values", list: "the values", type(None): "the value"}.get(
        type(value), "the value"
    )
    return f"{kind} {value!r:.80}"


def described_class(base: type[Owner], hparams: Mapping[str, Any], path: str) -> type[Owner]:
    """The class in a description, after a check of the whole description.

    Args:
        base: The class that it must be derived from.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file of the description, for messages.

    Raises:
        InputError: The class is unknown or of another kind, or does not take an argument.
    """
    return planned(base, hparams, path).kind  # type: ignore[return-value]


def planned(
    base: type,
    hparams: Mapping[str, Any],
    path: str,
    given: Mapping[str, Any] = types.MappingProxyType({}),
    **options: Any,
) -> Plan:
    """The plan of a description; nothing is built.

    Args:
        base: The class that its class must be derived from.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file of the description, for messages.
        given: Constructor arguments that replace those of the description.
        options: Options of `Reader`.

    Raises:
        InputError: The class is unknown, not trusted or of another kind, or does not take an argument.
    """
    kind, reader = imported(hparams.get("_class_path")), Reader(path, **options)
    if kind is None or not issubclass(kind, base):
        raise InputError(
            f"{path} holds {hparams.get('_class_path')!r}, which is not an imported {base.__name__}: load it with the "
            "class that wrote it, and import the module that defines that class first (--import)"
        )
    reader.check_admitted(kind, "its root")
    described = {key: value for key, value in hparams.items() if not key.startswith("_") and key not in given}
    return Plan(kind, reader.part(kind, described))


def rebuild(base: type[Owner], hparams: Mapping[str, Any], path: str, **given: Any) -> Owner:
    """Build the module, the DataModule or the part of a description.

    Args:
        base: The class that it must be an instance of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file of the description, for messages.
        given: Constructor arguments that replace those of the description.

    Raises:
        InputError: The class is unknown or of another kind, or an argument does not fit.
    """
    plan = planned(base, hparams, path, given)
    missing = [name for name in required_arguments(plan.kind) if name not in {**plan.given, **given}]  # type: ignore[arg-type]
    if missing:
        raise InputError(
            f"{path} cannot be rebuilt as {plan.kind.__name__}, for it does not hold "
            f"{' and '.join(map(repr, missing))}: {loading(plan.kind, missing)}"  # type: ignore[arg-type]
        )
    try:
        with Budget(f"{plan.kind.__name__} of {path}"):
            return plan.build(**given)
    except InputError:
        raise
    except Exception as error:  # a constructor may raise any error for its arguments
        raise InputError(f"{path} cannot be rebuilt as {plan.kind.__name__}: {error}") from error
