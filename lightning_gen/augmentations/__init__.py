"""Augmentations: samples to samples, at random, by the generator they are given."""

from lightning_gen.augmentations.base import Augmentation
from lightning_gen.augmentations.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper

__all__ = ["Augmentation", "Corruption", "GaussianNoise", "Masking", "SaltAndPepper"]
