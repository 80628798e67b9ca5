"""Latents that a user names, by seeds or by pictures, and the codes of data."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import cast

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from lightning_gen.applications.inputs import batch_size, check_shape
from lightning_gen.applications.inversion import Inversion
from lightning_gen.applications.reading import read_inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import evaluating
from lightning_gen.data import DataModule
from lightning_gen.data.base import Splits
from lightning_gen.data.cache import OnError
from lightning_gen.data.reading import labelled, picked
from lightning_gen.errors import InputError
from lightning_gen.modules import Autoencoder, GANModule
from lightning_gen.paths import expanded
from lightning_gen.records import Batch, Code
from lightning_gen.terminal import say
from lightning_gen.training.classes import check_classes

SAMPLES = 10_000
"""Maximum number of samples of data that are encoded."""
VALUES = 2**24
"""Maximum number of values of all their codes."""
OBSERVED = 0
"""Seed of the random transform of samples before they are encoded, and of the choice of samples."""


@dataclass(frozen=True, eq=False)
class Named:
    """Latents with names.

    Attributes:
        names: The name of each.
        latents: ``(n, *latent_shape)``.
        drawn: Whether they are of the prior, drawn or searched; else they are codes of samples.
        notes: What was done to samples, for the user: sentences.
    """

    names: tuple[str, ...]
    latents: Tensor
    drawn: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DrawnCodes:
    """Codes of data, or latents of the prior.

    Attributes:
        values: ``(n, *latent_shape)``, float32 on the CPU.
        labels: Their classes ``(n,)``, or None.
        classes: The names of the classes, or None.
        divergence: Mean Kullback-Leibler divergence of posterior and prior in nats, ``(*latent_shape)``; None where
            there is none.
    """

    values: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    divergence: Tensor | None = None


def seed_of(word: str) -> int | None:
    """The seed that a word is; None for the name of a file."""
    return int(word) if re.fullmatch(r"[+-]?\d+", word) else None


def named_latents(
    trained: Trained, words: Sequence[str], label: int | None = None, on_error: OnError = "raise"
) -> Named:
    """The latents of seeds, or the codes of pictures; for GANs the latents that `Inversion` finds for these.

    Args:
        trained: The model.
        words: Whole numbers, the seeds of latents as ``sample --n 1 --seed`` draws them; or what `read_inputs` reads,
            such as files of pictures, which may be named several times.
        label: The class of all, for conditional models.
        on_error: What happens if pictures cannot be decoded; see `read_inputs`.

    Raises:
        InputError: Seeds and files are mixed, a file cannot be read, or there is no prior to draw from.
    """
    seeds = [seed_of(word) for word in words]
    numbers = [seed for seed in seeds if seed is not None]
    if len(numbers) == len(words):
        return of_seeds(trained, numbers)
    if numbers:
        file = words[seeds.index(None)]
        raise InputError(f"{numbers[0]} is a seed and {file} a picture: give ends of one kind")
    return of_pictures(trained, words, label, on_error)


def of_seeds(trained: Trained, seeds: Sequence[int]) -> Named:
    """Latents of the prior, each drawn with a seed of its own.

    Raises:
        InputError: There is no prior.
    """
    module = trained.module
    if not module.has_prior:
        raise InputError("the codes of this model have no prior from which a seed could draw: give pictures instead")
    drawn = [module.draw_latents(1, torch.Generator().manual_seed(seed)) for seed in seeds]
    return Named(tuple(map(str, seeds)), torch.cat(drawn), drawn=True)


def of_pictures(trained: Trained, words: Sequence[str], label: int | None, on_error: OnError) -> Named:
    """The codes of samples in the order of their names, or of the files that are given.

    Raises:
        InputError: A file cannot be read.
    """
    given = [word if word in Splits._fields else os.path.abspath(expanded(word)) for word in words]
    different = list(dict.fromkeys(given))
    inputs = read_inputs(trained, different, on_error)
    find = encoded if trained.module.reconstructs else searching(trained, len(inputs))
    batches = (replace(batch, labels=same_label(trained, label, len(batch.x))) for batch in inputs.batches())
    codes = torch.cat([find(trained, batch) for batch in batches])
    order = [different.index(each) for each in given] if len(inputs) == len(different) else list(range(len(inputs)))
    names = [os.path.splitext(name)[0] for name in inputs.names]
    return Named(tuple(names[place] for place in order), codes[order], not trained.module.reconstructs, inputs.notes)


def searching(trained: Trained, count: int) -> Callable[[Trained, Batch], Tensor]:
    """A search of the latents from which a GAN makes samples as close as possible to given ones; see `Inversion`.

    Args:
        trained: The GAN.
        count: Number of samples, for the line that says on stderr that this takes long.

    Raises:
        InputError: The model has no latents to search.
    """
    if not trained.module.inverts:
        raise InputError(
            f"{type(trained.module).__name__} has neither an encoder nor latents to search: give seeds, such as 1 and 2"
        )
    say(
        f"a GAN has no encoder: the latents of {count:,} {trained.medium.noun} are searched, which takes seconds to "
        "minutes each",
        sys.stderr,
    )
    inversion = Inversion(cast(GANModule, trained.module))
    return lambda trained, batch: inversion(batch.x, batch.labels, "searching latents").latents


def check_encodes(trained: Trained) -> None:
    """Check that a model has an encoder for data.

    Raises:
        InputError: It has none.
    """
    if not trained.module.reconstructs:
        raise InputError("a GAN has no encoder for data: give seeds, such as 1 and 2, or single pictures")


def first_of_data(trained: Trained, data: DataModule, label: int | None = None) -> tuple[Named, int | None]:
    """The code of the first test sample of data, and its class for a conditional model.

    Args:
        trained: The model.
        data: The data.
        label: Its class; None for that of the sample.

    Raises:
        InputError: The data have another shape, no test split, or no classes for a conditional model.
    """
    check_encodes(trained)
    prepare(trained, data)
    name = next(iter(data.sample_names("test")), None)
    if name is None:
        raise InputError(f"the test split of {type(data).__name__} is empty: name a picture with --start")
    batch = next(labelled(data, data.test_set, 1)).to(trained.device)
    if trained.module.num_classes is not None and label is None:
        label = int(cast(Tensor, batch.labels)[0])
    codes = encoded(trained, replace(batch, labels=same_label(trained, label, 1)))
    return Named((str(name),), codes, drawn=False), label


def prepare(trained: Trained, data: DataModule) -> None:
    """Check the shape and the classes of data, and make its splits.

    Raises:
        InputError: They have another shape than the model's, or no classes or more where it is conditional.
    """
    check_shape(trained, tuple(data.shape), type(data).__name__)
    if trained.module.num_classes is not None:
        check_classes(trained.module.num_classes, data.num_classes)
    data.prepare_data()
    data.setup()


def same_label(trained: Trained, label: int | None, count: int) -> Tensor | None:
    """One class for each of some samples, ``(count,)``; None for None."""
    return None if label is None else torch.full((count,), label, device=trained.device)


def encoded(trained: Trained, batch: Batch) -> Tensor:
    """Codes of samples without noise, ``(n, *latent_shape)``, of the encoder in evaluation mode."""
    return code_of(trained, batch, torch.Generator(trained.device).manual_seed(OBSERVED)).mean


@torch.no_grad()
def code_of(trained: Trained, batch: Batch, generator: torch.Generator) -> Code:
    """The code of samples, with its posterior where there is one, after the model's transform of inputs.

    Args:
        trained: The model.
        batch: Samples on its device.
        generator: Source of the transform.
    """
    module = cast(Autoencoder, trained.module)
    encoder, bottleneck, _ = module.networks
    with evaluating(module):
        return bottleneck(encoder(module.transform_input(batch.x, generator), batch.labels), None)


def codes_of_data(trained: Trained, data: DataModule, count: int = SAMPLES) -> DrawnCodes:
    """Codes of random training samples without noise, and their mean divergence from the prior.

    Args:
        trained: The model.
        data: The data.
        count: Maximum number of samples; fewer where codes are large.

    Raises:
        InputError: The data have another shape than the model's, or codes are not finite.
    """
    check_encodes(trained)
    prepare(trained, data)
    count = min(count, len(data.train_set), max(2, VALUES // prod(trained.module.latent_shape)))
    size = batch_size(tuple(trained.module.data_shape))
    values, labels, total = [], [], torch.zeros(())
    observing, choosing = torch.Generator(trained.device).manual_seed(OBSERVED), torch.Generator().manual_seed(OBSERVED)
    for batch in picked(data, data.train_set, count, choosing, size):
        code = code_of(trained, batch.to(trained.device), observing)
        values.append(code.mean.float().cpu())
        labels.append(batch.labels)
        total = total + divergence(code)
    codes = torch.cat(values)
    if not codes.isfinite().all():
        raise InputError("some codes are not finite: the training diverged, take an earlier checkpoint")
    known = [each for each in labels if each is not None]
    classes = torch.cat(known).cpu() if len(known) == len(labels) else None
    return DrawnCodes(codes, classes, data.classes, total / len(codes) if total.ndim else None)


def divergence(code: Code) -> Tensor:
    """The divergence of posterior and prior of each number of a code, summed over samples, ``(*latent_shape)``.

    A scalar for codes without a posterior.
    """
    levels = [kl_divergence(level.posterior, level.prior).sum(0).float().cpu() for level in code.levels]
    return torch.cat(levels) if levels else torch.zeros(())


def codes_of_prior(trained: Trained, count: int = SAMPLES) -> DrawnCodes:
    """Latents of the prior of a model without an encoder."""
    count = min(count, max(2, VALUES // prod(trained.module.latent_shape)))
    return DrawnCodes(trained.module.draw_latents(count, torch.Generator().manual_seed(OBSERVED)).float().cpu())
