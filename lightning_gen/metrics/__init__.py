"""Metrics: samples in, a figure and its protocol out; they know no trainer and download nothing."""

from lightning_gen.metrics.classifier import PictureClassifier, fit_classifier
from lightning_gen.metrics.extractor import Extractor, trained_extractor
from lightning_gen.metrics.frechet import frechet_distance
from lightning_gen.metrics.mixture import ModeCoverage, mode_coverage
from lightning_gen.metrics.pca import PrincipalComponents, fit_pca
from lightning_gen.metrics.precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from lightning_gen.metrics.reconstruction import ReconstructionError, reconstruction_error
from lightning_gen.metrics.report import Figure, Report
from lightning_gen.metrics.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein
from lightning_gen.metrics.stacked import StackedModes, stacked_classes, stacked_modes

__all__ = [
    "DensityCoverage",
    "Extractor",
    "Figure",
    "ModeCoverage",
    "PictureClassifier",
    "PrecisionRecall",
    "PrincipalComponents",
    "ReconstructionError",
    "Report",
    "SlicedWasserstein",
    "StackedModes",
    "density_coverage",
    "fit_classifier",
    "fit_pca",
    "frechet_distance",
    "mode_coverage",
    "precision_recall",
    "reconstruction_error",
    "sliced_wasserstein",
    "stacked_classes",
    "stacked_modes",
    "trained_extractor",
]
