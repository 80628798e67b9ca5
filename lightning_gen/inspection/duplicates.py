"""Copies among images: exact ones by their pixels, near ones by small thumbnails."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lightning_gen.data.cache import progress

HASH_SIDE = 8
"""Side in pixels of the thumbnails by which near copies are found."""
CHECKED_SIDE = 32
"""Side in pixels at which they are compared again."""
LEVELS = 1.5
"""Difference in levels of 255, root mean square, that is too small to see."""
HASH_RATIO = 0.05
"""Maximum difference of two thumbnails, root mean square, as a share of their contrast."""
CHECKED_RATIO = 0.1
"""The same at `CHECKED_SIDE`, where JPEG leaves more of its errors."""
NEAREST = 8
"""Copies of an image that are compared at `CHECKED_SIDE`."""
MOST = 20_000
"""Images among which near copies are looked for: the time grows with the square of their number."""
ROWS = 1024
"""Images that are compared with all others at a time."""


class Pair(NamedTuple):
    """Two images, by their positions in the list of images, the earlier one first."""

    first: int
    second: int


@dataclass(frozen=True)
class Copies:
    """The copies among n images.

    Attributes:
        group: For each image, the first image with the same pixels, ``(n,)``.
        near: Pairs of such first images that look alike but differ in their pixels.
        compared: The number of images among which near copies were looked for.
    """

    group: np.ndarray
    near: tuple[Pair, ...]
    compared: int

    @cached_property
    def exact_pairs(self) -> list[Pair]:
        """Each image that has the pixels of an earlier one, with the first such."""
        return [Pair(int(first), row) for row, first in enumerate(self.group) if first != row]

    @cached_property
    def near_pairs(self) -> list[Pair]:
        """Each image that nearly has the pixels of an earlier one, with one such."""
        return sorted({pair.second: pair for pair in reversed(self.near)}.values())

    def between(self, split: Sequence[str]) -> list[Pair]:
        """Each image outside of the training split with an image of another split of which it is a copy.

        Args:
            split: The split of each image, ``train``, ``val`` or ``test``.
        """
        alike: dict[int, list[int]] = {int(first): [int(first)] for first in self.group}
        for first, second in self.near:
            alike[first].append(second)
            alike[second].append(first)
        members: dict[int, list[int]] = {}
        for row, first in enumerate(self.group):
            members.setdefault(int(first), []).append(row)
        splits = {first: Counter(split[row] for row in rows) for first, rows in members.items()}
        found = []
        for row, first in enumerate(self.group):
            if split[row] == "train":
                continue
            others = (each for each in alike[int(first)] if set(splits[each]) - {split[row]})
            if (other := next(others, None)) is not None:
                found.append(Pair(next(each for each in members[other] if split[each] != split[row]), row))
        return found


def copies(digests: Sequence[bytes], thumbnails: Tensor, details: Tensor) -> Copies:
    """Find the copies among n images.

    Args:
        digests: Digests of their pixels.
        thumbnails: Their values in [0, 255] at `HASH_SIDE`, ``(n, channels * HASH_SIDE**2)``.
        details: The same at `CHECKED_SIDE`, or at the size of the images if that is less; uint8.
    """
    first: dict[bytes, int] = {}
    group = np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], dtype=np.int64)
    unique = np.flatnonzero(group == np.arange(len(group)))
    if len(unique) > MOST:
        unique = unique[np.linspace(0, len(unique) - 1, MOST).astype(np.int64)]
    pairs = candidates(thumbnails[unique], unique)
    return Copies(group, tuple(sorted(confirmed(pairs, details))), len(unique))


def candidates(thumbnails: Tensor, rows: np.ndarray) -> Iterator[Pair]:
    """Pairs of images whose thumbnails are near to each other; of each image at most `NEAREST`."""
    limits = LEVELS + HASH_RATIO * contrast(thumbnails)
    centred = thumbnails - thumbnails.mean(0)
    squares = centred.square().sum(1)
    numbers = centred.shape[1]
    starts = range(0, len(centred), ROWS)
    for start in progress(starts, len(starts), "looking for copies, part", calm=True):
        part = slice(start, start + ROWS)
        squared = (squares[part, None] + squares - 2 * centred[part] @ centred.T).clamp_(min=0).div_(numbers)
        own = torch.arange(len(squared))
        squared[own, own + start] = torch.inf
        nearest = squared.topk(min(NEAREST, len(centred)), largest=False)
        for here, (values, columns) in enumerate(zip(nearest.values, nearest.indices, strict=True), start):
            for column in columns[values.sqrt() <= torch.minimum(limits[here], limits[columns])].tolist():
                yield Pair(*sorted((int(rows[here]), int(rows[column]))))


def confirmed(pairs: Iterator[Pair], details: Tensor) -> set[Pair]:
    """The pairs that are near to each other in detail too."""
    found = sorted(set(pairs))
    kept = set()
    for start in range(0, len(found), ROWS):
        some = found[start : start + ROWS]
        one, other = (details[[pair[side] for pair in some]].float() for side in (0, 1))
        limits = LEVELS + CHECKED_RATIO * torch.minimum(contrast(one), contrast(other))
        alike = (one - other).square().mean(1).sqrt() <= limits
        kept |= {pair for pair, same in zip(some, alike.tolist(), strict=True) if same}
    return kept


def contrast(x: Tensor) -> Tensor:
    """The standard deviation of the values of each image, ``(n,)``."""
    return x.std(1, correction=0)
