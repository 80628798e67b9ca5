"""The probabilities of a quantizer's indices, given those that were decoded before: whole numbers alone, so that they
are the same on every machine.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, isqrt, log, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding_bag

from lightning_gen.data.cache import progress
from lightning_gen.errors import InputError
from lightning_gen.records import Shape

NEIGHBOURS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
"""Rows and columns from a place to those whose indices are known before its own: left, above, and beside that one."""
RANK = 32
"""Numbers by which the index at a neighbour is described."""
SCALE = 256
"""A number of the model in whole numbers."""
STEPS = 64
"""A bit of a logarithm in whole numbers."""
BITS = 24
"""Logarithm to the base of 2 of the greatest weight, and the precision of the range coder."""
NUMBERS = 2**21
"""Maximum number of weights at a time."""
BATCH = 4096
"""Maximum number of indices of an update."""
LEAST, UPDATES, PASSES = 200, 1200, 30
"""Least and largest number of updates of a fit, and passes over the indices between these."""
CHECKS = 8
"""How often the held-out part is measured."""
HELD_OUT = 10
"""One picture of so many is held out of a fit, to choose the best of its states."""
RATE, DECAY = 0.02, 0.01
"""The learning rate of a fit, which falls to 0, and its weight decay."""


def powers() -> np.ndarray:
    """⌊2^(BITS - i / STEPS)⌋ for all i that give at least 1, from exact roots of whole numbers: equal everywhere.

    >>> powers()[[0, 64, 128]].tolist()
    [16777216, 8388608, 4194304]
    """
    found = []
    for i in range(BITS * STEPS + 1):
        value = 2 ** (BITS * STEPS - i)
        for _ in range(STEPS.bit_length() - 1):
            value = isqrt(value)  # ⌊√⌊√x⌋⌋ = ⌊x^¼⌋
        found.append(value)
    return np.array(found)


POWERS = powers().astype(np.float64)


@dataclass(frozen=True, eq=False)
class Codebook:
    """The tables of one codebook: log₂ p(k) ∝ Σ neighbour vectors · vector of k + bias of k.

    Attributes:
        neighbours: What each index at each neighbour says, int16 ``(neighbours, codes + 1, rank)``; the last one is
            that of places outside of the map. Neighbours are those of `NEIGHBOURS` in each codebook, then the same
            place in the codebooks before this one.
        places: What the place says, int16 ``(places, rank)``.
        vectors: What each code is compared by, int16 ``(rank, codes)``.
        bias: Logarithms of the smoothed counts of codes, int32 ``(codes,)``.
    """

    neighbours: Tensor
    places: Tensor
    vectors: Tensor
    bias: Tensor

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All tables in float64, in which sums and products of such whole numbers are exact in any order."""
        return tuple(each.numpy().astype(np.float64) for each in vars(self).values())


@dataclass(frozen=True, eq=False)
class IndexTables:
    """A log-linear model of indices, in whole numbers.

    The index at a place is predicted from those left of it and above it in all codebooks, from those of the codebooks
    before its own at the same place, and from the place itself. The model starts from smoothed counts and is fitted to
    the training split by gradient descent on the code length; then it is rounded to whole numbers, in which it is
    evaluated.

    Attributes:
        encoded_by: Key of the weights that gave the indices.
        map_size: Height and width of the map of indices.
        codebooks: The tables of each codebook.
    """

    encoded_by: str
    map_size: tuple[int, int]
    codebooks: tuple[Codebook, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each codebook."""
        return tuple(len(each.bias) for each in self.codebooks)

    @cached_property
    def arrays(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """The tables of each codebook in float64."""
        return tuple(each.arrays() for each in self.codebooks)

    @cached_property
    def key(self) -> str:
        """A hash of all tables."""
        digest = hashlib.sha256(str(self.map_size).encode())
        for codebook in self.codebooks:
            for name, table in vars(codebook).items():
                digest.update(f"{name} {table.dtype} {tuple(table.shape)}".encode())
                digest.update(table.contiguous().numpy().astype(table.numpy().dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def canvas(self, n: int) -> np.ndarray:
        """Indices of `n` maps with a border, ``(n, codebooks, height + 1, width + 2)``, none of which is known."""
        height, width = self.map_size
        return np.full((n, len(self.codebooks), height + 1, width + 2), max(self.sizes), np.int32)

    def weights(self, canvas: np.ndarray, codebook: int, row: int, column: int) -> np.ndarray:
        """Weights of all codes at a place, in proportion to their probabilities.

        Args:
            canvas: Indices as in `canvas`, those before this place known.
            codebook: The codebook.
            row: The place.
            column: The place.

        Returns:
            Whole numbers from 1 to 2^24, float64 ``(n, codes)``.
        """
        neighbours, places, vectors, bias = self.arrays[codebook]
        hidden = np.repeat(places[None, row * self.map_size[1] + column], len(canvas), 0)
        for table, (depth, down, right) in zip(neighbours, seen(len(self.codebooks), codebook), strict=True):
            hidden += table[canvas[:, depth, row + 1 + down, column + 1 + right]]
        logits = np.floor((hidden @ vectors + bias) * (STEPS / SCALE**2)).astype(np.int32)
        below = logits.max(1, keepdims=True) - logits
        return POWERS[np.minimum(below, len(POWERS) - 1, out=below)]

    # plain data -------------------------------------------------------------------------------------------------------

    def described(self) -> dict[str, Any]:
        """The tables as plain data and tensors."""
        return {
            "encoded_by": self.encoded_by,
            "map_size": list(self.map_size),
            "codebooks": [dict(vars(each)) for each in self.codebooks],
        }

    @classmethod
    def rebuilt(cls, stored: dict[str, Any]) -> "IndexTables":
        """The tables that `described` wrote."""
        height, width = stored["map_size"]
        return cls(stored["encoded_by"], (height, width), tuple(Codebook(**each) for each in stored["codebooks"]))

    # fitting ----------------------------------------------------------------------------------------------------------

    @classmethod
    def fit(cls, indices: Tensor, sizes: Sequence[int], encoded_by: str, seed: int = 0) -> "IndexTables":
        """Fit tables to indices.

        Args:
            indices: ``(n, codebooks, height, width)``.
            sizes: Codes of each codebook.
            encoded_by: Key of the weights that gave the indices.
            seed: Seed of the fit.

        Raises:
            InputError: There are no indices.
        """
        if not len(indices):
            raise InputError("there is no picture to count indices of: give a training split with pictures")
        maps = indices.long()
        height, width = maps.shape[2:]
        books = []
        for depth in range(len(sizes)):
            title = "fitting tables" if len(sizes) == 1 else f"fitting tables {depth + 1} of {len(sizes)}"
            books.append(Fit(maps, sizes, depth, seed).run(title))
        return cls(encoded_by, (height, width), tuple(books))


def seen(codebooks: int, codebook: int) -> Iterator[tuple[int, int, int]]:
    """The indices by which one is predicted: their codebook, and rows and columns from its place to theirs."""
    for down, right in NEIGHBOURS:
        yield from ((depth, down, right) for depth in range(codebooks))
    yield from ((depth, 0, 0) for depth in range(codebook))


class Fit:
    """A fit of the tables of one codebook.

    Args:
        maps: Indices ``(n, codebooks, height, width)``.
        sizes: Codes of each codebook.
        codebook: The codebook.
        seed: Seed of the start and of the order of pictures.
    """

    def __init__(self, maps: Tensor, sizes: Sequence[int], codebook: int, seed: int) -> None:
        self.source = torch.Generator().manual_seed(seed)
        count, books, self.height, self.width = maps.shape
        self.codebook, self.size, self.outside = codebook, sizes[codebook], max(sizes)
        self.offsets = list(seen(books, codebook))
        order = torch.randperm(count, generator=self.source)
        held = ceil(count / HELD_OUT) if count > 1 else 0
        self.held, self.kept = maps[order[:held]], maps[order[held:]]
        counts = torch.bincount(maps[:, codebook].flatten(), minlength=self.size).double() + 0.5
        places = self.height * self.width
        self.parameters = [
            torch.zeros(len(self.offsets) * (self.outside + 1), RANK),
            torch.zeros(places, RANK),
            torch.randn(RANK, self.size, generator=self.source) / RANK**0.5,
            (counts / counts.sum()).log().float(),
        ]
        self.batch = max(1, min(BATCH, NUMBERS // self.size) // places)

    def run(self, title: str) -> Codebook:
        """The tables of the state that codes held-out pictures in the fewest bits."""
        for each in self.parameters:
            each.requires_grad_()
        per_pass = ceil(len(self.kept) / self.batch)
        updates = min(UPDATES, max(LEAST, PASSES * per_pass))
        optimizer = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        best, least = self.rounded(), self.bits_held_out()
        for update in progress(range(updates), updates, title, calm=True):
            rows = torch.randint(len(self.kept), (min(self.batch, len(self.kept)),), generator=self.source)
            optimizer.zero_grad()
            self.loss(self.kept[rows]).backward()
            optimizer.step()
            schedule.step()
            if (update + 1) % max(1, updates // CHECKS) == 0 and (bits := self.bits_held_out()) < least:
                best, least = self.rounded(), bits
        return best

    def loss(self, maps: Tensor) -> Tensor:
        """Nats per index of maps ``(n, codebooks, height, width)``."""
        neighbours, places, vectors, bias = self.parameters
        height, width = self.height, self.width
        framed = torch.nn.functional.pad(maps, (1, 1, 1, 0), value=self.outside)
        rows = torch.stack(
            [
                framed[:, depth, 1 + down : 1 + down + height, 1 + right : 1 + right + width] + k * (self.outside + 1)
                for k, (depth, down, right) in enumerate(self.offsets)
            ],
            -1,
        )
        hidden = embedding_bag(rows.flatten(0, -2), neighbours, mode="sum").view(len(maps), -1, RANK) + places
        return cross_entropy((hidden @ vectors + bias).flatten(0, 1), maps[:, self.codebook].flatten())

    @torch.no_grad()
    def bits_held_out(self) -> float:
        """Bits per index of the held-out pictures; 0 where there are none, so that no state is better than counts."""
        if not len(self.held):
            return 0.0
        parts = self.held[: 20 * self.batch].split(self.batch)
        return sum(float(self.loss(each)) * len(each) for each in parts) / sum(map(len, parts)) / log(2)

    @torch.no_grad()
    def rounded(self) -> Codebook:
        """The tables of the present state, in whole numbers."""
        neighbours, places, vectors, bias = self.parameters
        whole = torch.iinfo(torch.int16)

        def int16(x: Tensor) -> Tensor:
            return (x * SCALE).round().clamp(whole.min, whole.max).to(torch.int16)

        return Codebook(
            int16(neighbours).view(len(self.offsets), self.outside + 1, RANK),
            int16(places),
            int16(vectors / log(2)),
            (bias / log(2) * SCALE**2).round().to(torch.int32),
        )


def as_maps(indices: Sequence[Tensor]) -> Tensor:
    """Indices of each codebook, ``(n, ...)``, as maps ``(n, codebooks, height, width)``: rows of the last side."""
    stacked = torch.stack(list(indices), 1)
    sides = stacked.shape[2:]
    return stacked.view(*stacked.shape[:2], prod(sides[:-1]), sides[-1] if sides else 1)


def from_maps(maps: Tensor, map_size: Shape) -> list[Tensor]:
    """Indices of each codebook, ``(n, *map_size)``, of maps ``(n, codebooks, height, width)``."""
    return [maps[:, depth].reshape(len(maps), *map_size) for depth in range(maps.shape[1])]
