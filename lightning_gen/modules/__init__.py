"""The LightningModules: what is trained, on which losses, in which phases."""

from lightning_gen.modules.adversarial_autoencoder import AdversarialAutoencoderModule
from lightning_gen.modules.autoencoder import AutoencoderModule
from lightning_gen.modules.autoencoder_base import Autoencoder
from lightning_gen.modules.cycle_translation import CycleTranslationModule
from lightning_gen.modules.gan import GANModule
from lightning_gen.modules.translation import TranslationModule
from lightning_gen.upgrades import aliases

__all__ = [
    "AdversarialAutoencoderModule",
    "Autoencoder",
    "AutoencoderModule",
    "CycleTranslationModule",
    "GANModule",
    "TranslationModule",
]

__getattr__ = aliases(__name__)
