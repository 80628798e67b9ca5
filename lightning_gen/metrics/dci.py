"""Disentanglement, completeness and informativeness of a code, read off classifiers of its factors."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from lightning_gen.metrics.disentanglement import FactorCodes
from lightning_gen.metrics.report import Figure

TREES, DEPTH = 10, 12
"""Of each random forest."""


@dataclass(frozen=True)
class DCI:
    """What `dci` found.

    Attributes:
        importances: How much each latent matters to tell each factor, ``(latents, factors)``, float64; those of a
            factor add up to 1, or to 0 where no latent matters.
        accuracies: Of the classifier of each factor on codes that it was not fitted on, ``(factors,)``, float64.
        chances: Share of the most frequent value of each factor among the same, ``(factors,)``, float64.
    """

    importances: Tensor
    accuracies: Tensor
    chances: Tensor

    @property
    def disentanglement(self) -> float:
        r""":math:`\sum_j \rho_j (1 - H_K(P_j))` over latents: 1 where each matters for one factor alone, 0 to 1.

        :math:`P_j` are a latent's shares of importance for the K factors, :math:`H_K` their entropy to base K and
        :math:`\rho_j` the latent's share of all importance.
        """
        return concentration(self.importances)

    @property
    def completeness(self) -> float:
        """The same with latents and factors exchanged: 1 where one latent alone matters for each factor, 0 to 1."""
        return concentration(self.importances.T)

    @property
    def informativeness(self) -> float:
        """Mean accuracy of the classifiers, 0 to 1."""
        return self.accuracies.mean().item()

    def figures(self) -> tuple[Figure, ...]:
        """The numbers with what they mean."""
        by = "by random forests, 0 to 1, higher is better"
        chance = f"{self.chances.mean().item():.3g} by chance to 1, higher is better"
        return (
            Figure("dci_disentanglement", self.disentanglement, f"whether a latent tells one factor alone, {by}"),
            Figure("dci_completeness", self.completeness, f"whether a factor is told by one latent alone, {by}"),
            Figure(
                "dci_informativeness", self.informativeness, f"test accuracy of factors by random forests, {chance}"
            ),
        )


def dci(train: FactorCodes, test: FactorCodes, seed: int = 0) -> DCI:
    """Fit a classifier of each factor on the codes and see which latents it uses.

    A Framework for the Quantitative Evaluation of Disentangled Representations, Eastwood and Williams 2018
    (https://openreview.net/forum?id=By-7dz-AZ). The classifiers are random forests of scikit-learn, where
    every split may use every latent, and importance is the mean decrease of Gini impurity. The paper fits random
    forests too, and regressions with a lasso penalty; disentanglement_lib takes gradient boosting, so that its figures
    cannot be compared with these.

    Args:
        train: Codes to fit on; disentanglement_lib takes 10,000.
        test: Codes to take the accuracy on, none of them fitted on; disentanglement_lib takes 5,000.
        seed: Of the forests.
    """
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
    """How `dci` classifies, as plain data."""
    return {
        "estimator": f"RandomForestClassifier of scikit-learn {sklearn.__version__}",
        "trees": TREES,
        "max_depth": DEPTH,
        "max_features": "all",
        "differs_from": "disentanglement_lib, which takes gradient boosting",
    }


def concentration(importances: Tensor) -> float:
    r"""Mean of :math:`1 - H(P_i) / \log C` over the R rows of a matrix, weighted by their sums.

    Args:
        importances: Numbers of at least 0, ``(R, C)``; :math:`P_i` is row i divided by its sum.

    Returns:
        0 to 1; 0 where all numbers are, and 1 where there is one column.
    """
    sums, columns = importances.sum(dim=1), importances.shape[1]
    if sums.sum() == 0:
        return 0.0
    if columns == 1:
        return 1.0
    shares = importances / sums.clamp_min(torch.finfo(importances.dtype).tiny).unsqueeze(1)
    entropy = torch.special.entr(shares).sum(dim=1) / math.log(columns)
    return ((1 - entropy) * sums).sum().item() / sums.sum().item()
