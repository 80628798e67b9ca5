"""Pictures that are too large for memory, translated in tiles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.networks import Translator

HALO = 32
"""Pixels of a source around a tile that are translated with it where a translation depends on the whole source."""


@dataclass(frozen=True)
class Tiles:
    """How a picture is translated in tiles.

    Each tile is translated with a halo, pixels around it. With a halo of the network's `radius` the tiles are, up to
    rounding, those of the translation of the whole. Where that depends on the whole picture, as with instance
    normalization, it is approximated: neighbouring tiles are blended linearly where their halos overlap.

    Args:
        network: The translator.
        side: Pixels of a source along a side of a tile, at least 1.
    """

    network: Translator
    side: int

    @property
    def exact(self) -> bool:
        """Whether tiles give the translation of the whole, up to rounding."""
        return self.network.radius is not None

    @property
    def halo(self) -> int:
        """Pixels of a source around a tile that are translated with it."""
        return HALO if self.network.radius is None else self.network.radius

    def translate(self, whole: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Translations of pictures of one size.

        Args:
            whole: Translates pictures of any size, ``(n, channels, h, w)`` to ``(n, channels, scale · h, scale · w)``.
            x: The pictures.
        """
        scale, (height, width) = self.network.scale, x.shape[2:]
        made, weights = x.new_zeros(()), x.new_zeros(scale * height, scale * width)
        for rows in self.spans(height):
            for columns in self.spans(width):
                part = whole(x[..., rows.read, columns.read])
                weight = rows.weight(scale, x)[:, None] * columns.weight(scale, x)
                if not made.ndim:
                    made = part.new_zeros(*part.shape[:2], *weights.shape)
                kept = part[..., rows.within(scale), columns.within(scale)]
                place = rows.place(scale), columns.place(scale)
                made[..., place[0], place[1]] += weight * kept
                weights[place] += weight
        return made / weights

    def spans(self, length: int) -> Iterator["Span"]:
        """The tiles along a side of a picture.

        They begin where the network's strides begin and are no shorter than its least side, so that at its end a part
        is continued as the whole picture is.
        """
        step, least = self.network.multiple_of or 1, self.network.least_side
        blend = 0 if self.exact else self.halo
        for first in range(0, length, self.side):
            last = min(first + self.side, length)
            start = max(0, min(first - self.halo, length - least)) // step * step
            stop = min(max(last + self.halo, start + least), length)
            yield Span(start, stop, max(0, first - blend), min(last + blend, length), length, 2 * blend)


@dataclass(frozen=True)
class Span:
    """A tile along one side of a picture, in pixels of the source.

    Attributes:
        start: Where the part that is translated begins.
        stop: Where it ends.
        first: Where what is kept of its translation begins.
        last: Where that ends.
        length: The side of the picture.
        ramp: Pixels over which the weight of what is kept rises from an end that lies within the picture; 0: it has
            the same weight everywhere.
    """

    start: int
    stop: int
    first: int
    last: int
    length: int
    ramp: int

    @property
    def read(self) -> slice:
        """The part that is translated."""
        return slice(self.start, self.stop)

    def within(self, scale: int) -> slice:
        """What is kept, in the translation of the part."""
        return slice(scale * (self.first - self.start), scale * (self.last - self.start))

    def place(self, scale: int) -> slice:
        """What is kept, in the translation of the picture."""
        return slice(scale * self.first, scale * self.last)

    def weight(self, scale: int, like: Tensor) -> Tensor:
        """The weights of what is kept, ``(scale · (last - first),)``, above 0, in the dtype of a tensor."""
        ones = torch.ones(scale * (self.last - self.first), dtype=like.dtype, device=like.device)
        if not self.ramp:
            return ones
        rising = ((torch.arange(len(ones), device=like.device) + 0.5) / (scale * self.ramp)).clamp(max=1).to(like.dtype)
        return (rising if self.first else ones) * (rising.flip(0) if self.last < self.length else ones)
