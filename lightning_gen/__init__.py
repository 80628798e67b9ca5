"""Autoencoders, GANs and image translation on PyTorch Lightning: parts that combine freely, exact on several GPUs."""

from lightning_gen.environment import forget_empty_ranks

forget_empty_ranks()  # before Lightning is imported

from lightning_gen.errors import InputError  # noqa: E402
from lightning_gen.modules import (  # noqa: E402
    AdversarialAutoencoderModule,
    AutoencoderModule,
    CycleTranslationModule,
    GANModule,
    TranslationModule,
)
from lightning_gen.records import Batch, Code, Reconstruction  # noqa: E402
from lightning_gen.training import EMA, AlternatingModule, GenerativeModule  # noqa: E402

__version__ = "0.2.0"

__all__ = [
    "EMA",
    "AdversarialAutoencoderModule",
    "AlternatingModule",
    "AutoencoderModule",
    "Batch",
    "Code",
    "CycleTranslationModule",
    "GANModule",
    "GenerativeModule",
    "InputError",
    "Reconstruction",
    "TranslationModule",
]
