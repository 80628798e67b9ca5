"""The precision and the updates of a reference loop, in plain PyTorch."""

import contextlib
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

NARROW = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The dtype of products in the Trainer's mixed precisions."""


class Precision:
    """One of the Trainer's precisions, with updates in it.

    Args:
        name: The Trainer's name of it.
        device: Type of the device, such as ``cuda``.
        clip: The norm that the gradients of an update have at most, by the Trainer's ``gradient_clip_val``; None for no
            limit.

    Attributes:
        narrow: Whether products have a narrower dtype than weights.
        autocast: Makes the context of forward passes.
        full: Makes the context, inside that one, of computations in full precision.
    """

    def __init__(self, name: str = "32-true", device: str = "cpu", clip: float | None = None) -> None:
        self.clip = clip
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
        if self.clip is not None:
            self._scaler.unscale_(optimizer)
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            nn.utils.clip_grad_norm_(weights, self.clip)
        self._scaler.step(optimizer)
        self._scaler.update()
