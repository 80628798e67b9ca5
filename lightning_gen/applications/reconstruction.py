"""What is left of samples in a model: reconstructions from codes, and from latents that were searched."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_gen.applications.code_files import StoredCodes
from lightning_gen.applications.inputs import Inputs, batch_size
from lightning_gen.applications.inversion import Inversion
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import evaluating
from lightning_gen.data.cache import progress
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.media import Medium

KEY = 2
"""What the key of the random numbers of a model's own samples has beside the seed of the search."""


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """The reconstructions of a batch.

    Attributes:
        stored: The reconstructions as they are written, stored values ``(n, *shape)`` on the CPU.
        codes: Their codes, or latents, ``(n, *latent_shape)``.
        labels: The classes with which they were decoded, ``(n,)``; None for a model without classes.
        x: The samples, model values ``(n, *shape)``; None where only codes are known.
    """

    stored: Tensor
    codes: Tensor
    labels: Tensor | None
    x: Tensor | None = None


def through_code(inputs: Inputs) -> Iterator[Reconstructed]:
    """Reconstruct samples from their codes, without noise, batch by batch.

    Raises:
        InputError: Reconstructions are not finite.
    """
    module: Any = inputs.trained.module
    with torch.no_grad(), evaluating(module):
        for batch in inputs.batches("reconstructing, batches"):
            codes = module.encode(batch.x, batch.labels)
            yield decoded(inputs.trained, codes, batch.labels, batch.x)


def by_search(inputs: Inputs, inversion: Inversion, told_classes: bool) -> Iterator[Reconstructed]:
    """Reconstruct samples from latents that are searched, batch by batch.

    Args:
        inputs: The samples.
        inversion: The search, of their model.
        told_classes: Whether the search is told the classes of the samples; if not it searches them too.

    Raises:
        InputError: Reconstructions are not finite.
    """
    done = 0
    with evaluating(inputs.trained.module):
        for batch in inputs.batches():
            title = f"searching latents of {done + 1:,} to {done + len(batch.x):,} of {len(inputs):,}"
            found = inversion(batch.x, batch.labels if told_classes else None, title)
            yield decoded(inputs.trained, found.latents, found.labels, batch.x)
            done += len(batch.x)


def from_codes(codes: StoredCodes, trained: Trained) -> Iterator[Reconstructed]:
    """Decode codes in the batches in which they were made, so that the samples are equal to the bit.

    Raises:
        InputError: Samples are not finite.
    """
    size = batch_size(tuple(trained.module.data_shape))
    parts = codes.codes.split(size)
    labels = [None] * len(parts) if codes.labels is None else codes.labels.split(size)
    with evaluating(trained.module):
        for part, each in progress(zip(parts, labels, strict=True), len(parts), "decoding, batches", calm=True):
            classes = None if each is None else each.to(trained.device)
            yield decoded(trained, part.to(trained.device), classes, None)


@torch.no_grad()
def decoded(trained: Trained, codes: Tensor, labels: Tensor | None, x: Tensor | None) -> Reconstructed:
    """The samples of codes, as they are written.

    Raises:
        InputError: They are not finite.
    """
    samples = trained.module.from_latents(codes, labels)
    if not samples.isfinite().all():
        raise InputError("some reconstructions are not finite: the training diverged, take an earlier checkpoint")
    kept = None if trained.module.num_classes is None else labels
    return Reconstructed(trained.medium.to_stored(samples), codes, kept, x)


def squared_errors(x: Tensor, stored: Tensor, medium: Medium) -> Tensor:
    """The mean squared error of each sample, in the medium's `error_unit`, float64 ``(n,)``.

    Args:
        x: Samples, model values ``(n, *shape)``.
        stored: Their reconstructions as they are written, ``(n, *shape)``.
        medium: Their kind.
    """
    one, other = medium.comparable(x.float().cpu(), medium.to_model(stored))
    return (one - other).square().flatten(1).mean(1).double()


def own_errors(trained: Trained, inversion: Inversion, n: int, told_classes: bool) -> Tensor:
    """The errors of `n` of the model's own samples that are searched in the same way, ``(n,)``: what the search loses.

    Args:
        trained: The model.
        inversion: The search, of the same model.
        n: Number of samples.
        told_classes: Whether the search is told their classes.
    """
    module, source = inversion.module, seeded(inversion.search.seed, KEY)
    labels = None if module.num_classes is None else module.classes(n, None, source)
    x = module.sample(n, labels, source)
    found = inversion(x, labels if told_classes else None, f"searching latents of {n} samples of the model itself")
    return squared_errors(x, trained.medium.to_stored(found.samples), trained.medium)
