"""Context managers: evaluation mode, eager execution of compiled networks."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and each part back into its own at the end."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def uncompiled(needed: bool) -> contextlib.AbstractContextManager[object]:
    """Run compiled networks as they are, where a second derivative follows, which compiled code has not.

    Args:
        needed: Whether one does; if not, networks run as they would anyway.
    """
    return torch.compiler.set_stance("force_eager") if needed else contextlib.nullcontext()
