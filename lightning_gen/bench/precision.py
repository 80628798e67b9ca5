"""The precision that a reference loop computes in, as one would write it in plain PyTorch."""

import contextlib
from functools import partial

import torch
from torch import Tensor
from torch.optim import Optimizer

NARROW = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The type of products in the Trainer's mixed precisions."""


class Precision:
    """One of the Trainer's precisions.

    Args:
        name: What the Trainer calls it.
        device: Type of the device.

    Attributes:
        narrow: Whether products are of a narrower type than weights.
        autocast: Makes the context in which networks are passed.
        full: Makes the one inside it for what needs the full precision.
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
        """Go down the gradient of a loss, whose scale keeps it within the range of float16 where that is needed."""
        self._scaler.scale(loss).backward()
        self._scaler.step(optimizer)
        self._scaler.update()
