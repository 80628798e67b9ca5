"""Regularizers: penalties on gradients, logits and codes, and constraints on weights; they never see the trainer."""

from lightning_gen.regularizers.consistency import Consistency
from lightning_gen.regularizers.constraint import Constraint, WeightClipping
from lightning_gen.regularizers.contest import Contest
from lightning_gen.regularizers.gradient import DRAGAN, R1, R2, GradientPenalty
from lightning_gen.regularizers.latent import KLDivergence
from lightning_gen.regularizers.lecam import LeCam
from lightning_gen.regularizers.penalty import Penalty

__all__ = [
    "DRAGAN",
    "R1",
    "R2",
    "Consistency",
    "Constraint",
    "Contest",
    "GradientPenalty",
    "KLDivergence",
    "LeCam",
    "Penalty",
    "WeightClipping",
]
