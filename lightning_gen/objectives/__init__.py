"""Objectives: losses as functions of logits or of a reconstruction; they know no network."""

from lightning_gen.objectives.adversarial import (
    AdversarialObjective,
    DensityRatio,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)
from lightning_gen.objectives.auxiliary import (
    AuxiliaryTerm,
    Classification,
    FeatureMatching,
    FeatureReconstruction,
    LayerwiseFeatureMatching,
)
from lightning_gen.objectives.bound import ImportanceWeightedBound, log_weights
from lightning_gen.objectives.learned_scale import PixelScaleGaussianLikelihood, SharedScaleGaussianLikelihood
from lightning_gen.objectives.logistic import LogisticMixtureLikelihood
from lightning_gen.objectives.perceptual import LPIPS, Lite0Perceptual, Perceptual, PerceptualTerm
from lightning_gen.objectives.reconstruction import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    Likelihood,
)
from lightning_gen.objectives.wrapped import HiddenPart, WrappedLikelihood

__all__ = [
    "LPIPS",
    "AdversarialObjective",
    "AuxiliaryTerm",
    "BernoulliLikelihood",
    "Classification",
    "DensityRatio",
    "FeatureMatching",
    "FeatureReconstruction",
    "GaussianLikelihood",
    "HiddenPart",
    "Hinge",
    "ImportanceWeightedBound",
    "LaplaceLikelihood",
    "LayerwiseFeatureMatching",
    "LeastSquares",
    "Likelihood",
    "Lite0Perceptual",
    "LogisticMixtureLikelihood",
    "Minimax",
    "NonSaturating",
    "Perceptual",
    "PerceptualTerm",
    "PixelScaleGaussianLikelihood",
    "RelativisticAverage",
    "RelativisticPaired",
    "SharedScaleGaussianLikelihood",
    "Wasserstein",
    "WrappedLikelihood",
    "log_weights",
]
