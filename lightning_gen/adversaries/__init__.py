"""Adversarial training of autoencoders: which samples are real and which are fake, and the weight of the loss."""

from lightning_gen.adversaries.matching import (
    DistributionMatching,
    GenerationMatching,
    IndependenceMatching,
    PriorMatching,
    ReconstructionMatching,
)
from lightning_gen.adversaries.weight import AdaptiveWeight, last_weight
from lightning_gen.upgrades import aliases

__all__ = [
    "AdaptiveWeight",
    "DistributionMatching",
    "GenerationMatching",
    "IndependenceMatching",
    "PriorMatching",
    "ReconstructionMatching",
    "last_weight",
]

__getattr__ = aliases(__name__)
