"""Context managers: evaluation mode, eager execution of compiled networks."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


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


def uncompiled(needed: bool) -> contextlib.AbstractContextManager[object]:
    """Run compiled networks eagerly where a second derivative follows, which compiled code does not have.

    Args:
        needed: Whether one follows; if not, nothing changes.
    """
    return torch.compiler.set_stance("force_eager") if needed else contextlib.nullcontext()
