"""Images with targets, which are read as crops: the same of both where they belong together, else one of each."""

import numpy as np

from lightning_gen.data.base import ArrayDataset, BatchedDataset
from lightning_gen.data.views import Framing, Views
from lightning_gen.records import Batch


class Pairs(BatchedDataset):
    """Sources and targets; of the smaller set the first follow the last, so that each sample has a partner.

    Attributes:
        source: The sources at the size at which they were decoded.
        target: The targets likewise.
        framing: The crops; read by its number, a pair is the crop of the centre.
    """

    def __init__(self, source: ArrayDataset, target: ArrayDataset, framing: Framing) -> None:
        self.source = source
        self.target = target
        self.framing = framing

    def __len__(self) -> int:
        return max(len(self.source), len(self.target)) if len(self.source) and len(self.target) else 0

    def __getitems__(self, indices: list[int]) -> Batch:
        centre = [self.framing.centre] * len(indices)
        return self.read(indices, indices, centre, centre)

    def read(self, sources: list[int], targets: list[int], of_sources: list[int], of_targets: list[int]) -> Batch:
        """The pairs of any samples, by their numbers, and the numbers of their crops."""
        x = self.source.__getitems__([index % len(self.source) for index in sources]).x
        target = self.target.__getitems__([index % len(self.target) for index in targets]).x
        return Batch(self.framing.of(x, of_sources), None, self.framing.of(target, of_targets))

    @property
    def sample_bytes(self) -> int:
        """The size of a pair in bytes."""
        return sum(int(np.prod(each.x.shape[1:-2])) for each in (self.source, self.target)) * int(
            np.prod(self.framing.size)
        )


class PairedViews(BatchedDataset):
    """Pairs that belong together as training reads them: one crop, perhaps mirrored, of both.

    Attributes:
        pairs: The pairs.
        views: The number of crops.
    """

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.views = Views(pairs.framing.count)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitems__(self, indices: list[int]) -> Batch:
        crops, rows = (list(each) for each in zip(*(divmod(index, len(self)) for index in indices), strict=True))
        return self.pairs.read(rows, rows, crops, crops)

    @property
    def sample_bytes(self) -> int:
        """The size of a pair in bytes."""
        return self.pairs.sample_bytes


class UnpairedViews(PairedViews):
    """Pairs of unrelated samples as training reads them: a crop of each, and a partner from the smaller set.

    Attributes:
        pairs: The samples.
        views: The number of pairs of crops, and of partners.
    """

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs)
        self.views = Views(pairs.framing.count**2, min(len(pairs.source), len(pairs.target)))

    def __getitems__(self, indices: list[int]) -> Batch:
        count, longer = self.pairs.framing.count, len(self.pairs.source) >= len(self.pairs.target)
        rows, partners, of_sources, of_targets = [], [], [], []
        for index in indices:
            rest, row = divmod(index, len(self))
            partner, crops = divmod(rest, self.views.count)
            rows.append(row)
            partners.append(partner)
            of_sources.append(crops % count)
            of_targets.append(crops // count)
        sources, targets = (rows, partners) if longer else (partners, rows)
        return self.pairs.read(sources, targets, of_sources, of_targets)
