"""Regularizers: penalties on gradients, logits and codes, and constraints on weights; they never see the trainer."""

from lightning_gen.regularizers.consistency import Consistency
from lightning_gen.regularizers.constraint import Constraint, WeightClipping
from lightning_gen.regularizers.contest import Contest
from lightning_gen.regularizers.contraction import Contraction
from lightning_gen.regularizers.discrepancy import (
    GaussianKernel,
    InverseMultiquadric,
    Kernel,
    MaximumMeanDiscrepancy,
)
from lightning_gen.regularizers.disentangled_prior import DIPVAE1, DIPVAE2
from lightning_gen.regularizers.gradient import DRAGAN, R1, R2, GradientPenalty
from lightning_gen.regularizers.latent import Capacity, KLDivergence
from lightning_gen.regularizers.lecam import LeCam
from lightning_gen.regularizers.penalty import Penalty
from lightning_gen.regularizers.quantization import CodebookDistance, Commitment
from lightning_gen.regularizers.sparsity import ActivitySparsity, L1Sparsity
from lightning_gen.regularizers.total_correlation import (
    DimensionwiseKL,
    MinibatchSampling,
    MutualInformation,
    StratifiedSampling,
    TotalCorrelation,
    WeightedSampling,
)

__all__ = [
    "DIPVAE1",
    "DIPVAE2",
    "DRAGAN",
    "R1",
    "R2",
    "ActivitySparsity",
    "Capacity",
    "CodebookDistance",
    "Commitment",
    "Consistency",
    "Constraint",
    "Contest",
    "Contraction",
    "DimensionwiseKL",
    "GaussianKernel",
    "GradientPenalty",
    "InverseMultiquadric",
    "KLDivergence",
    "Kernel",
    "L1Sparsity",
    "LeCam",
    "MaximumMeanDiscrepancy",
    "MinibatchSampling",
    "MutualInformation",
    "Penalty",
    "StratifiedSampling",
    "TotalCorrelation",
    "WeightClipping",
    "WeightedSampling",
]
