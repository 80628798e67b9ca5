"""What all devices must agree on."""

import torch
from torch import Tensor


def sum_over_devices(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place; the tensor itself where there is only one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(x)
    return x


def all_reduce_mean(tensors: list[Tensor]) -> None:
    """Average tensors over all processes, in place, with one collective a dtype.

    Args:
        tensors: The same shapes in the same order on every process.
    """
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        group = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        torch.distributed.all_reduce(flat)
        flat /= torch.distributed.get_world_size()
        pieces = flat.split([tensor.numel() for tensor in group])
        torch._foreach_copy_(group, [piece.view_as(tensor) for piece, tensor in zip(pieces, group, strict=True)])
