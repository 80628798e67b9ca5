"""Classes by their dotted paths and constructors by their arguments; nothing is imported here."""

import collections.abc
import inspect
import sys
import typing
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from jsonargparse import ArgumentParser

UNKNOWN = object()
"""The type hint of an argument whose annotation cannot be resolved; one without any is ``Any``."""


def class_path(kind: type) -> str:
    """The dotted path under which users import a class: that of the outermost package which has it.

    Checkpoints and configurations name it so; where its file lies is nobody's business but the package's.
    """
    packages = kind.__module__.split(".")
    for depth in range(1, len(packages)):
        package = sys.modules.get(".".join(packages[:depth]))
        if package is not None and vars(package).get(kind.__name__) is kind:
            return f"{package.__name__}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def argument_names(kind: type) -> list[str]:
    """The names of a class's constructor arguments, with those that it hands on to others by ``**kwargs``."""
    parameters = inspect.signature(kind).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return names if rest(kind) is None else [*names, *(name for name in handed_on(kind) if name not in names)]


@lru_cache
def handed_on(kind: type) -> tuple[str, ...]:
    """What a constructor takes as ``**kwargs`` for others, such as for its base, as the text of its class says."""
    try:
        return tuple(
            ArgumentParser(exit_on_error=False).add_class_arguments(kind, instantiate=False, fail_untyped=False)
        )
    except Exception:  # the text is not at hand, or says what nobody understands
        return ()


def var_positional(kind: Callable[..., Any]) -> str | None:
    """What a function, or a class's constructor, calls its ``*args``, any number of arguments; None without."""
    return next((p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL), None)


def rest(kind: Callable[..., Any]) -> str | None:
    """What a function, or a class's constructor, calls its ``**kwargs``, any named arguments; None without."""
    return next((p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_KEYWORD), None)


def required_arguments(kind: type) -> list[str]:
    """The names of a class's constructor arguments that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def argument_hints(kind: type) -> dict[str, Any]:
    """The type hints of a class's constructor arguments, ``Any`` where there is none.

    Raises:
        ValueError: The class has no signature.
    """
    return {name: hint_of(kind, name) for name in argument_names(kind)}


def hint_of(kind: type, name: str) -> Any:
    """The type hint of an argument: that of the first constructor among a class and its bases that has the argument."""
    for base in kind.__mro__:
        constructor = vars(base).get("__init__")
        if inspect.isfunction(constructor) and name in inspect.signature(constructor).parameters:
            return resolved(constructor, name)
    return Any


def resolved(function: Callable[..., Any], name: str) -> Any:
    """The type hint of a function's argument; names that are there for type checkers alone are those of collections."""
    if name not in function.__annotations__:
        return Any
    alone = type("Alone", (), {"__annotations__": {name: function.__annotations__[name]}})
    try:
        return typing.get_type_hints(alone, {**vars(collections.abc), **inspect.unwrap(function).__globals__})[name]
    except Exception:  # an annotation may be any text
        return UNKNOWN


def imported(path: object) -> type | None:
    """The class that a dotted path names, if its module is imported already; a class within a class is found too."""
    if not isinstance(path, str):
        return None
    module, _, rest_of_path = path.rpartition(".")
    names = [rest_of_path]
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    found: Any = sys.modules.get(module)
    for name in names:
        # what a module makes when it is asked is left alone: to make it may be to import it
        found = vars(found).get(name) if isinstance(found, (ModuleType, type)) else None
    return found if isinstance(found, type) else None
