"""Metrics of samples that need no classifier, with their floors."""

from lightning_gen.data import DataModule
from lightning_gen.data.reading import pick
from lightning_gen.evaluation.samples import Source, class_draws, draw
from lightning_gen.metrics import Measurement, Report, mode_coverage, sliced_wasserstein

COMPARED, PROJECTIONS = 2_000, 512
"""Maximum number of samples in each set for sliced Wasserstein distances, and the number of projections."""


def distance(source: Source, data: DataModule, seed: int) -> Report:
    """Sliced Wasserstein distance of samples from the test split, and of real samples from each other.

    It compares pixels, or coordinates, and no features of a network: it is not FID, and measures the distribution of
    pixels rather than how good images look.
    """
    count = min(COMPARED, len(data.test_set), len(data.train_set))
    real, other = pick(data, data.test_set, count, seed), pick(data, data.train_set, count, seed)
    labels = class_draws(source, data, count, seed)
    drawn = float(sliced_wasserstein(draw(source, count, seed, labels), real, PROJECTIONS))
    floor = float(sliced_wasserstein(other, real, PROJECTIONS))
    meaning = f"distance of samples from the test split in {data.medium.unit}, not FID, lower is better"
    distances = (
        Measurement("sliced_wasserstein", drawn, meaning),
        Measurement(
            "sliced_wasserstein_floor", floor, "the same of as many training samples instead of samples of the model"
        ),
    )
    protocol = {
        "samples": count,
        "real": f"{count} of test, {count} of train for the floor",
        "projections": PROJECTIONS,
        "seed": seed,
    }
    return Report(distances, {"sliced_wasserstein": protocol})


def coverage(source: Source, data: DataModule, seed: int, samples: int) -> Report:
    """Modes of a mixture in samples, the share of good samples and the balance of the modes; see `mode_coverage`."""
    mixture = data.mixture
    assert mixture is not None
    found = mode_coverage(draw(source, samples, seed), mixture.centres, mixture.scale)
    protocol = {
        "samples": samples,
        "seed": seed,
        "high_quality": "Euclidean distance <= 3 sigma",
        "reverse_kl": "all samples",
    }
    return Report(found.measurements(), {"modes": protocol})
