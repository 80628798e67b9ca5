"""What the reference loops support, and what they do not."""

import inspect
from collections.abc import Collection, Iterable

from lightning_gen.reflection import argument_names

READ = ("weight", "bound", "scale")
"""Arguments of parts that reference loops read; where another one is not left as it is, the mathematics are others."""


def require_supported(parts: Iterable[object], known: Collection[type]) -> None:
    """Refuse a part that a reference loop does not support.

    Args:
        parts: Parts of a module; None where there is none.
        known: The classes that it supports.

    Raises:
        NotImplementedError: A part is of another class, or changed by an argument that is not read.
    """
    for part in parts:
        if part is None:
            continue
        kind = type(part)
        if kind not in known:
            raise NotImplementedError(f"{kind.__name__} is not written by hand")
        defaults = inspect.signature(kind).parameters
        for name in argument_names(kind):
            if name not in READ and getattr(part, name) != defaults[name].default:
                raise NotImplementedError(f"{kind.__name__} with {name} {getattr(part, name)} is not written by hand")
