"""What all devices must agree on."""

from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError


def sum_over_devices(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place; the tensor itself where there is only one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(x)
    return x


@torch.no_grad()
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


def of_all_devices(value: Any) -> list[Any]:
    """What each process has, by rank; a list of one where there is only one process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def check_equal_sizes(sizes: list[int]) -> None:
    """Check that the processes share batches of the same data.

    Args:
        sizes: Training samples that each process sees.

    Raises:
        InputError: They differ.
    """
    other = next((rank for rank, size in enumerate(sizes) if size != sizes[0]), None)
    if other is not None:
        raise InputError(
            f"process 0 sees {sizes[0]:,} training samples and process {other} sees {sizes[other]:,}: give all "
            "machines the same files, a shared folder or copies of it"
        )
