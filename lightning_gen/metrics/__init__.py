"""Metrics: samples in, a figure and its protocol out; they know no trainer and download nothing."""

from lightning_gen.metrics.mixture import ModeCoverage, mode_coverage
from lightning_gen.metrics.pca import PrincipalComponents, fit_pca
from lightning_gen.metrics.reconstruction import ReconstructionError, reconstruction_error
from lightning_gen.metrics.report import Figure, Report
from lightning_gen.metrics.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein

__all__ = [
    "Figure",
    "ModeCoverage",
    "PrincipalComponents",
    "ReconstructionError",
    "Report",
    "SlicedWasserstein",
    "fit_pca",
    "mode_coverage",
    "reconstruction_error",
    "sliced_wasserstein",
]
