"""How useful a conditional model's samples are as training data of a classifier, beside as many training images."""

import sys
from collections.abc import Iterable
from math import prod
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import ArrayDataset, DataModule
from lightning_gen.data.reading import picked
from lightning_gen.errors import InputError
from lightning_gen.evaluation.samples import Source, drawn, seeded
from lightning_gen.metrics import Measurement, Report
from lightning_gen.metrics.classifier import BATCH, VERSION, fit_classifier, training_steps
from lightning_gen.metrics.extractor import accuracy_of
from lightning_gen.metrics.extractor import skip_reason as classifier_skip_reason
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import WITH_CLASSES, Classes

MOST, VALUES = 60_000, 500_000_000
"""Maximum numbers of training images, and of their pixels, which bounds the memory."""

CLASSIFIERS = 3
"""Classifiers that are trained on samples, and on training images, each from a seed of its own."""


def check_usefulness(
    module: GenerativeModule, data: DataModule, has_sampler: bool = False, known: Classes | None = None
) -> None:
    """Check that a classifier can be trained on the samples of a model, before anything is computed.

    Args:
        module: The model.
        data: The data; ``setup`` is called.
        has_sampler: Whether a fitted sampler draws its codes.
        known: The classes that samples can be asked for; None for those of the model.

    Raises:
        InputError: The model has no classes or no prior, or the data have not its classes or are no images.
    """
    known, name = known or module.known_classes, type(data).__name__
    if known.count is None:
        raise InputError(
            "--usefulness trains a classifier on samples of each class and this model was trained without classes: "
            f"leave it out, or train {WITH_CLASSES}"
        )
    if not (module.has_prior or has_sampler):
        raise InputError(
            "--usefulness needs samples and the code has no prior to draw from: add --sampler "
            f"{module.suggested_sampler}"
        )
    data.prepare_data()
    data.setup()
    reason = classifier_skip_reason(data)
    if reason is not None:
        raise InputError(f"--usefulness trains a classifier, but {reason}: leave it out, or give other --data")
    if data.num_classes is not None and data.num_classes > known.count:
        raise InputError(
            f"the model knows {known.count} classes and {name} has {data.num_classes}: leave --usefulness out, or give "
            "the data that it was trained on with --data"
        )
    if None not in (known.names, data.classes) and known.names != data.classes:
        raise InputError(
            f"the classes of {name} are not those of the model, by name or by order: leave --usefulness out, or give "
            "the data that it was trained on with --data"
        )


def usefulness(source: Source, data: DataModule, seed: int) -> Report:
    """The accuracy on the test split of classifiers that were trained on samples alone (classification accuracy score),
    and of others that were trained on as many training images.

    Both have the same network, number of updates and seeds. The samples have the classes of the training images, one
    for one, and are drawn once. Each classifier is tested once, after its last update.

    Paper: Classification Accuracy Score for Conditional Generative Models, https://arxiv.org/abs/1905.10887

    Args:
        source: A conditional model; see `check_usefulness`.
        data: Labelled images; ``setup`` was called.
        seed: Seed of the choice of training images and of the samples.

    Raises:
        InputError: Some samples are not finite.
    """
    count = max(BATCH, min(MOST, len(data.train_set), VALUES // prod(data.shape)))
    noun = data.medium.noun
    say(
        f"training {CLASSIFIERS} classifiers on {count:,} samples and {CLASSIFIERS} on as many training {noun}: this "
        "takes minutes",
        sys.stderr,
    )
    real = in_memory(data, ((batch.x, batch.labels) for batch in picked(data, data.train_set, count, seeded(seed))))
    labels = real.labels
    assert labels is not None
    samples = drawn(source, count, seed, labels)
    fake = ArrayDataset(torch.cat([data.medium.to_stored(x) for x in samples]), labels)
    meaning = (
        f"share of test {noun} that a classifier trained on {count:,} samples alone assigns to their class "
        "(classification accuracy score), higher is better"
    )
    same = f"the same of {count:,} training {noun} instead of samples of the model"
    figures = (
        measured("cas_accuracy", fake, data, meaning),
        measured("real_accuracy", real, data, same),
    )
    return Report(figures, {"usefulness": protocol_of(count, data, seed)})


def measured(name: str, training: ArrayDataset, data: DataModule, meaning: str) -> Measurement:
    """The mean accuracy of classifiers on the test split, and its spread."""
    assert data.num_classes is not None
    found = [
        accuracy_of(fit_classifier(training, data.shape, data.num_classes, each), data.test_set)
        for each in range(CLASSIFIERS)
    ]
    return Measurement(name, fmean(found), meaning, (min(found), max(found)))


def in_memory(data: DataModule, batches: Iterable[tuple[Tensor, Tensor | None]]) -> ArrayDataset:
    """Labelled samples in memory, rounded as files are."""
    pairs = [(data.medium.to_stored(x), labels) for x, labels in batches]
    labels = [each for _, each in pairs if each is not None]
    return ArrayDataset(torch.cat([x for x, _ in pairs]), torch.cat(labels))


def protocol_of(count: int, data: DataModule, seed: int) -> dict[str, Any]:
    """How the accuracies are measured."""
    noun = data.medium.noun
    return {
        "trained_on": f"{count} samples, or {count} of {len(data.train_set)} training {noun}, whose classes they have",
        data.medium.values: data.medium.rounding,
        "classifier": f"ConvClassifier, version {VERSION}",
        "updates": f"{training_steps(count)} of {BATCH} {noun}, without augmentation",
        "tested_on": f"{len(data.test_set)} of test, once by each classifier, after its last update",
        "classifiers": f"mean of {CLASSIFIERS}, seeds 0 to {CLASSIFIERS - 1}, of one set of samples; in brackets the "
        "least and the greatest",
        "seed": seed,
    }
