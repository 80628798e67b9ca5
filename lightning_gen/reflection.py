"""Classes by their dotted paths and constructors by their argument names; nothing is imported here."""

import inspect
import sys
from collections.abc import Callable
from typing import Any


def class_path(kind: type) -> str:
    """The dotted path under which a class is found again."""
    return f"{kind.__module__}.{kind.__qualname__}"


def argument_names(kind: type) -> list[str]:
    """The names of a class's constructor arguments."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def nameless(kind: Callable[..., Any]) -> str | None:
    """What a function, or a class's constructor, calls its ``*args``, any number of arguments; None without."""
    return next((p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL), None)


def required_arguments(kind: type) -> list[str]:
    """The names of a class's constructor arguments that have no default."""
    parameters = inspect.signature(kind).parameters
    return [name for name in argument_names(kind) if parameters[name].default is inspect.Parameter.empty]


def imported(path: object) -> type | None:
    """The class that a dotted path names, if its module is imported already."""
    if not isinstance(path, str):
        return None
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
