"""Names of the version before in users' Python code: they work for one more version, with a DeprecationWarning."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from lightning_gen.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])


def warn(old: str, new: str, stacklevel: int = 2) -> None:
    """Warn that a name has changed, at the line that calls the caller of this function."""
    text = f"{old} is {new} now: the old name is gone in version 0.3"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel + 1)


def accepts_former(former: Mapping[str, str]) -> Callable[[Function], Function]:
    """Make a function or a constructor accept arguments by their former names as well; its signature stays.

    Args:
        former: The former names of its arguments, and what they are called now.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def accepting(*args: Any, **given: Any) -> Any:
            for old in [name for name in given if name in former]:
                new = former[old]
                if new in given:
                    raise InputError(f"the argument '{old}' is called '{new}' now: give {new} alone")
                warn(f"the argument '{old}'", f"'{new}'")
                given[new] = given.pop(old)
            return function(*args, **given)

        return cast(Function, accepting)

    return decorate


class FormerName:
    """What a class has under a former name: its method of today, or the attribute of today.

    Args:
        old: The former name.
        new: The name of today.
        method: The method of the class; None for an attribute.
    """

    def __init__(self, old: str, new: str, method: Any = None) -> None:
        self.old = old
        self.new = new
        self.method = method

    def __get__(self, instance: Any, owner: type) -> Any:
        warn(f"{owner.__name__}.{self.old}", self.new)
        if self.method is not None:  # and not that of a subclass, which may be the one that asks
            return self.method.__get__(instance, owner)
        return getattr(owner if instance is None else instance, self.new)


class FormerNames:
    """A class whose attributes and methods are found under their former names too.

    They can be read and set under those, and a subclass may define them under those.

    Attributes:
        former_names: The former names, and what they are called now.
    """

    former_names: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = dict(vars(cls))
        for old, new in cls.former_names.items():
            if old in own:
                warn(f"{cls.__name__}.{old}", new)
                setattr(cls, new, own[old])
            elif new in own or "former_names" in own:
                method = own.get(new)
                setattr(cls, old, FormerName(old, new, method if inspect.isfunction(method) else None))

    def __setattr__(self, name: str, value: Any) -> None:
        new = self.former_names.get(name)
        if new is not None:
            warn(f"{type(self).__name__}.{name}", new)
        super().__setattr__(new or name, value)
