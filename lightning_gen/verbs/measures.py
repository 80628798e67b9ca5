"""What ``evaluate`` measures without a network of its own, each figure beside its floor or ceiling."""

from typing import Any

import torch

from lightning_gen.data import DataModule, GaussianMixture
from lightning_gen.metrics import Figure, Report, fit_pca, mode_coverage, reconstruction_error, sliced_wasserstein
from lightning_gen.metrics.pca import obstacle as pca_obstacle
from lightning_gen.modules import Autoencoder, GenerativeModule
from lightning_gen.verbs.samples import BATCH, batches, draw, pick

COMPARED, PROJECTIONS = 2_000, 512
"""Samples of each set that sliced Wasserstein distances compare, at most, and the directions they are projected on."""


@torch.no_grad()
def reconstruction(module: Autoencoder, data: DataModule) -> Report:
    """Error of reconstruction of the test split, and that of PCA at equal dimensions, fitted on the training split."""
    error = reconstruction_error((x, module.reconstruct(x)) for x in batches(data, data.test_set))
    code, dimensions = code_size(module, data), torch.Size(data.shape).numel()
    card: dict[str, Any] = {"reconstruction": f"decoded from codes of {code} numbers without noise"}
    reason = pca_obstacle(code, dimensions, len(data.train_set))
    if reason is not None:
        return Report(error.figures(), card, omitted={"PCA": reason})
    train = batches(data, data.train_set, max(2 * BATCH, 2 * code))
    pca = fit_pca(train, code, dimensions * len(data.train_set))
    baseline = reconstruction_error((x, pca.reconstruct(x)) for x in batches(data, data.test_set))
    pairs = zip(error.figures(), baseline.figures("pca_", f" by PCA with {code} dimensions"), strict=True)
    return Report(tuple(figure for pair in pairs for figure in pair), card | {"pca": pca.protocol})


def distance(module: GenerativeModule, data: DataModule, seed: int) -> Report:
    """Sliced Wasserstein distance of samples from the test split, and of real samples from each other.

    It compares pixels, or coordinates, and no features of a network: it is not FID, and says whether the distribution
    of pixels is right rather than how good pictures look.
    """
    count = min(COMPARED, len(data.test_set), len(data.train_set))
    real, other = pick(data, data.test_set, count, seed), pick(data, data.train_set, count, seed)
    drawn = float(sliced_wasserstein(draw(module, count, seed), real, PROJECTIONS))
    floor = float(sliced_wasserstein(other, real, PROJECTIONS))
    unit = "pixels in [-1, 1]" if len(data.shape) == 3 else "units of the data"
    meaning = f"distance of samples from the test split in {unit}, not FID, lower is better"
    figures = (
        Figure("sliced_wasserstein", drawn, meaning),
        Figure("sliced_wasserstein_floor", floor, "distance of as many training samples from the test split"),
    )
    protocol = {
        "samples": count,
        "real": f"{count} of test, {count} of train for the floor",
        "projections": PROJECTIONS,
        "seed": seed,
    }
    return Report(figures, {"sliced_wasserstein": protocol})


def coverage(module: GenerativeModule, data: GaussianMixture, seed: int, samples: int) -> Report:
    """Modes found, share of good samples and balance of the modes; see `mode_coverage`."""
    found = mode_coverage(draw(module, samples, seed), torch.tensor(data.centres), data.scale)
    protocol = {
        "samples": samples,
        "seed": seed,
        "high_quality": "Euclidean distance <= 3 sigma",
        "reverse_kl": "all samples",
    }
    return Report(found.figures(), {"modes": protocol})


def code_size(module: Autoencoder, data: DataModule) -> int:
    """Numbers in the code of one sample: `latent_dim`, times height and width where codes are maps."""
    return module.encode(next(batches(data, data.test_set, 1)))[0].numel()
