"""Metrics: samples in, a number and its protocol out; they know no trainer and download nothing."""

from lightning_gen.metrics.classifier import ConvClassifier, fit_classifier
from lightning_gen.metrics.codebook import CodebookUse, codebook_use
from lightning_gen.metrics.comparison import Comparison
from lightning_gen.metrics.copies import Neighbours, neighbours
from lightning_gen.metrics.dci import DCI, dci
from lightning_gen.metrics.discriminative_score import DiscriminativeScore, discriminative_score
from lightning_gen.metrics.disentanglement import (
    FactorCodes,
    FactorVAEScore,
    MutualInformationGap,
    factor_vae_score,
    mutual_information_gap,
)
from lightning_gen.metrics.extractor import Extractor, trained_extractor
from lightning_gen.metrics.frechet import GaussianStatistics, frechet_distance
from lightning_gen.metrics.inception_score import InceptionScore, inception_score
from lightning_gen.metrics.kernel_distance import KernelDistance, kernel_distance
from lightning_gen.metrics.mixture import ModeCoverage, mode_coverage
from lightning_gen.metrics.pca import PrincipalComponents, fit_pca
from lightning_gen.metrics.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from lightning_gen.metrics.pretrained_features import FeatureExtractor, PretrainedFeatures, pretrained_features
from lightning_gen.metrics.reconstruction import MeanError, ReconstructionError, reconstruction_error
from lightning_gen.metrics.report import Measurement, Report
from lightning_gen.metrics.representation import Probe, Vectors, neighbour_accuracy, probe_accuracy
from lightning_gen.metrics.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein
from lightning_gen.metrics.sound import log_mel_distance, si_sdr
from lightning_gen.metrics.stacked import StackedModes, stacked_classes, stacked_modes
from lightning_gen.metrics.text import Rouge, character_error, rouge
from lightning_gen.upgrades import aliases

__all__ = [
    "DCI",
    "CodebookUse",
    "Comparison",
    "ConvClassifier",
    "DensityCoverage",
    "DiscriminativeScore",
    "Extractor",
    "FactorCodes",
    "FactorVAEScore",
    "FeatureExtractor",
    "GaussianStatistics",
    "InceptionScore",
    "KernelDistance",
    "MeanError",
    "Measurement",
    "ModeCoverage",
    "MutualInformationGap",
    "Neighbours",
    "PrecisionRecall",
    "PretrainedFeatures",
    "PrincipalComponents",
    "Probe",
    "ReconstructionError",
    "Report",
    "Rouge",
    "SlicedWasserstein",
    "StackedModes",
    "Vectors",
    "character_error",
    "codebook_use",
    "dci",
    "density_coverage",
    "discriminative_score",
    "factor_vae_score",
    "fit_classifier",
    "fit_pca",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "log_mel_distance",
    "mode_coverage",
    "mutual_information_gap",
    "neighbour_accuracy",
    "neighbours",
    "precision_recall",
    "pretrained_features",
    "probe_accuracy",
    "reconstruction_error",
    "rouge",
    "si_sdr",
    "sliced_wasserstein",
    "stacked_classes",
    "stacked_modes",
    "trained_extractor",
]

__getattr__ = aliases(__name__)
