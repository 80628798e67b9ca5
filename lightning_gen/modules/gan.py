"""Generative adversarial networks: a generator and a discriminator that take turns."""

import copy
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.augmentations import Augmentation
from lightning_gen.errors import InputError
from lightning_gen.metrics import SlicedWasserstein
from lightning_gen.modules.alternating import AlternatingModule, Loss, Player
from lightning_gen.modules.base import named
from lightning_gen.modules.ema import EMA
from lightning_gen.networks import Discriminator, Generator
from lightning_gen.objectives import AdversarialObjective
from lightning_gen.records import Batch, Shape
from lightning_gen.regularizers import Penalty


class GANModule(AlternatingModule):
    """A generator that learns to fool a discriminator.

    ``latent → generator → augment(real), augment(fake) → discriminator → objective + Σ weight · penalty``

    Each batch gives the discriminator one update on fresh real images; the generator plays on every
    `discriminator_updates`-th batch. Generative Adversarial Nets, Goodfellow et al. 2014
    (https://arxiv.org/abs/1406.2661), Algorithm 1.

    Args:
        generator: Latents ``(n, latent_dim)`` to samples ``(n, *shape)``.
        discriminator: Samples ``(n, *shape)`` to logits ``(n,)``.
        objective: What both players pay, from both logits.
        penalties: Named terms of the discriminator's loss, computed in float32.
        augmentation: Differentiable change of real and fake samples alike, ``(x, rng) -> x``, or None.
        generator_optimizer: Makes the optimizer; None for Adam with learning rate 2e-4 and betas (0.5, 0.999).
        discriminator_optimizer: The same for the discriminator.
        generator_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminator.
        generator_clip: Largest norm of the generator's gradient; None for no clipping.
        discriminator_clip: The same for the discriminator.
        discriminator_updates: Updates of the discriminator for one of the generator, at least 1.
        accumulate: Parts that each batch is split into to save memory, at least 1.
        ema: Average of the generator's weights that sampling uses; None to sample with the trained weights.

    Attributes:
        generator_ema: The averaged generator in float32, or None.

    Raises:
        InputError: A count is below 1, or generator and discriminator are built for different shapes.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        objective: AdversarialObjective,
        penalties: dict[str, Penalty] | None = None,
        augmentation: Augmentation | None = None,
        generator_optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        generator_clip: float | None = None,
        discriminator_clip: float | None = None,
        discriminator_updates: int = 1,
        accumulate: int = 1,
        ema: EMA | None = EMA(),  # noqa: B008 - frozen, so it can be shared
    ) -> None:
        super().__init__(accumulate)
        if discriminator_updates < 1:
            raise InputError(f"discriminator_updates must be at least 1, not {discriminator_updates}")
        if tuple(generator.shape) != tuple(discriminator.shape):
            raise InputError(
                f"the generator draws {tuple(generator.shape)} and the discriminator reads "
                f"{tuple(discriminator.shape)}: build both for the same shape"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.objective = objective
        self.penalties = named(penalties or {})
        self.augmentation = augmentation
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.generator_scheduler = generator_scheduler
        self.discriminator_scheduler = discriminator_scheduler
        self.generator_clip = generator_clip
        self.discriminator_clip = discriminator_clip
        self.discriminator_updates = discriminator_updates
        self.ema = ema
        self.generator_ema = copy.deepcopy(generator).requires_grad_(False).eval() if ema else None
        self.distance = SlicedWasserstein()
        mixes = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in discriminator.modules())
        self._joint_pass = not mixes  # one pass over real and fake together would mix their statistics
        if mixes and penalties:
            warnings.warn(
                "a gradient penalty is defined for one sample at a time and the discriminator's BatchNorm mixes them: "
                "set --model.discriminator.batch_norm false",
                stacklevel=2,
            )

    @property
    def data_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.generator.shape)

    # sampling ------------------------------------------------------------------------------------------------------

    @property
    def sampler(self) -> nn.Module:
        """The network that sampling uses: the averaged generator where there is one."""
        return self.generator if self.generator_ema is None else self.generator_ema

    def forward(self, latent: Tensor) -> Tensor:
        """Samples ``(n, *shape)`` from latents ``(n, latent_dim)``, with the averaged weights where there are any."""
        return self.sampler(latent)

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents from N(0, I), ``(n, latent_dim)``, on the module's device.

        Args:
            n: How many.
            generator: Where the numbers come from, on any device; None for this process's own.
        """
        source = generator or self.rng
        return torch.randn(n, self.generator.latent_dim, generator=source, device=source.device).to(self.device)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | Sequence[int] | None = None,
        generator: torch.Generator | None = None,
        batch_size: int = 256,
    ) -> Tensor:
        """Draw samples in evaluation mode, with the averaged weights where there are any.

        Args:
            n: How many.
            labels: Classes to draw, for conditional generators.
            generator: Source of the latents; the same seed gives the same samples. None for this process's own.
            batch_size: Samples drawn at a time.

        Returns:
            ``(n, *shape)``; images in [-1, 1].

        Raises:
            InputError: `n` is below 1, or labels are given to a generator without classes.
        """
        if n < 1:
            raise InputError(f"the number of samples must be at least 1, not {n}")
        if labels is not None:
            raise InputError("this generator was trained without classes: leave out the labels")
        training = self.sampler.training
        self.sampler.eval()
        try:
            return torch.cat([self.sampler(latent) for latent in self.latents(n, generator).split(batch_size)])
        finally:
            self.sampler.train(training)

    # the game ------------------------------------------------------------------------------------------------------

    def players(self) -> Sequence[Player]:
        """The discriminator, then the generator."""
        default = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
        return (
            Player(
                "discriminator",
                self.discriminator,
                self.discriminator_optimizer or default,
                self.discriminator_loss,
                self.discriminator_scheduler,
                self.discriminator_clip,
            ),
            Player(
                "generator",
                self.generator,
                self.generator_optimizer or default,
                self.generator_loss,
                self.generator_scheduler,
                self.generator_clip,
                every=self.discriminator_updates,
            ),
        )

    def discriminator_loss(self, batch: Batch) -> Loss:
        """What the discriminator pays: its objective on real and fake samples, and the penalties."""
        with torch.no_grad():
            fake = self.generator(self.latents(len(batch.x)))
        real, fake = self.augment(batch.x), self.augment(fake)
        real_logits, fake_logits = self.judge(real, fake)
        total = self.objective.discriminator(real_logits, fake_logits)
        terms = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        for name, penalty in self.penalties.items():
            terms[name] = penalty(self.discriminator, real, fake, self.rng)
            total = total + cast(Penalty, penalty).weight * terms[name]
        return Loss(total, terms)

    def generator_loss(self, batch: Batch) -> Loss:
        """What the generator pays: its objective against the frozen discriminator."""
        fake = self.augment(self.generator(self.latents(len(batch.x))))
        if self.objective.uses_real_logits_for_generator:
            return Loss(self.objective.generator(*self.judge(self.augment(batch.x), fake)))
        return Loss(self.objective.generator(None, self.discriminator(fake)))

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's logits on real and on fake samples, ``(n,)`` each."""
        if self._joint_pass and len(real) == len(fake):
            real_logits, fake_logits = self.discriminator(torch.cat([real, fake.to(real.dtype)])).chunk(2)
            return real_logits, fake_logits
        return self.discriminator(real), self.discriminator(fake)

    def augment(self, x: Tensor) -> Tensor:
        """Samples as the discriminator sees them."""
        return x if self.augmentation is None else self.augmentation(x, self.rng)

    def after_update(self, player: Player, images: int) -> None:
        """Move the average after each update of the generator."""
        if self.ema and self.generator_ema is not None and player.network is self.generator:
            self.ema.update(self.generator_ema, self.generator, images, self.images_seen)

    # evaluation ----------------------------------------------------------------------------------------------------

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """The discriminator's mean logits on held-out and on generated samples."""
        fake = self.sample(len(batch.x), generator=self.evaluation_rng)
        self.distance.update(batch.x, fake)
        return {"real_logit": self.discriminator(batch.x).mean(), "fake_logit": self.discriminator(fake).mean()}

    def evaluation_end(self) -> dict[str, Tensor]:
        """The sliced Wasserstein distance between held-out and generated samples."""
        distance = self.distance.compute()
        self.distance.reset()
        return {"sliced_wasserstein": distance}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """As many samples as the batch holds, ``(n, *shape)``."""
        return self.sample(len(Batch.of(batch).x))
