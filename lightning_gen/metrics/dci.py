"""Disentanglement, completeness and informativeness of a code, from classifiers that predict the factors."""

import math
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_gen.metrics.disentanglement import FactorCodes
from lightning_gen.metrics.report import Measured, Measurement

TREES, DEPTH = 10, 12
"""Number of trees of each random forest, and their depth."""


@dataclass(frozen=True)
class DCI(Measured):
    """The result of `dci`.

    Attributes:
        importances: Importance of each latent for predicting each factor, ``(latents, factors)``, float64; the sum over
            the latents is 1 for each factor, or 0 if no latent predicts it.
        accuracies: Accuracy of the classifier of each factor on test codes, ``(factors,)``, float64.
        chances: Share of the most frequent value of each factor among the test codes, ``(factors,)``, float64.
    """

    importances: Tensor
    accuracies: Tensor
    chances: Tensor

    @property
    def disentanglement(self) -> float:
        r""":math:`\sum_j \rho_j (1 - H_K(P_j))` over latents, 0 to 1: 1 if each latent matters for one factor only.

        :math:`P_j` are a latent's shares of importance for the K factors, :math:`H_K` their entropy to base K and
        :math:`\rho_j` the latent's share of all importance.
        """
        return concentration(self.importances)

    @property
    def completeness(self) -> float:
        """The same with latents and factors exchanged, 0 to 1: 1 if only one latent is important for each factor."""
        return concentration(self.importances.T)

    @property
    def informativeness(self) -> float:
        """Mean accuracy of the classifiers, 0 to 1."""
        return self.accuracies.mean().item()

    def measurements(self) -> tuple[Measurement, ...]:
        """The numbers with their meanings."""
        by = "by random forests, 0 to 1, higher is better"
        chance = f"{self.chances.mean().item():.3g} by chance to 1, higher is better"
        return (
            Measurement("dci_disentanglement", self.disentanglement, f"whether a latent encodes one factor only, {by}"),
            Measurement("dci_completeness", self.completeness, f"whether one latent only encodes a factor, {by}"),
            Measurement(
                "dci_informativeness", self.informativeness, f"test accuracy of factors by random forests, {chance}"
            ),
        )


def dci(train: FactorCodes, test: FactorCodes, seed: int = 0) -> DCI:
    """Fit a classifier of each factor to the codes, and measure which latents it uses.

    A Framework for the Quantitative Evaluation of Disentangled Representations, Eastwood and Williams 2018
    (https://openreview.net/forum?id=By-7dz-AZ). The classifiers are scikit-learn's random forests, every split may use
    every latent, and importance is the mean decrease of Gini impurity. The paper uses random forests too, and lasso
    regression; disentanglement_lib uses gradient boosting, so its results cannot be compared with these.

    Args:
        train: Codes to fit the classifiers to; disentanglement_lib uses 10,000.
        test: Other codes, for the accuracy; disentanglement_lib uses 5,000.
        seed: Seed of the forests.
    """
    from sklearn.ensemble import RandomForestClassifier  # here: it takes long to import

    fitted_on, tested_on = (part.codes.float().cpu().numpy() for part in (train, test))
    importances, accuracies = [], []
    for known, wanted in zip(train.factors.T.cpu().numpy(), test.factors.T.cpu().numpy(), strict=True):
        forest = RandomForestClassifier(TREES, max_depth=DEPTH, max_features=None, random_state=seed % 2**32)
        forest.fit(fitted_on, known)
        importances.append(forest.feature_importances_)
        accuracies.append(forest.score(tested_on, wanted))
    chances = [factor.bincount().max().item() / len(factor) for factor in test.factors.T.cpu()]
    as_tensor = partial(torch.tensor, dtype=torch.float64)
    return DCI(as_tensor(np.array(importances)).T, as_tensor(accuracies), as_tensor(chances))


def protocol() -> dict[str, Any]:
    """The classifiers of `dci`, as plain data."""
    return {
        "estimator": f"RandomForestClassifier of scikit-learn {version('scikit-learn')}",
        "trees": TREES,
        "max_depth": DEPTH,
        "max_features": "all",
        "differs_from": "disentanglement_lib, which uses gradient boosting",
    }


def concentration(importances: Tensor) -> float:
    r"""Mean of :math:`1 - H(P_i) / \log C` over the R rows of a matrix, weighted by their sums.

    Args:
        importances: Numbers of at least 0, ``(R, C)``; :math:`P_i` is row i divided by its sum.

    Returns:
        A number from 0 to 1; 0 for a matrix of zeros, else 1 for one column.
    """
    sums, columns = importances.sum(dim=1), importances.shape[1]
    if sums.sum() == 0:
        return 0.0
    if columns == 1:
        return 1.0
    shares = importances / sums.clamp_min(torch.finfo(importances.dtype).tiny).unsqueeze(1)
    entropy = torch.special.entr(shares).sum(dim=1) / math.log(columns)
    return ((1 - entropy) * sums).sum().item() / sums.sum().item()
