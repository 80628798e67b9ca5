"""Augmentations: random transforms of samples, by a given generator of random numbers."""

from lightning_gen.augmentations.adaptive import ADA
from lightning_gen.augmentations.base import AdaptiveAugmentation, Augmentation
from lightning_gen.augmentations.corruption import (
    Corruption,
    GaussianNoise,
    Hole,
    Masking,
    PatchMasking,
    SaltAndPepper,
)
from lightning_gen.augmentations.degradation import Blur, Degradation, Degradations, Downsampling, Edges, Grey
from lightning_gen.augmentations.differentiable import DiffAugment
from lightning_gen.augmentations.observation import Binarization, Dequantization
from lightning_gen.augmentations.shift import Shift
from lightning_gen.augmentations.typing_errors import SpanMasking, Typos

__all__ = [
    "ADA",
    "AdaptiveAugmentation",
    "Augmentation",
    "Binarization",
    "Blur",
    "Corruption",
    "Degradation",
    "Degradations",
    "Dequantization",
    "DiffAugment",
    "Downsampling",
    "Edges",
    "GaussianNoise",
    "Grey",
    "Hole",
    "Masking",
    "PatchMasking",
    "SaltAndPepper",
    "Shift",
    "SpanMasking",
    "Typos",
]
