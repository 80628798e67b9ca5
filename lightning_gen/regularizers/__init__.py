"""Regularizers: penalties on gradients and on codes; they never see the trainer."""

from lightning_gen.regularizers.gradient import R1, R2, GradientPenalty, Penalty
from lightning_gen.regularizers.latent import KLDivergence

__all__ = ["R1", "R2", "GradientPenalty", "KLDivergence", "Penalty"]
