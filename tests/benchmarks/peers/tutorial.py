"""A GAN as the "Basic GAN Tutorial" of Lightning's documentation writes it (`lightning_examples/basic-gan`)."""

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.utils import make_grid

ADAM = {"lr": 0.0004, "betas": (0.5, 0.999)}
"""Those of both optimizers of ``gan/dcgan``."""


class TutorialGAN(LightningModule):
    """Manual optimization with an optimizer toggled in each turn, a pass of the generator and a logged loss in both.

    Args:
        generator: Maps latents ``(n, latent_dim)`` to images.
        discriminator: Maps images to logits ``(n,)``.
        latent_dim: Width of the latents.
        shows: Whether every step passes the generator once more and logs six of the images, as published.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, latent_dim: int, shows: bool) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.shows = shows
        self.automatic_optimization = False

    def forward(self, z: Tensor) -> Tensor:
        return self.generator(z)

    def judged(self, x: Tensor, real: bool) -> Tensor:
        """Cross-entropy of the logits on images."""
        logits = self.discriminator(x)
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def training_step(self, batch: list[Tensor]) -> None:
        real, _ = batch
        g_optimizer, d_optimizer = self.optimizers()
        z = torch.randn(len(real), self.latent_dim).type_as(real)

        self.toggle_optimizer(g_optimizer)
        if self.shows:
            self.logger.experiment.add_image("generated_images", make_grid(self(z)[:6]), 0)
        g_loss = self.judged(self(z), real=True)
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        g_optimizer.step()
        g_optimizer.zero_grad()
        self.untoggle_optimizer(g_optimizer)

        self.toggle_optimizer(d_optimizer)
        d_loss = (self.judged(real, real=True) + self.judged(self(z).detach(), real=False)) / 2
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        d_optimizer.step()
        d_optimizer.zero_grad()
        self.untoggle_optimizer(d_optimizer)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(network.parameters(), **ADAM) for network in (self.generator, self.discriminator)]
