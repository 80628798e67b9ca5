"""A loss whose gradient stops at a tensor between it and the weights."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _StopGradient(torch.autograd.Function):
    """The identity forward; backward removes this loss's gradient at the code.

    That gradient is computed from the incoming one, so with float16 it has the same scale as all others.
    """

    @staticmethod
    def forward(ctx: Any, loss: Tensor, code: Tensor) -> Tensor:
        ctx.save_for_backward(loss, code)
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        loss, code = ctx.saved_tensors
        (own,) = torch.autograd.grad(loss, code, gradient, retain_graph=True)
        return gradient, -own


def stop_gradient_at(code: Tensor, loss: Tensor) -> Tensor:
    """The same loss without a gradient at the code and before it; layers between code and loss get all of it."""
    return _StopGradient.apply(loss, code) if code.requires_grad else loss
