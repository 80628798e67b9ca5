"""Autoencoders that a discriminator judges: by their codes, their reconstructions or what they draw."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.adversaries import AdaptiveWeight, Contrast, last_weight
from lightning_gen.augmentations import Augmentation, Corruption
from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.errors import InputError
from lightning_gen.links import Link, Parts, num_classes
from lightning_gen.modules.adversary import check_adversary, check_payments, even, paired, spared
from lightning_gen.modules.alternating import AlternatingModule, Loss, Player, check_clip
from lightning_gen.modules.autoencoder_base import Autoencoder
from lightning_gen.modules.base import named
from lightning_gen.modules.devices import sum_over_devices
from lightning_gen.modules.judging import contest
from lightning_gen.networks import Decoder, Discriminator, Encoder
from lightning_gen.objectives import AdversarialObjective, AuxiliaryTerm
from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Batch, Code, Judgement, Reconstruction, Sides, joined
from lightning_gen.regularizers import Penalty
from lightning_gen.regularizers.penalty import due, factor
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term


def judged_shape(parts: Parts) -> list[int]:
    """The shape of what the contrast shows the discriminator."""
    latent_dim = parts.part("bottleneck").latent_dim
    return list(parts.part("contrast").judged_shape(parts.data.shape, latent_dim))


class AdversarialAutoencoderModule(Autoencoder, AlternatingModule):
    """An autoencoder that a discriminator takes part in training.

    ``x → autoencoder → Reconstruction → Σ weightₖ · termₖ(record) + weight · adversarial(discriminator(fake))``
    ``Reconstruction → contrast → real, fake → discriminator → adversarial(real, fake) + Σ weight · penalty``

    Each batch passes the autoencoder once. The autoencoder plays first, against the frozen discriminator; then the
    discriminator plays on what that pass gave, detached. In this order the graph of a pass is gone when the next one
    is made, so that `accumulate` saves the memory that it is there for. Before `discriminator_start_images` the
    discriminator is not run, and the autoencoder trains as `AutoencoderModule` does.

    Args:
        encoder: Samples ``(n, *shape)`` to features ``(n, features)``, or to maps of them.
        decoder: Codes ``(n, latent_dim)``, or maps of them, to the parameters of the likelihood.
        bottleneck: Features to a code.
        objective: Named terms in nats per sample. The first `Likelihood` among them says how outputs become samples.
        discriminator: What the contrast shows to logits; built for codes or for samples.
        contrast: What is real and what is fake.
        adversarial: What both players pay for the logits.
        adversarial_weight: Factor of what the autoencoder pays for the logits, beside an objective that is summed over
            a sample's dimensions; a number of at least 0, a schedule of it, or `AdaptiveWeight`.
        judgement_terms: Named terms of both losses beside the adversarial one, from the discriminator's judgements.
        penalties: Named terms of the discriminator's loss beside it, computed without autocast.
        corruption: Change of the encoder's input in training, ``(x, rng) -> x``, or None; the terms see the clean x.
        observation: Random view of the samples that the model is of, in training and evaluation alike; or None.
        draws: Codes drawn for each sample, at least 1.
        discriminator_start_images: Training images before the discriminator starts.
        autoencoder_optimizer: Makes the optimizer; None for Adam with learning rate 1e-3.
        discriminator_optimizer: The same; None for Adam with learning rate 2e-4 and betas (0.5, 0.999).
        autoencoder_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminator.
        autoencoder_clip: Largest norm of the autoencoder's gradient, above 0; None for no clipping.
        discriminator_clip: The same for the discriminator.
        accumulate: Parts that each batch is split into to save memory, at least 1.

    Raises:
        InputError: The parts do not fit each other, no term is a likelihood, or a number is out of range.
    """

    links: ClassVar[tuple[Link, ...]] = (
        *Autoencoder.links,
        Link("discriminator.shape", judged_shape),
        num_classes("discriminator"),
    )

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        bottleneck: Bottleneck,
        objective: dict[str, Term],
        discriminator: Discriminator,
        contrast: Contrast,
        adversarial: AdversarialObjective,
        adversarial_weight: float | Schedule | AdaptiveWeight = 1.0,
        judgement_terms: dict[str, AuxiliaryTerm] | None = None,
        penalties: dict[str, Penalty] | None = None,
        corruption: Corruption | None = None,
        observation: Augmentation | None = None,
        draws: int = 1,
        discriminator_start_images: int = 0,
        autoencoder_optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        autoencoder_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        autoencoder_clip: float | None = None,
        discriminator_clip: float | None = None,
        accumulate: int = 1,
    ) -> None:
        super().__init__()
        self.split_batches(accumulate)
        if discriminator_start_images not in FROM_0:
            raise InputError(f"discriminator_start_images must be at least 0, not {discriminator_start_images}")
        check_clip(self, "autoencoder_clip", autoencoder_clip)
        check_clip(self, "discriminator_clip", discriminator_clip)
        if not isinstance(adversarial_weight, AdaptiveWeight):
            require(self, "adversarial_weight", adversarial_weight, FROM_0)
        self.assemble(encoder, decoder, bottleneck, objective, corruption, observation, draws)
        self.discriminator = discriminator
        self.contrast = contrast
        self.adversarial = adversarial
        self.adversarial_weight = adversarial_weight
        self.judgement_terms = named(judgement_terms or {})
        self.penalties = named(penalties or {})
        self.discriminator_start_images = discriminator_start_images
        self.autoencoder_optimizer = autoencoder_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.autoencoder_scheduler = autoencoder_scheduler
        self.discriminator_scheduler = discriminator_scheduler
        self.autoencoder_clip = autoencoder_clip
        self.discriminator_clip = discriminator_clip
        self._codes: list[Code] = []
        self._sides: list[Sides] = []
        check_adversary(self.autoencoder, encoder, bottleneck, discriminator, contrast)
        check_payments(discriminator, contrast, adversarial_weight, judgement_terms or {})

    # the game ------------------------------------------------------------------------------------------------------

    @property
    def autoencoder(self) -> nn.ModuleList:
        """All that the autoencoder's optimizer trains, the parameters of the objective among them."""
        return nn.ModuleList([self.encoder, self.bottleneck, self.decoder, self.objective])

    def players(self) -> Sequence[Player]:
        """The autoencoder, then the discriminator."""
        return (
            Player(
                "autoencoder",
                self.autoencoder,
                self.autoencoder_optimizer or partial(torch.optim.Adam, lr=1e-3),
                self.autoencoder_loss,
                self.autoencoder_scheduler,
                self.autoencoder_clip,
            ),
            Player(
                "discriminator",
                self.discriminator,
                self.discriminator_optimizer or partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999)),
                self.discriminator_loss,
                self.discriminator_scheduler,
                self.discriminator_clip,
                start_images=self.discriminator_start_images,
            ),
        )

    def autoencoder_loss(self, batch: Batch) -> Loss:
        """What the autoencoder pays: its objective and, once the discriminator plays, the judgement of its work."""
        record = self.reconstruction(self.observe(batch.x, self.rng), self.rng, corrupt=True, labels=batch.labels)
        record = replace(record, images=self.images_seen - self.batch_images)  # schedules see what was learned from
        total, terms = self.loss(record)
        self._codes.append(record.code.settled())
        paid = Loss(total, {**terms, "loss": total})
        return self._judged(record, paid) if self.started(self.discriminator_start_images) else paid

    def _judged(self, record: Reconstruction, paid: Loss) -> Loss:
        """The loss with what is paid for the judgement of a pass; both sides are kept for the discriminator."""
        sides = self.contrast(record, self.decode, self.rng)
        self._sides.append(sides.settled())
        on_real, on_fake = self._on_real(sides), self.discriminator.judge(sides.fake, sides.fake_labels)
        expected = None if on_real is None else even(on_real, on_fake)
        adversarial = self.adversarial.generator(expected, on_fake.logits)
        weight = self._weight(paid.total, adversarial, record.images)
        charged = spared(adversarial, record.code.sample) if self.contrast.spare_encoder else adversarial
        figures = {"adversarial": adversarial}
        if not isinstance(self.adversarial_weight, (int, float)):
            figures["adversarial_weight"] = torch.as_tensor(weight)
        loss = Loss(paid.total + weight * charged, {**paid.terms, **figures})
        for name, term in self._judgement_terms():
            loss = loss.plus(f"autoencoder_{name}", term.generator(on_real, on_fake), term.weight)
        return loss

    def _on_real(self, sides: Sides) -> Judgement | None:
        """The judgement of the real side for the autoencoder, which does not act on it; None where nothing asks."""
        asked = any(term.needs_real_for_generator for _, term in self._judgement_terms())
        if not asked and not self.adversarial.uses_real_logits_for_generator:
            return None
        with torch.no_grad():
            return self.discriminator.judge(sides.real, sides.real_labels)

    def _weight(self, objective: Tensor, adversarial: Tensor, images: int) -> Tensor | float:
        if isinstance(self.adversarial_weight, AdaptiveWeight):
            return self.adversarial_weight(objective, adversarial, last_weight(self.decoder), images)
        return at(self.adversarial_weight, images)

    def discriminator_loss(self, batch: Batch) -> Loss:
        """What the discriminator pays on what the autoencoder's pass over the batch gave."""
        sides = self._sides.pop(0)
        penalties = due(cast(dict[str, Penalty], self.penalties), self.updates.get("discriminator", 0))
        held = contest(self.discriminator, sides, penalties.values(), self.rng)
        on_real, on_fake = held.on_real, held.on_fake
        total = self.adversarial.discriminator(even(on_real, on_fake), on_fake.logits)
        loss = Loss(total, {"real_logit": on_real.logits.mean(), "fake_logit": on_fake.logits.mean()})
        for name, term in self._judgement_terms():
            loss = loss.plus(f"discriminator_{name}", term.discriminator(on_real, on_fake), term.weight)
        held = paired(held)
        for name, penalty in penalties.items():
            loss = loss.plus(name, penalty(held), factor(penalty, self.images_seen))
        return loss

    def _judgement_terms(self) -> Sequence[tuple[str, AuxiliaryTerm]]:
        return [(name, cast(AuxiliaryTerm, term)) for name, term in self.judgement_terms.items()]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Play one round on a batch."""
        self._codes, self._sides = [], []
        super().training_step(batch, batch_idx)

    def after_update(self, player: Player, images: int, paid: Loss) -> None:
        """Let the bottleneck follow the codes of the batch after each update of the autoencoder."""
        if player.name == "autoencoder":
            self.bottleneck.adapt(joined(self._codes), self.rng, sum_over_devices)
            self._codes = []
