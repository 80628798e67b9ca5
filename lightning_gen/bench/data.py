"""The batches of a reference loop."""

from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.records import Batch

Real: TypeAlias = tuple[Tensor, Tensor | None]
"""Real samples, model values ``(n, *shape)``, and their classes ``(n,)`` or None."""

HELD = 2**28
"""Maximum size in bytes of the samples of a reference loop: the data may be larger than the memory."""


def batches(
    data: DataModule, labelled: bool, device: torch.device, rank: int = 0, world_size: int = 1
) -> Iterator[Real]:
    """Endless shuffled batches, a process's share of each, taken from a tensor and scaled on the device.

    Args:
        data: The data, after `setup`; the first samples of the training split are used.
        labelled: Whether batches include classes.
        device: The device of the batches.
        rank: Number of this process, from 0.
        world_size: Number of processes that share each batch.
    """
    each = data.train_set[0].x.nbytes
    x, labels = data.train_set[: max(HELD // each, data.batch_size)]  # type: ignore[index]
    shuffles = torch.Generator().manual_seed(0)  # the same in all processes
    while True:
        for rows in torch.randperm(len(x), generator=shuffles).split(data.batch_size):
            if len(rows) == data.batch_size:
                rows = rows[rank::world_size]
                real = data.medium.to_model(moved(x[rows], device))
                yield real, None if labels is None or not labelled else moved(labels[rows], device)


def batches_with_targets(data: DataModule, device: torch.device) -> Iterator[Batch]:
    """Endless shuffled batches with their targets, where the data have any, taken from tensors; see `batches`."""
    first = data.train_set[0]
    each = first.x.nbytes + (0 if first.target is None else first.target.nbytes)
    held = data.train_set[: max(HELD // each, data.batch_size)]  # type: ignore[index]
    shuffles = torch.Generator().manual_seed(0)
    while True:
        for rows in torch.randperm(len(held.x), generator=shuffles).split(data.batch_size):
            if len(rows) == data.batch_size:
                x, target = (
                    None if every is None else data.medium.to_model(moved(every[rows], device))
                    for every in (held.x, held.target)
                )
                assert x is not None
                yield Batch(x, None, target)


def moved(x: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; the copy to a GPU is asynchronous."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
