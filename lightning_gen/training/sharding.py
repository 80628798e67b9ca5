"""Work that is divided over the processes of a run by whole numbered parts: the result does not depend on how many."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.training.collectives import grouped, leave_group

BATCH = 64
"""Samples in a numbered batch."""

PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which may train a classifier meanwhile."""

Result = TypeVar("Result")

Draw = Callable[[int, Tensor | None, torch.Generator], Tensor]
"""Draws samples ``(n, *shape)``: their number n, their classes ``(n,)`` or None, and a source of random numbers."""


def rank_and_processes() -> tuple[int, int]:
    """The number of this process and the number of all; 0 and 1 where there is no group of processes."""
    if not grouped():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def in_order(part: Callable[[int], Result], parts: int) -> list[Result] | None:
    """The results of numbered parts in their order, of which process r of W computes r, r + W, r + 2 W, ...

    Args:
        part: Computes the part of a number, the same on every process.
        parts: Their number.

    Returns:
        The list on the first process, None on the others.
    """
    rank, processes = rank_and_processes()
    own = [part(index) for index in range(rank, parts, processes)]
    if processes == 1:
        return own
    gathered: list[Any] | None = [None] * processes if rank == 0 else None
    torch.distributed.gather_object(own, gathered)
    if gathered is None:
        return None
    return [gathered[index % processes][index // processes] for index in range(parts)]


def from_first(value: Any) -> Any:
    """The value that the first process has, on every process."""
    if rank_and_processes()[1] == 1:
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values)
    return values[0]


@contextmanager
def launched_group() -> Iterator[None]:
    """Join the processes that ``torch.distributed.run`` has started, if it has; they exchange results over the CPU."""
    if not torch.distributed.is_torchelastic_launched():
        yield
        return
    torch.distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        leave_group()


class NumberedSamples:
    """Samples in numbered batches: batch b is drawn with a seed of its own, so it can be drawn alone, on any process.

    Args:
        draw: Draws samples.
        count: Number of samples; the last batch is drawn whole too, and cut.
        seed: Seed, of which each batch makes its own.
        labels: The classes to draw, ``(count,)``, for a conditional model; or None.
    """

    def __init__(self, draw: Draw, count: int, seed: int, labels: Tensor | None = None) -> None:
        self.draw = draw
        self.count = count
        self.seed = seed
        self.labels = labels

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.count // BATCH)

    def batch(self, index: int) -> Tensor:
        """One batch, ``(n, *shape)``, on the CPU.

        Raises:
            InputError: Some samples are not finite.
        """
        labels = None
        if self.labels is not None:  # the last batch repeats the first classes
            labels = self.labels[torch.arange(index * BATCH, (index + 1) * BATCH) % self.count]
        x = self.draw(BATCH, labels, seeded(self.seed % 2**64, index))[: self.count - index * BATCH].cpu()
        if not x.isfinite().all():
            raise InputError("some samples are not finite: the training diverged, evaluate an earlier checkpoint")
        return x

    def rows(self, rows: Tensor) -> Tensor:
        """The samples of some rows, ``(len(rows), *shape)``: their batches are drawn once more."""
        batches = {index: self.batch(index) for index in (rows // BATCH).unique().tolist()}
        return torch.stack([batches[row // BATCH][row % BATCH] for row in rows.tolist()])

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.batch, range(len(self)))
