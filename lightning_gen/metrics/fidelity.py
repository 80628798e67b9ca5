"""How samples compare with real images in features of a published network: all figures of two sets of features."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lightning_gen.metrics.frechet import frechet_distance
from lightning_gen.metrics.inception_score import SPLITS, inception_score
from lightning_gen.metrics.kernel_distance import SUBSET_SIZE, SUBSETS, kernel_distance
from lightning_gen.metrics.precision_recall import (
    DENSITY_NEIGHBOURS,
    PRECISION_NEIGHBOURS,
    density_coverage,
    precision_recall,
)
from lightning_gen.metrics.pretrained_features import FigureNames, PretrainedFeatures
from lightning_gen.metrics.report import Measurement

FEWEST = 10
"""Least number of images of each kind that are compared."""

NEIGHBOURED = 10_000
"""Largest number of images of each kind between which all distances are taken."""


@dataclass(frozen=True)
class Value:
    """A number, and the least and the greatest value if it is the mean of several."""

    number: float
    spread: tuple[float, float] | None = None


@dataclass(frozen=True)
class Figure:
    """A figure of two sets of images.

    Attributes:
        name: Its name, from the names of the features.
        reference: What the same figure of other real images is called: the floor or the ceiling.
        meaning: What it measures, in one line; ``{network}`` stands for the network.
    """

    name: Callable[[FigureNames], str]
    reference: str
    meaning: str


DISTANCE = Figure(
    lambda names: names.distance,
    "floor",
    "Fréchet distance from real images in the features of {network}, lower is better",
)
KERNEL_DISTANCE = Figure(
    lambda names: names.kernel_distance,
    "floor",
    "kernel distance from real images in the features of {network}, unbiased for any number, lower is better",
)
PRECISION = Figure(
    lambda names: names.of_kind("precision"),
    "ceiling",
    "share of samples that are like real images (quality), higher is better",
)
RECALL = Figure(
    lambda names: names.of_kind("recall"),
    "ceiling",
    "share of real images that are like samples (variety), higher is better",
)
DENSITY = Figure(
    lambda names: names.of_kind("density"),
    "ceiling",
    "how densely real images lie around samples (quality, no outlier counts much); 1 for real ones",
)
COVERAGE = Figure(
    lambda names: names.of_kind("coverage"),
    "ceiling",
    "share of real images with a sample nearby (variety, no outlier counts much), higher is better",
)
SCORE = Figure(
    lambda names: names.score,
    "ceiling",
    "how sure {network} is of each sample and how many classes it sees in all, higher is better",
)


def compared(fake: Tensor, real: Tensor, features: PretrainedFeatures) -> dict[Figure, Value]:
    """All figures of two sets of images.

    Args:
        fake: The network's outputs for samples, ``(n, num_features + num_classes)``, at least `FEWEST`.
        real: Those for real images.
        features: The network.

    Raises:
        InputError: There are too few, or some are not finite.
    """
    width = features.num_features
    logits, fake, real = fake[:, width:], fake[:, :width], real[:, :width]
    kernel = kernel_distance(fake, real)
    few, fewer = fake[:NEIGHBOURED], real[:NEIGHBOURED]
    like, dense = precision_recall(fewer, few), density_coverage(fewer, few)
    found = {
        DISTANCE: Value(float(frechet_distance(fake, real))),
        KERNEL_DISTANCE: Value(kernel.mean, (kernel.least, kernel.greatest)),
        PRECISION: Value(like.precision),
        RECALL: Value(like.recall),
        DENSITY: Value(dense.density),
        COVERAGE: Value(dense.coverage),
    }
    if not logits.shape[1]:
        return found
    score = inception_score(logits)
    return found | {SCORE: Value(score.mean, (score.least, score.greatest))}


def measurements(
    found: dict[Figure, Value], reference: dict[Figure, Value], features: PretrainedFeatures, count: int, others: str
) -> tuple[Measurement, ...]:
    """Figures of samples, each followed by that of other real images.

    Args:
        found: Those of samples.
        reference: Those of other real images.
        features: The network.
        count: Number of samples.
        others: The other real images, in words.
    """
    same = f"the same of {others} instead of samples of the model"
    both = []
    for figure, value in found.items():
        name, meaning = figure.name(features.names), figure.meaning.format(network=features.name)
        if figure is DISTANCE:
            meaning += few_samples(count, features)
        both.append(Measurement(name, value.number, meaning, value.spread))
        other = reference[figure]
        both.append(Measurement(f"{name}_{figure.reference}", other.number, same, other.spread))
    return tuple(both)


def few_samples(count: int, features: PretrainedFeatures) -> str:
    """What to think of a Fréchet distance of fewer images than features; empty for more."""
    if count > features.num_features:
        return ""
    return (
        f"; {count:,} images are fewer than the {features.num_features:,} features, so it is much too large and only "
        f"comparable for equal numbers: {features.names.kernel_distance} is not"
    )


def too_few(count: int) -> str | None:
    """Why so few images of each kind have no figures: a sentence; None if they have."""
    if count >= FEWEST:
        return None
    return (
        f"{count} images of the test split and of the training split can be compared, and figures need at least "
        f"{FEWEST}: give more images, or set --data.test_fraction higher"
    )


PROTOCOL = {
    "kid": (
        f"kernel (x y / d + 1)^3, {SUBSETS} seeded subsets of {SUBSET_SIZE:,}, or of half of the images where there "
        "are fewer"
    ),
    "precision_recall": f"k = {PRECISION_NEIGHBOURS}",
    "density_coverage": f"k = {DENSITY_NEIGHBOURS}",
    "covariance": "divided by n - 1, float64",
    "inception_score": f"{SPLITS} parts in a seeded order, logits without bias",
}
"""How the figures are computed, as plain data."""
