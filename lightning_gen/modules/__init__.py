"""The LightningModules: the only room that sees an optimizer or a trainer."""

from lightning_gen.modules.adversarial_autoencoder import AdversarialAutoencoderModule
from lightning_gen.modules.alternating import AlternatingModule, Loss, Player
from lightning_gen.modules.autoencoder import AutoencoderModule
from lightning_gen.modules.autoencoder_base import Autoencoder
from lightning_gen.modules.base import GenerativeModule
from lightning_gen.modules.ema import EMA
from lightning_gen.modules.gan import GANModule
from lightning_gen.modules.strategy import UnwrappedDDPStrategy

__all__ = [
    "EMA",
    "AdversarialAutoencoderModule",
    "AlternatingModule",
    "Autoencoder",
    "AutoencoderModule",
    "GANModule",
    "GenerativeModule",
    "Loss",
    "Player",
    "UnwrappedDDPStrategy",
]
