"""The medium and the names of the classes as plain data in checkpoints."""

from typing import Any

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium


def described(medium: Medium | None) -> dict[str, Any] | None:
    """A medium as ``{class_path, init_args}``; None for none.

    Raises:
        InputError: It cannot be described as plain data.
    """
    try:
        return None if medium is None else checkpoints.describe(medium)
    except checkpoints.Undescribable as reason:
        raise InputError(
            f"the medium of the data cannot be stored in checkpoints ({reason}): use a frozen dataclass of plain data"
        ) from None


def rebuilt(stored: Any) -> Medium | None:
    """The medium of a description; None for none, as in checkpoints of version 0.1.

    Raises:
        InputError: It is not a medium, or its class must not be built.
    """
    if stored is None:
        return None
    arguments = stored["init_args"] | {"_class_path": stored["class_path"]}
    return checkpoints.rebuild(Medium, arguments, "the checkpoint")  # type: ignore[type-abstract]


def medium_from(data: Any) -> Medium | None:
    """The medium of data; None if they have none.

    Raises:
        InputError: They are of this package, and neither a setting nor their shape determines it.
    """
    medium = getattr(data, "medium", None)
    return medium if isinstance(medium, Medium) else None


def classes_of(classes: Any) -> tuple[str, ...] | None:
    """Names of classes of data or of a checkpoint; None if there are none."""
    return tuple(map(str, classes)) if isinstance(classes, (tuple, list)) else None


def classes_in(dataset: Any) -> tuple[str, ...] | None:
    """Names of the classes of a dataset with an attribute ``classes``, as those of torchvision have, or a part of one.

    Args:
        dataset: A dataset; one that wraps another one has it as its ``dataset``, as torch's ``Subset`` does.
    """
    names = classes_of(getattr(dataset, "classes", None))
    inner = getattr(dataset, "dataset", None)
    return names if names is not None or inner is None else classes_in(inner)
