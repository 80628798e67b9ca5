"""The precision of a reference loop, in plain PyTorch."""

import contextlib
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

NARROW = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The dtype of products in the Trainer's mixed precisions."""


class Precision:
    """One of the Trainer's precisions.

    Args:
        name: The Trainer's name of it.
        device: Type of the device, such as ``cuda``.

    Attributes:
        narrow: Whether products have a narrower dtype than weights.
        autocast: Makes the context of forward passes.
        full: Makes the context, inside that one, of computations in full precision.
    """

    def __init__(self, name: str = "32-true", device: str = "cpu") -> None:
        self.narrow = name in NARROW
        if self.narrow:
            self.autocast = partial(torch.autocast, device, NARROW[name])
            self.full = partial(torch.autocast, device, enabled=False)
        else:
            self.autocast = self.full = contextlib.nullcontext  # type: ignore[assignment]
        self._scaler = torch.amp.GradScaler(device, enabled=name == "16-mixed")

    def update(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Take an optimizer step on a loss; for float16 the loss is scaled into the range of gradients."""
        self._scaler.scale(loss).backward()
        self._scaler.step(optimizer)
        self._scaler.update()
