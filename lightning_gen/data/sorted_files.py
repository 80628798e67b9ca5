"""The files of a kind in a folder, sorted into splits and classes by their sub-folders."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, Splits, split_rows
from lightning_gen.data.layout import Layout, listed
from lightning_gen.data.listing import Listing, list_files
from lightning_gen.data.loader import Samples
from lightning_gen.paths import expanded


@dataclass(frozen=True)
class SortedFiles:
    """The files of a kind in a folder, listed when they are first asked for.

    Attributes:
        folder: The folder.
        endings: The endings of the files, in lower case.
        noun: What such a file is, in the singular.
    """

    folder: str
    endings: tuple[str, ...]
    noun: str

    @cached_property
    def listing(self) -> Listing:
        """The files and the other files in the folder.

        Raises:
            InputError: The folder is missing, cannot be read, or has no such file.
        """
        return list_files(expanded(self.folder), self.endings, self.noun)

    @cached_property
    def layout(self) -> Layout:
        """The splits and classes of the files.

        Raises:
            InputError: There are files beside the splits.
        """
        return Layout.of(self.listing.names, self.folder, f"{self.noun}s")

    def deal(
        self, x: np.ndarray, counts: Sequence[int], val_fraction: float, test_fraction: float, seed: int
    ) -> Splits:
        """The samples of all splits, with their classes where they have them; no file is in two splits.

        Args:
            x: All samples, those of each file in the order of files.
            counts: The number of samples of each file; some file for training has one.
            val_fraction: Fraction of the files for validation, unless it has a folder.
            test_fraction: Fraction of the files for test, unless it has a folder.
            seed: Seed of the permutations.
        """
        number = torch.tensor(counts)
        first = number.cumsum(0) - number
        with_samples = number.nonzero()[:, 0]
        places = self.layout.places
        dealt = rows_of_splits(
            [places[file].split for file in with_samples.tolist()],
            self.layout.folders,
            val_fraction,
            test_fraction,
            seed,
        )
        index = {name: label for label, name in enumerate(self.layout.classes)}
        labels = torch.tensor([index.get(place.label or "", -1) for place in places]).repeat_interleave(number)
        return Splits(
            *(
                ArrayDataset(
                    x, labels if self.layout.has_labels(split) else None, samples_of(with_samples[part], first, number)
                )
                for split, part in zip(Splits._fields, dealt, strict=True)
            )
        )

    def classes_of(self, samples: Samples) -> list[str]:
        """The number of samples of each class, a line; none without classes."""
        if not isinstance(samples, ArrayDataset) or samples.labels is None or samples.rows is None:
            return []
        counts = torch.bincount(samples.labels[samples.rows], minlength=len(self.layout.classes))
        return [listed(Counter(dict(zip(self.layout.classes, counts.tolist(), strict=True))))]

    def others(self) -> list[str]:
        """The files with other endings, a line; none without them."""
        if not self.listing.others:
            return []
        return [f"left out, with other extensions than those of {self.noun}s: {self.listing.counts}"]


def samples_of(files: Tensor, first: Tensor, counts: Tensor) -> Tensor:
    """The rows of the samples of some files, ``(n,)``, file after file.

    Args:
        files: Indices of the files.
        first: The row of the first sample of each file.
        counts: The number of samples of each file.
    """
    each = counts[files]
    begins = (each.cumsum(0) - each).repeat_interleave(each)
    return first[files].repeat_interleave(each) + torch.arange(int(each.sum())) - begins


def split_sizes(count: int, val_fraction: float, test_fraction: float) -> list[int]:
    """Sizes of the training, validation and test split.

    A split whose fraction is not 0 has at least one sample if there are enough; training comes first, then validation.

    >>> split_sizes(1000, 0.1, 0.1), split_sizes(5, 0.1, 0.1), split_sizes(2, 0.1, 0.1)
    ([800, 100, 100], [3, 1, 1], [1, 1, 0])
    """
    val, test = (max(1, round(count * fraction)) if fraction else 0 for fraction in (val_fraction, test_fraction))
    rest = min(val + test, count - 1)
    val = min(val, max(1, rest - test), rest)
    test = rest - val
    return [count - rest, val, test]


def rows_of_splits(
    sources: Sequence[str], folders: Collection[str], val_fraction: float, test_fraction: float, seed: int
) -> list[Tensor]:
    """The rows of the training, validation and test split, each in random order.

    Args:
        sources: The split in whose folder each sample is, some of which are "train".
        folders: The splits that have a folder; the others are split off the samples of "train".
        val_fraction: Fraction for validation, unless it has a folder.
        test_fraction: Fraction for test, unless it has a folder.
        seed: Seed of the permutations.
    """
    own = {split: _positions(split, sources) for split in Splits._fields}
    val, test = (
        0 if split in folders else fraction for split, fraction in (("val", val_fraction), ("test", test_fraction))
    )
    _, val_size, test_size = split_sizes(len(own["train"]), val, test)
    dealt = split_rows(len(own["train"]), val_size, test_size, seed)
    found = []
    for split, rows in zip(Splits._fields, dealt, strict=True):
        source = split if split in folders else "train"
        order = rows if source == "train" else split_rows(len(own[source]), 0, 0, seed)[0]
        found.append(own[source][order])
    return found


def _positions(split: str, sources: Sequence[str]) -> Tensor:
    return torch.tensor([row for row, source in enumerate(sources) if source == split], dtype=torch.int64)
