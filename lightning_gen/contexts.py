"""Context managers: evaluation mode, dropout in it, eager execution of compiled networks."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode; restore each part's mode at the end."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


@contextlib.contextmanager
def dropping(module: nn.Module) -> Iterator[None]:
    """Put the dropout of a module into training mode, and no other part; restore the modes at the end."""
    modes = {part: part.training for part in dropouts(module)}
    for part in modes:
        part.train()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def dropouts(module: nn.Module) -> list[nn.Module]:
    """The parts of a module that set numbers to 0 by chance."""
    return [part for part in module.modules() if isinstance(part, _DropoutNd) and part.p > 0]


def uncompiled(needed: bool) -> contextlib.AbstractContextManager[object]:
    """Run compiled networks eagerly where a second derivative follows, which compiled code does not have.

    Args:
        needed: Whether one follows; if not, nothing changes.
    """
    return torch.compiler.set_stance("force_eager") if needed else contextlib.nullcontext()
