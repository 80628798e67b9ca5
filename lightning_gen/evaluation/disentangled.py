"""What ``evaluate`` measures where the factors of variation are known: whether each number of a code stands for one."""

from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.data.known import KnownFactors
from lightning_gen.evaluation.codes import encoded
from lightning_gen.evaluation.samples import BATCH, observed, seeded
from lightning_gen.metrics import FactorCodes, Report, dci, factor_vae_score, mutual_information_gap
from lightning_gen.metrics.dci import protocol as dci_protocol
from lightning_gen.metrics.disentanglement import BINS, DEAD, EVAL_VOTES, TRAIN_VOTES, VARIANCE_SAMPLES, VOTE_SIZE
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch

FITTED, TESTED = 10_000, 5_000
"""Pictures whose codes the mutual information is estimated from and the classifiers are fitted on, and pictures that
these are tested on, at most."""

WIDEST = 64
"""Numbers in a code beyond which classifiers of the factors would take minutes to fit."""


def disentanglement(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """Mutual information gap, FactorVAE score and DCI of codes without noise, of pictures with all factors.

    Args:
        module: An autoencoder in evaluation mode.
        data: Has `known_factors`; pictures of every combination are drawn, those that were trained on among them.
        seed: Of the pictures that are drawn and of the classifiers.

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
        {"disentanglement": card_of(factors, every, train, votes.active, seed)},
    )
    latents = every.codes.shape[1]
    if latents > WIDEST:
        return report + Report(
            omitted={"dci": f"the code holds {latents} numbers, and at most {WIDEST} are classified"}
        )
    protocol = {"fitted_on": f"{len(train)} pictures", "tested_on": f"{len(test)} other pictures", **dci_protocol()}
    return report + Report(dci(train, test, seed).measurements(), {"dci": protocol})


@torch.no_grad()
def all_codes(module: Autoencoder, data: DataModule, factors: KnownFactors, seed: int) -> Tensor:
    """Codes without noise of all `factors.combinations`, in their order, ``(n, latents)``; maps are flattened."""
    pictures = (data.scaled(Batch(factors.draw(rows), rows[:, 0])) for rows in factors.combinations.split(BATCH))
    seen = observed(module, pictures, seeded(seed))
    return torch.cat([encoded(module, batch).flatten(1).cpu() for batch in seen])


def card_of(factors: KnownFactors, every: FactorCodes, train: FactorCodes, active: int, seed: int) -> dict[str, Any]:
    """How the figures without classifiers are made."""
    return {
        "codes": f"without noise (the posterior's mean), {every.codes.shape[1]} numbers",
        "pictures": f"{len(every)}, every combination of factors, training pictures among them",
        "factors": {name: size for name, size in zip(factors.names, factors.sizes, strict=True)},
        "mig": f"{BINS} bins of equal width, plug-in entropies, {len(train)} pictures without repetition",
        "factor_vae_score": f"{TRAIN_VOTES} training and {EVAL_VOTES} evaluation votes of {VOTE_SIZE} codes, variances "
        f"of {VARIANCE_SAMPLES} codes, drawn with repetition; {active} latents vote, of a standard deviation >= {DEAD}",
        "seed": seed,
    }
