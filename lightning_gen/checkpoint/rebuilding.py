"""Parts built from their descriptions: by this package's own hand, so that no text is taken for anything but text.

A description is first compared with the types of the constructors that it names. What may stand at an argument is read
off its type hint: plain data of that type, a record, or a class of the right kind that may be named at all
(`lightning_gen.checkpoint.trusted`). What comes out is a plan, which then is built; or nothing is.
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

from lightning_gen.checkpoint.descriptions import PLAIN
from lightning_gen.checkpoint.trusted import trusted
from lightning_gen.errors import InputError
from lightning_gen.reflection import UNKNOWN, argument_hints, imported, required_arguments, rest
from lightning_gen.spelling import suggest

Owner = TypeVar("Owner")

TEXTS = (str, os.PathLike, Path)
SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
NO_PARTS = (*PLAIN, *TEXTS, *SEQUENCES, *MAPPINGS, tuple, set, frozenset, type, collections.abc.Callable)
"""Types whose values are plain data, or functions."""
UNTYPED = (Any, object, inspect.Parameter.empty)
KEYS = {"class_path", "init_args", "dict_kwargs"}
"""What describes a part."""


class Misfit(Exception):
    """A value that does not belong where it stands; the text says why."""


@dataclass(frozen=True)
class Plan:
    """A part that can be built.

    Attributes:
        kind: Its class.
        given: Its constructor's arguments; those that are parts are plans.
        lazy: Whether a maker of such parts is asked for, as for optimizers.
    """

    kind: Callable[..., Any]
    given: dict[str, Any]
    lazy: bool = False

    def build(self, **more: Any) -> Any:
        """Build it with more arguments, after the parts that it is made of."""
        given = {name: built(value) for name, value in self.given.items()}
        return functools.partial(self.kind, **given) if self.lazy else self.kind(**given, **more)


def built(value: Any) -> Any:
    """A planned value, with all parts in it built."""
    if isinstance(value, Plan):
        return value.build()
    if isinstance(value, (list, tuple)):
        return type(value)(map(built, value))
    return {key: built(item) for key, item in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True)
class Reader:
    """Turns descriptions into plans.

    Args:
        path: The file that descriptions come from, for messages.
        admits: Whether a class may be built.
    """

    path: str
    admits: Callable[[type], bool] = trusted

    def part(self, kind: type, described: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The arguments of a class, each compared with its type.

        Args:
            kind: The class.
            described: Its arguments.
            more: What its ``**kwargs`` take besides.

        Raises:
            InputError: One does not belong there.
        """
        hints = argument_hints(kind)
        unknown = [name for name in described if name not in hints] or [*(more or ())][: rest(kind) is None]
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
            InputError: The value does not belong there.
        """
        try:
            return self.value(hint, value, place)
        except Misfit as reason:
            raise InputError(f"{self.path} {reason} at {place}, where none belongs, and was not loaded") from None

    def value(self, hint: Any, value: Any, place: str) -> Any:
        """The plan of a value.

        Raises:
            Misfit: It is not of the type that is asked for.
            InputError: It is a part, and an argument of that does not belong there.
        """
        choices = members(hint)
        if any(choice in UNTYPED or isinstance(choice, TypeVar) for choice in choices):
            return untyped(value)
        if UNKNOWN in choices:
            return untyped(value, texts=False)
        if isinstance(value, dict) and "class_path" in value:
            return self.named(choices, value, place)
        if isinstance(value, str) and len(choices) > 1 and not plain_word(choices, value):
            raise Misfit(f"has the text {value!r}")
        # that of the same type first: 1 is an int where an int or a float is asked for
        for choice in sorted(choices, key=lambda choice: choice is not type(value)):
            try:
                return self.one(choice, value, place)
            except Misfit:
                continue
        raise Misfit(f"has {spoken(value)}")

    def one(self, hint: Any, value: Any, place: str) -> Any:
        """The plan of a value that is asked for as one type and no other; raises as `value`."""
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
        """The plan of a part that is named by its class.

        Raises:
            InputError: The class may not be named, is of another kind, or an argument does not belong there.
        """
        kind, rest_of_it = imported(value["class_path"]), (value.get("init_args") or {}, value.get("dict_kwargs") or {})
        direct = kind is not None and (issubclass(kind, classes(choices)) or is_function(kind, choices))
        lazy = kind is not None and not direct and issubclass(kind, classes(results(choices)))
        if kind is None or not (direct or lazy) or value.keys() - KEYS or not all(map(named_values, rest_of_it)):
            raise InputError(
                f"{self.path} asks for {value['class_path']!r} at {place}, which is not an imported class of the right "
                "kind, and was not loaded: if you trust the file, import the module that defines it first (--import)"
            )
        self.check_admitted(kind, place)
        return Plan(kind, self.part(kind, *rest_of_it), lazy)

    def check_admitted(self, kind: type, place: str) -> None:
        """Check that a class may be built.

        Raises:
            InputError: It may not.
        """
        if not self.admits(kind):
            raise InputError(
                f"{self.path} asks for {kind.__module__}.{kind.__qualname__} at {place}, which is neither of this "
                "package nor of your own code, and was not loaded: if you trust the file, name the module with "
                f"--import {kind.__module__}, in Python by lightning_gen.checkpoint.trust({kind.__module__!r})"
            )


def members(hint: Any) -> list[Any]:
    """What a type hint is a choice of."""
    hint = getattr(hint, "__supertype__", getattr(hint, "__value__", hint))  # a type under another name
    if typing.get_origin(hint) is typing.Annotated:
        return members(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [member for choice in typing.get_args(hint) for member in members(choice)]
    return [type(None) if hint is None else hint]


def results(choices: list[Any]) -> list[Any]:
    """What the callables among types return."""
    callables = [hint for hint in choices if (typing.get_origin(hint) or hint) is collections.abc.Callable]
    return [member for hint in callables for member in members((typing.get_args(hint) or (Any,))[-1])]


def classes(choices: list[Any]) -> tuple[type, ...]:
    """The classes among types that a part may be of."""
    kinds = [typing.get_origin(hint) or hint for hint in choices]
    return tuple(
        kind
        for kind in kinds
        if isinstance(kind, type) and kind not in NO_PARTS and not getattr(kind, "_is_protocol", False)
    )


def is_function(kind: type, choices: list[Any]) -> bool:
    """Whether a class is one of layers where a function of tensors is asked for, such as an activation."""
    return issubclass(kind, nn.Module) and any(result in (Any, Tensor) for result in results(choices))


def named_values(value: Any) -> bool:
    """Whether a value is a dict whose keys are names."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def plain_word(choices: list[Any], text: str) -> bool:
    """Whether a text stays one where the command line reads it.

    Where it may be a part as well as a text, it would take the name of a class, or YAML, for that part.
    """
    texts = (*TEXTS, *PLAIN)
    alone = all(
        (typing.get_origin(hint) or hint) in texts or typing.get_origin(hint) is typing.Literal for hint in choices
    )
    return alone or re.fullmatch(r"[a-z0-9_]*", text) is not None


def untyped(value: Any, texts: bool = True) -> Any:
    """A value at an argument without a type: plain data.

    Raises:
        Misfit: It is a part, or a text that the command line would read as one, or any text where none is allowed.
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
    """A value in a message."""
    kind = {str: "the text", dict: "the values", list: "the values", type(None): "the value"}.get(
        type(value), "the value"
    )
    return f"{kind} {value!r:.80}"


def described_class(base: type[Owner], hparams: Mapping[str, Any], path: str) -> type[Owner]:
    """The class that a description names, after the whole description was checked.

    Args:
        base: What it must be a subclass of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file that it comes from, for messages.

    Raises:
        InputError: The class is unknown or of another kind, or an argument is none that it takes.
    """
    return planned(base, hparams, path).kind  # type: ignore[return-value]


def planned(
    base: type,
    hparams: Mapping[str, Any],
    path: str,
    given: Mapping[str, Any] = types.MappingProxyType({}),
    **options: Any,
) -> Plan:
    """What a description comes to, before anything is built.

    Args:
        base: What its class must be a subclass of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file that it comes from, for messages.
        given: Constructor arguments that win over the description.
        options: Passed on to `Reader`.

    Raises:
        InputError: The class is unknown, may not be named or is of another kind, or an argument is none that it takes.
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
    """Build the module, the DataModule or the part that a description names.

    Args:
        base: What it must be an instance of.
        hparams: The description: constructor arguments and ``_class_path``.
        path: The file that the description comes from, for messages.
        given: Constructor arguments that win over the description.

    Raises:
        InputError: The class is unknown or of another kind, or an argument does not fit.
    """
    plan = planned(base, hparams, path, given)
    missing = [name for name in required_arguments(plan.kind) if name not in {**plan.given, **given}]  # type: ignore[arg-type]
    if missing:
        raise InputError(
            f"{path} cannot be rebuilt as {plan.kind.__name__}: '{missing[0]}' is needed, which it does not hold: give"
            f" it when loading, {plan.kind.__name__}.load_from_checkpoint(path, {missing[0]}=...)"
        )
    try:
        return plan.build(**given)
    except InputError:
        raise
    except Exception as error:  # a constructor may refuse its arguments by any
        raise InputError(f"{path} cannot be rebuilt as {plan.kind.__name__}: {error}") from error
