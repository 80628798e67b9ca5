"""Samples of a split as a model sees them, batch by batch: all in order, or some at random."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from lightning_gen.data.base import DataModule
from lightning_gen.data.loader import Loader, Samples
from lightning_gen.media import Medium
from lightning_gen.records import Batch

BATCH = 512
"""Number of samples that are read at a time."""


def labelled(data: DataModule, split: Samples, size: int = BATCH) -> Iterator[Batch]:
    """All samples of a split in order, as the model sees them, ``(size, *shape)``; the last batch may be smaller."""
    return (data.scaled(batch) for batch in Loader(split, size))


def batches(data: DataModule, split: Samples, size: int = BATCH) -> Iterator[Tensor]:
    """The same without labels."""
    return (batch.x for batch in labelled(data, split, size))


def picked(
    data: DataModule, split: Samples, count: int, generator: torch.Generator, size: int = BATCH
) -> Iterator[Batch]:
    """Random samples of a split without repetition, as the model sees them, batch by batch."""
    rows = torch.randperm(len(split), generator=generator)[:count]
    return (data.scaled(split.__getitems__(part.tolist())) for part in rows.split(size))


def picks(data: DataModule, split: Samples, count: int, seed: int) -> Iterator[Tensor]:
    """The same without labels."""
    return (batch.x for batch in picked(data, split, count, torch.Generator().manual_seed(seed)))


def pick(data: DataModule, split: Samples, count: int, seed: int) -> Tensor:
    """All `picks` in one tensor, ``(count, *shape)``."""
    return torch.cat(list(picks(data, split, count, seed)))


def rounded(batches: Iterable[Tensor], medium: Medium) -> Iterator[Tensor]:
    """Samples after a round trip through files, batch by batch: images in [-1, 1] get 8 bits, sounds 16."""
    return (medium.to_model(medium.to_stored(x)) for x in batches)


def real_images(data: DataModule, split: Samples, count: int, seed: int) -> Iterator[Tensor]:
    """Random samples of a split, rounded as in files, batch by batch."""
    return rounded(picks(data, split, count, seed), data.medium)


def drawn_classes(data: DataModule, count: int, seed: int) -> Tensor | None:
    """Classes ``(count,)`` of random training samples, each as frequent as in the data; None if they have none."""
    if data.num_classes is None:
        return None
    rows = torch.randint(len(data.train_set), (count,), generator=torch.Generator().manual_seed(seed))
    labels = [data.train_set.__getitems__(part.tolist()).labels for part in rows.split(BATCH)]
    return torch.cat([each for each in labels if each is not None])
