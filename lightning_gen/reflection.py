"""Classes by their dotted paths and constructors by their arguments; nothing is imported here."""

import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from jsonargparse import ArgumentParser

UNKNOWN = object()
"""The type hint of an argument whose annotation cannot be resolved; one without any is ``Any``."""


def class_path(kind: type) -> str:
    """The dotted path from which users import a class: that of the outermost package that has it.

    Checkpoints and configurations use this path, so that files can be moved within a package.
    """
    packages = kind.__module__.split(".")
    for depth in range(1, len(packages)):
        package = sys.modules.get(".".join(packages[:depth]))
        if package is not None and vars(package).get(kind.__name__) is kind:
            return f"{package.__name__}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def argument_names(kind: type) -> list[str]:
    """The names of a class's constructor arguments, with those that it forwards by ``**kwargs``."""
    parameters = inspect.signature(kind).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if var_keyword(kind) is None:
        return names
    return [*names, *(name for name in forwarded_arguments(kind) if name not in names)]


@lru_cache
def forwarded_arguments(kind: type) -> tuple[str, ...]:
    """The arguments that a constructor forwards by ``**kwargs``, such as to its base, from the source of its class."""
    try:
        return tuple(
            ArgumentParser(exit_on_error=False).add_class_arguments(kind, instantiate=False, fail_untyped=False)
        )
    except Exception:  # the source is missing, or jsonargparse does not understand it
        return ()


def var_positional(kind: Callable[..., Any]) -> str | None:
    """The name of the ``*args`` of a function or of a class's constructor; None if it has none."""
    return next((p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL), None)


def var_keyword(kind: Callable[..., Any]) -> str | None:
    """The name of the ``**kwargs`` of a function or of a class's constructor; None if it has none."""
    return next((p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_KEYWORD), None)


def required_arguments(kind: Callable[..., Any]) -> list[str]:
    """The names of the arguments of a function or of a class's constructor that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def argument_hints(kind: type) -> dict[str, Any]:
    """The type hints of a class's constructor arguments, ``Any`` for arguments without one.

    Raises:
        ValueError: The class has no signature.
    """
    return {name: hint_of(kind, name) for name in argument_names(kind)}


def hint_of(kind: type, name: str) -> Any:
    """The type hint of an argument, from the first constructor among a class and its bases that has the argument."""
    for base in kind.__mro__:
        constructor = vars(base).get("__init__")
        if inspect.isfunction(constructor) and name in inspect.signature(constructor).parameters:
            return resolved(constructor, name)
    return Any


def resolved(function: Callable[..., Any], name: str) -> Any:
    """The type hint of a function's argument; names imported for type checkers only are those of collections."""
    if name not in function.__annotations__:
        return Any
    alone = type("Alone", (), {"__annotations__": {name: function.__annotations__[name]}})
    try:
        return typing.get_type_hints(alone, {**vars(collections.abc), **inspect.unwrap(function).__globals__})[name]
    except Exception:  # an annotation can be any text
        return UNKNOWN


def subclasses(kind: type) -> Iterator[Any]:
    """The classes that are derived from a class, as far as they are imported, each before those derived from it."""
    derived: list[Any] = kind.__subclasses__()
    for each in derived:
        yield each
        yield from subclasses(each)


def members(hint: Any) -> list[Any]:
    """The members of a union; for other hints the hint alone."""
    hint = getattr(hint, "__supertype__", getattr(hint, "__value__", hint))  # a NewType or a type alias
    if typing.get_origin(hint) is typing.Annotated:
        return members(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [member for choice in typing.get_args(hint) for member in members(choice)]
    return [type(None) if hint is None else hint]


def imported(path: object) -> type | None:
    """The class at a dotted path, if its module is already imported; also a class within a class."""
    if not isinstance(path, str):
        return None
    module, _, last = path.rpartition(".")
    names = [last]
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    found: Any = sys.modules.get(module)
    for name in names:
        # not getattr: a module's __getattr__ could import something
        found = vars(found).get(name) if isinstance(found, (types.ModuleType, type)) else None
    return found if isinstance(found, type) else None
