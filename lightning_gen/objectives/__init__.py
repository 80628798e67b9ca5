"""Objectives: losses as functions of logits, of a reconstruction or of a translation; they know no network."""

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
from lightning_gen.objectives.categorical import CategoricalLikelihood
from lightning_gen.objectives.ctc import CTCLikelihood
from lightning_gen.objectives.learned_scale import PixelScaleGaussianLikelihood, SharedScaleGaussianLikelihood
from lightning_gen.objectives.logistic import LogisticMixtureLikelihood
from lightning_gen.objectives.patch_contrast import PatchContrast
from lightning_gen.objectives.perceptual import LPIPS, Lite0Perceptual, Perceptual, PerceptualTerm
from lightning_gen.objectives.reconstruction import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    Likelihood,
)
from lightning_gen.objectives.spectral import MelDistance
from lightning_gen.objectives.translation import AbsoluteError, CycleConsistency, IdentityMapping, TranslationTerm
from lightning_gen.objectives.wrapped import HiddenPart, WrappedLikelihood

__all__ = [
    "LPIPS",
    "AbsoluteError",
    "AdversarialObjective",
    "AuxiliaryTerm",
    "BernoulliLikelihood",
    "CTCLikelihood",
    "CategoricalLikelihood",
    "Classification",
    "CycleConsistency",
    "DensityRatio",
    "FeatureMatching",
    "FeatureReconstruction",
    "GaussianLikelihood",
    "HiddenPart",
    "Hinge",
    "IdentityMapping",
    "ImportanceWeightedBound",
    "LaplaceLikelihood",
    "LayerwiseFeatureMatching",
    "LeastSquares",
    "Likelihood",
    "Lite0Perceptual",
    "LogisticMixtureLikelihood",
    "MelDistance",
    "Minimax",
    "NonSaturating",
    "PatchContrast",
    "Perceptual",
    "PerceptualTerm",
    "PixelScaleGaussianLikelihood",
    "RelativisticAverage",
    "RelativisticPaired",
    "SharedScaleGaussianLikelihood",
    "TranslationTerm",
    "Wasserstein",
    "WrappedLikelihood",
    "log_weights",
]
