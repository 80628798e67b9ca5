"""What a loader reads."""

from typing import Protocol

from lightning_gen.records import Batch


class Samples(Protocol):
    """A map-style dataset that also reads whole batches."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Batch:
        """One sample, without a batch dimension."""

    def __getitems__(self, indices: list[int]) -> Batch:
        """The samples at `indices` as one batch, ``(len(indices), *shape)``."""
