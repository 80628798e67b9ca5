"""Real samples and samples of a model, batch by batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule, Loader, Samples
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch
from lightning_gen.samplers import LatentSampler
from lightning_gen.training import GenerativeModule

BATCH = 512
"""Number of samples that pass through the model at a time."""


@dataclass(frozen=True)
class Source:
    """A model with the distribution of its codes, which draws samples.

    Attributes:
        module: The model.
        sampler: Distribution of its codes; None for its own prior.
    """

    module: GenerativeModule
    sampler: LatentSampler | None = None

    def sample(self, count: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Draw samples ``(count, *shape)``, of the given classes if there are any."""
        options: dict[str, Any] = {} if self.sampler is None else {"sampler": self.sampler}
        return self.module.sample(count, labels, generator, **options)


def seeded(seed: int) -> torch.Generator:
    """A new source of random numbers, on the CPU."""
    return torch.Generator().manual_seed(seed)


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
    return (batch.x for batch in picked(data, split, count, seeded(seed)))


def observed(module: Autoencoder, batches: Iterable[Batch], generator: torch.Generator) -> Iterator[Batch]:
    """Samples after the `input_transform` of an autoencoder, if it has one.

    Generators in the same state and batches of the same size draw the same samples.
    """
    return (replace(batch, x=module.transform_input(batch.x, generator)) for batch in batches)


def pick(data: DataModule, split: Samples, count: int, seed: int) -> Tensor:
    """All `picks` in one tensor, ``(count, *shape)``."""
    return torch.cat(list(picks(data, split, count, seed)))


def drawn(source: Source, count: int, seed: int, labels: Tensor | None = None) -> Iterator[Tensor]:
    """Samples of a model, drawn batch by batch from one seeded generator.

    Args:
        source: The model and the distribution of its codes.
        count: Number of samples.
        seed: Seed of the generator.
        labels: The classes to draw, ``(count,)``, for a conditional model; None for classes at random.

    Raises:
        InputError: Some are not finite.
    """
    generator = seeded(seed)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        wanted = None if labels is None else labels[start : start + size]
        samples = source.sample(size, wanted, generator)
        if not samples.isfinite().all():
            raise InputError("some samples are not finite: the training diverged, evaluate an earlier checkpoint")
        yield samples


def draw(source: Source, count: int, seed: int, labels: Tensor | None = None) -> Tensor:
    """All `drawn` in one tensor, ``(count, *shape)``.

    Raises:
        InputError: Some are not finite.
    """
    return torch.cat(list(drawn(source, count, seed, labels)))


def class_draws(module: GenerativeModule, data: DataModule, count: int, seed: int) -> Tensor | None:
    """Classes for a conditional model's samples, ``(count,)``: those of random training samples.

    So each class is as frequent as in the data, which metrics compare with. None where model or data have no classes,
    or the model does not know those of the data.
    """
    known = module.num_classes
    if known is None or data.num_classes is None or data.num_classes > known:
        return None
    rows = torch.randint(len(data.train_set), (count,), generator=seeded(seed))
    labels = [data.train_set.__getitems__(part.tolist()).labels for part in rows.split(BATCH)]
    return torch.cat([each for each in labels if each is not None])


def real_images(data: DataModule, split: Samples, count: int, seed: int) -> Iterator[Tensor]:
    """Random images of a split, rounded to 8 bits, batch by batch."""
    return rounded(picks(data, split, count, seed), data.medium)


def rounded(batches: Iterable[Tensor], medium: Medium) -> Iterator[Tensor]:
    """Samples after a round trip through files, batch by batch: images in [-1, 1] are rounded to 8 bits."""
    return (medium.to_model(medium.to_stored(x)) for x in batches)
