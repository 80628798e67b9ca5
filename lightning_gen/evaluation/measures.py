"""What ``evaluate`` measures of samples without a network of its own, each figure beside its floor or ceiling."""

from lightning_gen.data import DataModule
from lightning_gen.evaluation.samples import Source, draw, pick
from lightning_gen.metrics import Measurement, Report, mode_coverage, sliced_wasserstein

COMPARED, PROJECTIONS = 2_000, 512
"""Samples of each set that sliced Wasserstein distances compare, at most, and the directions they are projected on."""


def distance(source: Source, data: DataModule, seed: int) -> Report:
    """Sliced Wasserstein distance of samples from the test split, and of real samples from each other.

    It compares pixels, or coordinates, and no features of a network: it is not FID, and says whether the distribution
    of pixels is right rather than how good pictures look.
    """
    count = min(COMPARED, len(data.test_set), len(data.train_set))
    real, other = pick(data, data.test_set, count, seed), pick(data, data.train_set, count, seed)
    drawn = float(sliced_wasserstein(draw(source, count, seed), real, PROJECTIONS))
    floor = float(sliced_wasserstein(other, real, PROJECTIONS))
    meaning = f"distance of samples from the test split in {data.medium.unit}, not FID, lower is better"
    figures = (
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
    return Report(figures, {"sliced_wasserstein": protocol})


def coverage(source: Source, data: DataModule, seed: int, samples: int) -> Report:
    """Modes of a mixture found, share of good samples and balance of the modes; see `mode_coverage`."""
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
