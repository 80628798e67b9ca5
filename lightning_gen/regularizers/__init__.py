"""Regularizers: penalties on gradients, logits and codes, and constraints on weights; they never see the trainer."""

from lightning_gen.regularizers.consistency import Consistency
from lightning_gen.regularizers.constraint import Constraint, WeightClipping
from lightning_gen.regularizers.contraction import Contraction
from lightning_gen.regularizers.discrepancy import (
    GaussianKernel,
    InverseMultiquadric,
    Kernel,
    MaximumMeanDiscrepancy,
)
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.disentangled_prior import DIPVAE1, DIPVAE2
from lightning_gen.regularizers.generator_pass import GeneratorPass
from lightning_gen.regularizers.gradient import DRAGAN, R1, R2, GradientPenalty
from lightning_gen.regularizers.latent import Capacity, KLDivergence
from lightning_gen.regularizers.lecam import LeCam
from lightning_gen.regularizers.path_length import PathLength
from lightning_gen.regularizers.penalty import GeneratorPenalty, LazyPenalty, Penalty
from lightning_gen.regularizers.quantization import CodebookDistance, CodebookEntropy, Commitment
from lightning_gen.regularizers.sparsity import ActivitySparsity, L1Sparsity
from lightning_gen.regularizers.total_correlation import (
    DimensionwiseKL,
    MinibatchSampling,
    MutualInformation,
    StratifiedSampling,
    TotalCorrelation,
    WeightedSampling,
)
from lightning_gen.upgrades import aliases

__all__ = [
    "DIPVAE1",
    "DIPVAE2",
    "DRAGAN",
    "R1",
    "R2",
    "ActivitySparsity",
    "Capacity",
    "CodebookDistance",
    "CodebookEntropy",
    "Commitment",
    "Consistency",
    "Constraint",
    "Contraction",
    "DimensionwiseKL",
    "DiscriminatorPass",
    "GaussianKernel",
    "GeneratorPass",
    "GeneratorPenalty",
    "GradientPenalty",
    "InverseMultiquadric",
    "KLDivergence",
    "Kernel",
    "L1Sparsity",
    "LazyPenalty",
    "LeCam",
    "MaximumMeanDiscrepancy",
    "MinibatchSampling",
    "MutualInformation",
    "PathLength",
    "Penalty",
    "StratifiedSampling",
    "TotalCorrelation",
    "WeightClipping",
    "WeightedSampling",
]

__getattr__ = aliases(__name__)
