"""Real samples and samples of a model, batch by batch."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.data.cache import progress
from lightning_gen.data.reading import BATCH, drawn_classes
from lightning_gen.errors import InputError
from lightning_gen.inference import Inference
from lightning_gen.metrics import FeatureExtractor
from lightning_gen.modules import Autoencoder
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.records import Batch
from lightning_gen.samplers import LatentSampler
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import Classes


@dataclass(frozen=True)
class Source:
    """A model with the distribution of its codes, which draws samples.

    Attributes:
        module: The model.
        sampler: Distribution of its codes; None for its own prior.
        inference: How it draws.
    """

    module: GenerativeModule
    sampler: LatentSampler | None = None
    inference: Inference = Inference()  # noqa: RUF009 - frozen, so it can be shared

    @property
    def classes(self) -> Classes:
        """The classes that samples can be asked for, of the model or of the sampler."""
        if self.sampler is None:
            return self.module.known_classes
        return cast(CodeSampling, self.module).classes_with(self.sampler)

    def sample(self, count: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Draw samples ``(count, *shape)``, of the given classes if there are any; on the CPU."""
        options: dict[str, Any] = {} if self.sampler is None else {"sampler": self.sampler}
        return self.inference.run(self.module.sample, count, labels, generator, **options)

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Have the model where it draws, compiled if that is asked for, and back where it was at the end."""
        before = self.module.device
        self.module.to(self.inference.device)
        self.inference.compile(self.module.applied_networks.values())
        try:
            yield
        finally:
            self.module.to(before)


def seeded(seed: int) -> torch.Generator:
    """A new source of random numbers, on the CPU."""
    return torch.Generator().manual_seed(seed)


def say_pace(features: FeatureExtractor) -> None:
    """Print on stderr how many images a second passed through a network."""
    if features.pace.images:
        how = f"{features.pace.rate:,.1f} a second on {features.inference}"
        say(f"features of {features.pace.images:,} images by {features.name}: {how}", sys.stderr)


def observed(module: Autoencoder, batches: Iterable[Batch], generator: torch.Generator) -> Iterator[Batch]:
    """Samples after the `input_transform` of an autoencoder, if it has one.

    Generators in the same state and batches of the same size draw the same samples.
    """
    return (replace(batch, x=module.transform_input(batch.x, generator)) for batch in batches)


def drawn(source: Source, count: int, seed: int, labels: Tensor | None = None) -> Iterator[Tensor]:
    """Samples of a model, drawn batch by batch from one seeded generator; a long wait has lines on stderr.

    Args:
        source: The model and the distribution of its codes.
        count: Number of samples.
        seed: Seed of the generator.
        labels: The classes to draw, ``(count,)``, for a conditional model; None for classes at random.

    Raises:
        InputError: Some are not finite.
    """
    generator, starts = seeded(seed), range(0, count, BATCH)
    for start in progress(starts, len(starts), "drawing batches of samples", calm=True):
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


def class_draws(source: Source, data: DataModule, count: int, seed: int) -> Tensor | None:
    """Classes for samples of each class, ``(count,)``, as often as in the data, which metrics compare with.

    None where model or data have no classes, or the model does not know those of the data.
    """
    known = source.classes.count
    unknown = known is None or data.num_classes is None or data.num_classes > known
    return None if unknown else drawn_classes(data, count, seed)
