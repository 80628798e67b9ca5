"""Objectives: what is minimised, as a function of logits or of a reconstruction; they know no network."""

from lightning_gen.objectives.adversarial import (
    AdversarialObjective,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.objectives.auxiliary import AuxiliaryTerm, Classification, FeatureMatching
from lightning_gen.objectives.reconstruction import BernoulliLikelihood, GaussianLikelihood, Likelihood

__all__ = [
    "AdversarialObjective",
    "AuxiliaryTerm",
    "BernoulliLikelihood",
    "Classification",
    "FeatureMatching",
    "GaussianLikelihood",
    "Hinge",
    "LeastSquares",
    "Likelihood",
    "Minimax",
    "NonSaturating",
    "RelativisticAverage",
    "RelativisticPaired",
    "Wasserstein",
]
