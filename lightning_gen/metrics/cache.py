"""A cache on the disk for tensors that take long to compute; files that are missing or damaged are computed again."""

import functools
import hashlib
import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_gen.files import replacing
from lightning_gen.terminal import say


def cached(path: Path, like: dict[str, Tensor], compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Read tensors from a file; if it is missing or holds other tensors, compute them and write it.

    The file is written atomically. If it cannot be written, a line says so and the computed tensors are returned.

    Args:
        path: The file; its name should hold a `digest` of everything that the tensors depend on.
        like: Tensors of the same names, shapes and types, with any values; a file with others is damaged.
        compute: Computes the tensors, on the CPU.
    """
    found = _read(path)
    if found is None or _signature(found) != _signature(like):
        found = compute()
        _write(found, path)
    return found


def digest(key: str, tensors: Iterable[Tensor]) -> str:
    """SHA-256, 64 hexadecimal digits, of a text and of the bytes of tensors on the CPU, in their order."""
    found = hashlib.sha256(key.encode())
    for value in tensors:
        found.update(value.numpy().tobytes())
    return found.hexdigest()


def _read(path: Path) -> Any:
    """The content of a file; None if it is missing or damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # the errors that torch raises for a damaged file have no common class
        return None


def _signature(content: Any) -> Any:
    """Names, shapes and types of tensors; None for other content."""
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        return None
    return {name: (value.shape, value.dtype) for name, value in content.items()}


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    content = io.BytesIO()  # torch reports a full disk by another error than OSError
    torch.save(tensors, content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content.getvalue())
    except OSError as error:
        _tell_unwritable(path.parent, error.strerror)


@functools.cache  # one line is enough
def _tell_unwritable(folder: Path, reason: str) -> None:
    say(
        f"the classifier and the features of real images cannot be cached in {folder} ({reason}) and will be computed "
        "again next time: set XDG_CACHE_HOME to a folder that you may write to",
        sys.stderr,
    )
