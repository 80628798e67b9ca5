"""The arguments that an object was built with, for objects that do not keep each as an attribute of its name."""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

Built = TypeVar("Built")

RECORD = "_constructor_arguments"
"""The attribute in which an object keeps its record."""
ABSENT = object()
"""Marks a missing value."""
WORDS = (bool, int, float, str)
"""Types whose values are equal or not, whatever object holds them."""


class Recorded:
    """A class whose objects record the arguments of their constructor, also in subclasses.

    A checkpoint describes a part by the arguments of its constructor. It reads them from attributes of the same names,
    so that a later change of an attribute is kept; what is no such attribute is read from the record.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = recording(vars(cls)["__init__"])  # type: ignore[method-assign]


def recording(constructor: Callable[..., None]) -> Callable[..., None]:
    """A constructor that records its arguments; of the constructors of an object, the outermost records."""

    @functools.wraps(constructor)
    def __init__(self: Any, *args: Any, **given: Any) -> None:
        attributes = vars(self)
        if RECORD in attributes:
            constructor(self, *args, **given)
            return
        attributes[RECORD] = arguments(type(self), args, given)
        constructor(self, *args, **given)
        forget_attributes(self)

    return __init__


def built(kind: Callable[..., Built], *args: Any, **given: Any) -> Built:
    """Build an object of any class, with a record of its arguments."""
    part = kind(*args, **given)
    attributes = getattr(part, "__dict__", None)
    if attributes is not None and RECORD not in attributes:
        attributes[RECORD] = arguments(type(part), args, given)
        forget_attributes(part)
    return part


def recorded(part: object) -> Mapping[str, Any]:
    """The arguments of an object that are no attributes of the same name and value, by name."""
    return getattr(part, "__dict__", {}).get(RECORD, {})


def arguments(kind: type, args: tuple[Any, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, with defaults; those of ``**kwargs`` also alone, those of ``*args`` not at all.

    There are none if they do not fit: the constructor will say so.
    """
    try:
        bound = inspect.signature(kind).bind(*args, **given)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    found = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= found[parameter.name]
        elif parameter.kind is parameter.VAR_POSITIONAL:
            del found[parameter.name]
    return found


def forget_attributes(part: Any) -> None:
    """Remove from the record of a new object what its attributes hold."""
    record = vars(part)[RECORD]
    vars(part)[RECORD] = {name: value for name, value in record.items() if not is_attribute(part, name, value)}


def is_attribute(part: object, name: str, value: Any) -> bool:
    """Whether an object has an attribute of a name and a value."""
    held = ABSENT
    with suppress(Exception):  # a property may need what comes later
        held = getattr(part, name, ABSENT)
    return held is value or (type(held) is type(value) in WORDS and held == value)
