"""The memory of this machine, and refusals of what does not fit into it before it is allocated."""

import math
import os
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lightning_gen.errors import InputError

MAKERS = (
    *(torch.arange, torch.empty, torch.eye, torch.full, torch.linspace, torch.ones, torch.rand, torch.randint),
    *(torch.randn, torch.randperm, torch.zeros),
)
"""Functions that make a tensor of a given size."""


def available() -> int:
    """Memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gigabytes(count: float) -> str:
    """A number of bytes in GB, for messages.

    >>> gigabytes(4e12), gigabytes(3.2e9)
    ('4,000 GB', '3.2 GB')
    """
    return f"{count / 1e9:,.{0 if count > 1e11 else 1}f} GB"


def require_room(count: float, owner: str, remedy: str) -> None:
    """Check that something fits into the memory of this machine.

    Args:
        count: Its size in bytes.
        owner: What it is, as the subject of a sentence.
        remedy: What makes it smaller.

    Raises:
        InputError: It does not fit.
    """
    if count > available():
        needed = f"{gigabytes(count)} of memory" if math.isfinite(count) else "more memory than any machine has"
        raise InputError(f"{owner} would take {needed} and this machine has {gigabytes(available())}: {remedy}")


class Budget(TorchFunctionMode):
    """Refuses a tensor with which all that are made inside would not fit into memory; nothing else changes.

    Args:
        owner: What is made inside, as the subject of a sentence.
    """

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner
        self._used = 0.0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, after adding up the bytes of the tensor that it would make."""
        if function in MAKERS:
            self._used += bytes_of(function, args, kwargs or {})
            sizes = ", ".join(str(each) for each in args)
            require_room(
                self._used,
                f"{self.owner}, with a tensor of {sizes} numbers,",
                "lower the width, latent_dim, number of codes or size that it follows from",
            )
        return function(*args, **(kwargs or {}))


def bytes_of(function: Any, args: Any, kwargs: dict[str, Any]) -> float:
    """The size of the tensor that one of `MAKERS` would make, in bytes; infinite where torch cannot count it."""
    planned = {name: value for name, value in kwargs.items() if name not in ("generator", "out", "pin_memory")}
    try:
        return 0 if str(kwargs.get("device")) == "meta" else function(*args, **{**planned, "device": "meta"}).nbytes
    except (RuntimeError, TypeError) as error:  # wrong arguments are left to the function itself
        return math.inf if "overflow" in str(error).lower() else 0
