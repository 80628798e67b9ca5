"""Tensors that take long to make are kept on the disk, and made again where they are missing or damaged."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lightning_gen.files import replacing
from lightning_gen.terminal import say

Tensors: TypeAlias = dict[str, Tensor]


def kept(path: Path, like: Tensors, make: Callable[[], Tensors]) -> Tensors:
    """Read the tensors that a file keeps; where there are none, or others, make them and write the file.

    It is written whole or not at all. Where it cannot be written, that is said and the tensors are those just made.

    Args:
        path: The file; its name is to hold a `digest` of everything that the tensors depend on.
        like: Tensors of the same names, shapes and types, whatever their values: what else a file holds is damaged.
        make: Makes the tensors, on the CPU.
    """
    found = _read(path)
    if found is None or _forms(found) != _forms(like):
        found = make()
        _write(found, path)
    return found


def digest(key: str, tensors: Iterable[Tensor]) -> str:
    """A hash, 64 hexadecimal digits, of a text and of the bytes of tensors on the CPU, one after another."""
    found = hashlib.sha256(key.encode())
    for value in tensors:
        found.update(value.numpy().tobytes())
    return found.hexdigest()


def tell(line: str) -> None:
    """Write a line for whoever waits."""
    say(line, sys.stderr)


def _read(path: Path) -> Any:
    """What a file holds; None where there is none, or a damaged one."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # what torch raises for a damaged file has no common class
        return None


def _forms(content: Any) -> Any:
    """Names, shapes and types of tensors; None of other content."""
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        return None
    return {name: (value.shape, value.dtype) for name, value in content.items()}


def _write(tensors: Tensors, path: Path) -> None:
    content = io.BytesIO()  # torch reports a full disk as another error than everybody else
    torch.save(tensors, content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content.getvalue())
    except OSError as error:
        _tell_unwritable(path.parent, error.strerror)


@cache  # once is enough
def _tell_unwritable(folder: Path, reason: str) -> None:
    tell(
        f"the classifier and what it reads off real pictures cannot be kept in {folder} ({reason}) and will be made "
        "again the next time: set XDG_CACHE_HOME to a folder that you may write to"
    )
