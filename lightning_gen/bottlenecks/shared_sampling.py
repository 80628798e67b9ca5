"""Samples that are equal on all devices, though each device has data and random numbers of its own."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Total: TypeAlias = Callable[[Tensor], Tensor]
"""Sums a tensor over all devices."""

TICKETS = 64
"""Tickets to draw from: with more of them devices draw the same one less often, but exchange more numbers a sample."""


def sampled(x: Tensor, count: int, generator: torch.Generator, total: Total) -> tuple[Tensor, Tensor]:
    """Sample vectors at random from those of all devices; the result is the same on every device.

    For each sample every device draws one of its own vectors and, to break the tie, a ticket. The lowest ticket that
    only one device has drawn supplies the vector.

    Args:
        x: This device's vectors, ``(n, width)``.
        count: Number of samples.
        generator: This device's own source of random numbers.
        total: Sums over all devices.

    Returns:
        The vectors ``(count, width)``, and which of them are valid, ``(count,)``: a vector is valid if it is finite and
        if some ticket was unique. No ticket is unique if every ticket was drawn by several devices, which with two
        devices happens once in `TICKETS`.
    """
    picks, tickets = (
        torch.randint(high, (count,), generator=generator, device=generator.device).to(x.device)
        for high in (len(x), TICKETS)
    )
    unique = total(one_hot(tickets, TICKETS).long()) == 1
    wins = unique.any(1) & (tickets == unique.int().argmax(1))
    vectors = total(torch.where(wins[:, None], x[picks], 0))
    return vectors, unique.any(1) & vectors.isfinite().all(1)


def one_hot(indices: Tensor, count: int) -> Tensor:
    """One-hot rows of indices ``(n,)`` from 0 to below `count`, bool, ``(n, count)``."""
    # Not torch's `one_hot`: on some devices it waits for the indices in order to check them
    return indices[:, None] == torch.arange(count, device=indices.device)
