"""Windows of samples of any size, such as a sound of any length: cut with overlaps, and joined again."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.records import Shape


@dataclass(frozen=True)
class Windows:
    """Where the windows of a whole begin; together they cover all of it.

    A side that is shorter than the window has one window that begins at 0, and is padded at its end with its last
    value. The last window of a side ends where the side ends.

    Attributes:
        sides: The sides of the whole, such as ``(length,)`` or ``(depth, height, width)``.
        window: The sides of a window, as many.
        overlap: Share of a window that the next one covers too, at least; from 0 to below 1.

    Raises:
        InputError: The numbers of sides differ, or the overlap is out of range.
    """

    sides: Shape
    window: Shape
    overlap: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise InputError(f"the overlap of windows must be at least 0 and less than 1, not {self.overlap}")
        if len(self.sides) != len(self.window):
            raise InputError(
                f"a whole of {len(self.sides)} dimensions has no windows of {len(self.window)}: give both as many sides"
            )

    @property
    def starts(self) -> list[Shape]:
        """The first place of each window on each side, the last side running fastest."""
        each = (starts_of(side, window, self.overlap) for side, window in zip(self.sides, self.window, strict=True))
        return list(product(*each))

    def __len__(self) -> int:
        return prod(
            len(starts_of(side, window, self.overlap)) for side, window in zip(self.sides, self.window, strict=True)
        )

    def cut(self, whole: Tensor) -> Tensor:
        """All windows ``(n, channels, *window)`` of a whole ``(channels, *sides)``."""
        for axis, (side, window) in enumerate(zip(self.sides, self.window, strict=True), start=1):
            if side < window:
                places = torch.arange(window).clamp(max=side - 1)
                whole = whole.index_select(axis, places.to(whole.device))
        return torch.stack([whole[self._place(start)] for start in self.starts])

    def join(self, windows: Iterable[Tensor]) -> Tensor:
        """The whole ``(channels, *sides)`` of windows ``(channels, *window)`` in the order of `starts`.

        Where windows overlap, the whole is their mean, weighted by a triangle on each side that is greatest in the
        middle of a window, so that the borders of windows are not seen. Windows that agree give the whole back.

        Raises:
            InputError: There are more or fewer windows than those of the whole.
        """
        weights = self._weights()
        total, summed = None, torch.zeros(self._padded, dtype=torch.float64)
        count = 0
        for start, window in zip(self.starts, windows, strict=False):
            if total is None:
                total = torch.zeros(len(window), *self._padded, dtype=torch.float64)
            place = self._place(start)
            total[place] += window.detach().cpu().double() * weights
            summed[place[1:]] += weights
            count += 1
        if total is None or count != len(self):
            raise InputError(
                f"a whole of {len(self)} windows cannot be joined from {count}: give all of them, in order"
            )
        cropped = (slice(None), *(slice(side) for side in self.sides))
        return (total / summed)[cropped].float()

    @property
    def _padded(self) -> Shape:
        return tuple(max(side, window) for side, window in zip(self.sides, self.window, strict=True))

    def _place(self, start: Shape) -> tuple[slice, ...]:
        return (slice(None), *(slice(at, at + side) for at, side in zip(start, self.window, strict=True)))

    def _weights(self) -> Tensor:
        weights = torch.ones((), dtype=torch.float64)
        for side in self.window:
            rising = torch.arange(1, side + 1, dtype=torch.float64)
            weights = weights[..., None] * torch.minimum(rising, rising.flip(0))
        return weights


def starts_of(side: int, window: int, overlap: float = 0.0) -> list[int]:
    """The first places of the windows that cover a side.

    >>> starts_of(10, 4)
    [0, 4, 6]
    >>> starts_of(10, 4, overlap=0.5)
    [0, 2, 4, 6]
    """
    last = max(0, side - window)
    step = max(1, int(window * (1 - overlap)))
    return [*range(0, last, step), last]
