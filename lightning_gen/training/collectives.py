"""Collectives: sums, means and lists over all processes of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen import private


def grouped() -> bool:
    """Whether this process belongs to a group of processes."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def leave_group() -> None:
    """Leave the group of processes, if this process belongs to one.

    The threads of gloo take the last collective's objects back, for which they need Python's lock. The end of a group
    keeps this lock while it waits for the threads, so that both would wait for ever (torch 2.7: more than one group in
    three; torch 2.14: none of 100). The threads are given the time to finish first.
    """
    if grouped():
        time.sleep(0.1)
        torch.distributed.destroy_process_group()


def sum_over_devices(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place; unchanged with one process."""
    if grouped():
        torch.distributed.all_reduce(x)
    return x


def min_over_devices(x: Tensor) -> Tensor:
    """The minimum of a tensor over all processes, in place; unchanged with one process."""
    if grouped():
        torch.distributed.all_reduce(x, torch.distributed.ReduceOp.MIN)
    return x


@torch.no_grad()
def means_over_devices(tensors: list[Tensor], sent_as: torch.dtype | None = None) -> list[Tensor]:
    """Averages of tensors over all processes, with one collective a dtype; each with the strides of its tensor.

    Args:
        tensors: The same shapes and strides, without gaps in memory, in the same order on every process.
        sent_as: The type in which they are sent and summed; None for their own.

    Returns:
        Views of one flat tensor for each dtype.
    """
    means: dict[int, Tensor] = {}
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        group = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.as_strided((tensor.numel(),), (1,)) for tensor in group])  # in the order of memory
        flat /= torch.distributed.get_world_size()  # first: the sum could be too large for float16
        sent = flat.to(sent_as or dtype)
        torch.distributed.all_reduce(sent)
        pieces = sent.to(dtype).split([tensor.numel() for tensor in group])
        for tensor, piece in zip(group, pieces, strict=True):
            means[id(tensor)] = piece.as_strided(tensor.shape, tensor.stride())
    return [means[id(tensor)] for tensor in tensors]


@torch.no_grad()
def all_reduce_mean(tensors: list[Tensor]) -> None:
    """Average tensors over all processes, in place; see `means_over_devices`."""
    if tensors:
        private.copy_all(tensors, means_over_devices(tensors))


@contextmanager
def averaged_buffers(module: nn.Module) -> Iterator[None]:
    """Let the buffers of a module, such as BatchNorm's statistics, be their averages over all processes for a while."""
    buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    if not grouped() or not buffers:
        yield
        return
    own = [buffer.clone() for buffer in buffers]
    all_reduce_mean(buffers)
    try:
        yield
    finally:
        with torch.no_grad():
            private.copy_all(buffers, own)


def of_all_devices(value: Any) -> list[Any]:
    """The value of each process, by rank; a list of one value with one process."""
    if not grouped():
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values
