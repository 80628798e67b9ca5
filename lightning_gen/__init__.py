"""Autoencoders and GANs on PyTorch Lightning: parts that combine freely, correct on several GPUs, with exact resume."""

from lightning_gen.errors import InputError
from lightning_gen.modules import AdversarialAutoencoderModule, AutoencoderModule, GANModule
from lightning_gen.records import Batch, Code, Reconstruction
from lightning_gen.training import EMA, AlternatingModule, GenerativeModule

__version__ = "0.2.0"

__all__ = [
    "EMA",
    "AdversarialAutoencoderModule",
    "AlternatingModule",
    "AutoencoderModule",
    "Batch",
    "Code",
    "GANModule",
    "GenerativeModule",
    "InputError",
    "Reconstruction",
]
