"""Adversaries of autoencoders: what a discriminator is shown of a pass, and how much is paid for its judgement."""

from lightning_gen.adversaries.contrast import (
    Contrast,
    GenerationContrast,
    IndependenceContrast,
    PriorContrast,
    ReconstructionContrast,
)
from lightning_gen.adversaries.weight import AdaptiveWeight, last_weight

__all__ = [
    "AdaptiveWeight",
    "Contrast",
    "GenerationContrast",
    "IndependenceContrast",
    "PriorContrast",
    "ReconstructionContrast",
    "last_weight",
]
