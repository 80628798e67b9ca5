"""Disentanglement metrics, on data whose factors of variation are known."""

from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.data.known import KnownFactors
from lightning_gen.data.reading import BATCH
from lightning_gen.evaluation.codes import encoded
from lightning_gen.evaluation.samples import observed, seeded
from lightning_gen.metrics import FactorCodes, Report, dci, factor_vae_score, mutual_information_gap
from lightning_gen.metrics.dci import protocol as dci_protocol
from lightning_gen.metrics.disentanglement import BINS, DEAD, EVAL_VOTES, TRAIN_VOTES, VARIANCE_SAMPLES, VOTE_SIZE
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch

FITTED, TESTED = 10_000, 5_000
"""Maximum numbers of images for the mutual information and for fitting the classifiers, and for testing these."""

WIDEST = 64
"""Maximum numbers in a code for DCI; with more, its classifiers would take minutes to fit."""


def disentanglement(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """Mutual information gap, FactorVAE score and DCI of codes without noise.

    Args:
        module: An autoencoder in evaluation mode.
        data: Data with `known_factors`; images of every combination are used, also those of the training split.
        seed: Seed of the choice of images and of the classifiers.

    Raises:
        InputError: A code is not finite.
    """
    factors = data.known_factors
    assert factors is not None
    every = FactorCodes(all_codes(module, data, factors, seed), factors.combinations)
    order = torch.randperm(len(every), generator=seeded(seed))
    fitted = min(FITTED, 2 * len(every) // 3)
    train, test = every[order[:fitted]], every[order[fitted : fitted + TESTED]]
    gap, votes = mutual_information_gap(train), factor_vae_score(every, seed)
    report = Report(
        gap.measurements() + votes.measurements(),
        {"disentanglement": protocol_of(factors, every, train, votes.active, seed)},
    )
    latents = every.codes.shape[1]
    if latents > WIDEST:
        return report + Report(
            omitted={"dci": f"the code holds {latents} numbers, and at most {WIDEST} are classified"}
        )
    protocol = {"fitted_on": f"{len(train)} images", "tested_on": f"{len(test)} other images", **dci_protocol()}
    return report + Report(dci(train, test, seed).measurements(), {"dci": protocol})


@torch.no_grad()
def all_codes(module: Autoencoder, data: DataModule, factors: KnownFactors, seed: int) -> Tensor:
    """Codes without noise of all `factors.combinations`, in their order, ``(n, latents)``; maps are flattened."""
    images = (data.scaled(Batch(factors.draw(rows), rows[:, 0])) for rows in factors.combinations.split(BATCH))
    seen = observed(module, images, seeded(seed))
    return torch.cat([encoded(module, batch).flatten(1).cpu() for batch in seen])


def protocol_of(
    factors: KnownFactors, every: FactorCodes, train: FactorCodes, active: int, seed: int
) -> dict[str, Any]:
    """The protocol of the metrics without classifiers."""
    return {
        "codes": f"without noise (the posterior's mean), {every.codes.shape[1]} numbers",
        "pictures": f"{len(every)}, every combination of factors, training images among them",
        "factors": {name: size for name, size in zip(factors.names, factors.sizes, strict=True)},
        "mig": f"{BINS} bins of equal width, plug-in entropies, {len(train)} images without repetition",
        "factor_vae_score": f"{TRAIN_VOTES} training and {EVAL_VOTES} evaluation votes of {VOTE_SIZE} codes, variances "
        f"of {VARIANCE_SAMPLES} codes, drawn with repetition; {active} latents vote, of a standard deviation >= {DEAD}",
        "seed": seed,
    }
