"""Metrics: samples in, a figure and its protocol out; they know no trainer and download nothing."""

from lightning_gen.metrics.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein

__all__ = ["SlicedWasserstein", "sliced_wasserstein"]
