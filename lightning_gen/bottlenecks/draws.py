"""Draws that all devices share, though each of them has data and random numbers of its own."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Total: TypeAlias = Callable[[Tensor], Tensor]
"""Sums a tensor over all devices."""

LOTS = 64
"""Lots to draw from: with more, devices share one less often, and more numbers pass between them for each place."""


def drawn(x: Tensor, count: int, generator: torch.Generator, total: Total) -> tuple[Tensor, Tensor]:
    """Draw vectors at random from those of all devices, the same on every one of them.

    For each place every device draws a vector of its own and a lot; the lowest lot that only one device has wins.

    Args:
        x: This device's vectors, ``(n, width)``.
        count: How many to draw.
        generator: This device's own source.
        total: Sums over all devices.

    Returns:
        The vectors ``(count, width)``, and which of the places were won by one that is finite, ``(count,)``. A place is
        won by nobody where every lot is shared, which with two devices happens once in `LOTS`.
    """
    picks, lots = (
        torch.randint(high, (count,), generator=generator, device=generator.device).to(x.device)
        for high in (len(x), LOTS)
    )
    alone = total(chosen(lots, LOTS).long()) == 1
    wins = alone.any(1) & (lots == alone.int().argmax(1))
    vectors = total(torch.where(wins[:, None], x[picks], 0))
    return vectors, alone.any(1) & vectors.isfinite().all(1)


def chosen(indices: Tensor, count: int) -> Tensor:
    """Which of `count` things each index ``(n,)`` names, bool, ``(n, count)``."""
    # Not `one_hot`, which on some devices reads the indices to check them
    return indices[:, None] == torch.arange(count, device=indices.device)
