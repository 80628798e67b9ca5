"""Checks of the parts that the reference loops support."""

import inspect
from collections.abc import Collection, Iterable

from lightning_gen.reflection import argument_names

READ = ("weight", "bound", "scale", "rate", "windows", "bands", "floor")
"""Arguments of parts that reference loops read; another one must have its default, or the mathematics would differ."""


def require_supported(parts: Iterable[object], known: Collection[type]) -> None:
    """Check that a reference loop supports parts.

    Args:
        parts: Parts of a module; None for a part that it does not have.
        known: The classes that the loop supports.

    Raises:
        NotImplementedError: A part is of another class, or is changed by an argument that the loop does not read.
    """
    for part in parts:
        if part is None:
            continue
        kind = type(part)
        if kind not in known:
            raise NotImplementedError(f"{kind.__name__} is not in the reference loop")
        defaults = inspect.signature(kind).parameters
        for name in argument_names(kind):
            if name not in READ and getattr(part, name) != defaults[name].default:
                raise NotImplementedError(
                    f"{kind.__name__} with {name} {getattr(part, name)} is not in the reference loop"
                )
