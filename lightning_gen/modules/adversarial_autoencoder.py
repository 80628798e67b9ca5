"""Autoencoders with an adversarial loss on their codes, reconstructions or samples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.adversaries import AdaptiveWeight, DistributionMatching, last_weight
from lightning_gen.augmentations import Augmentation, Corruption
from lightning_gen.bottlenecks import Bottleneck
from lightning_gen.deprecation import accepts_former
from lightning_gen.errors import InputError
from lightning_gen.links import Link, Parts, num_classes
from lightning_gen.modules.autoencoder_base import Autoencoder
from lightning_gen.modules.compatibility import check_adversarial_losses, check_discriminator
from lightning_gen.networks import Decoder, Discriminator, Encoder
from lightning_gen.networks.wrapped import as_discriminator
from lightning_gen.objectives import AdversarialObjective, AuxiliaryTerm
from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Code, concatenated
from lightning_gen.regularizers import Penalty
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.adversarial import AdversarialLosses
from lightning_gen.training.alternating import AlternatingModule
from lightning_gen.training.collectives import sum_over_devices
from lightning_gen.training.ema import EMA
from lightning_gen.training.module import named
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase, check_clip
from lightning_gen.training.stop_gradient import stop_gradient_at
from lightning_gen.upgrades import ARGUMENTS


def discriminator_shape(parts: Parts) -> list[int]:
    """The shape of the samples or codes that the discriminator reads."""
    latent_dim = parts.part("bottleneck").latent_dim
    return list(parts.part("matching").discriminator_shape(parts.data.shape, latent_dim))


class AdversarialAutoencoderModule(Autoencoder, AlternatingModule):
    """An autoencoder that is trained with an adversarial loss beside its objective.

    ``x → autoencoder → Reconstruction → Σ weightₖ · termₖ(record) + weight · adversarial(discriminator(fake))``
    ``Reconstruction → matching → real, fake → discriminator → adversarial(real, fake) + Σ weight · penalty``

    Each batch passes the autoencoder once. The autoencoder is updated first, against the frozen discriminator; then the
    discriminator on the detached results of that pass. In this order the graph of one pass is freed before the next is
    built, so `accumulate` saves memory. Before `discriminator_start_images` the discriminator is
    not run, and the autoencoder trains as `AutoencoderModule` does. Between it and `adversarial_start_images` the
    discriminator is trained and costs the autoencoder nothing: the gradient of one that has not learned anything yet
    spoils what the objective has settled.

    Args:
        encoder: Samples ``(n, *shape)`` to features ``(n, features)``, or to maps of them. Any module will do; see
            `WrappedEncoder`.
        decoder: Codes ``(n, latent_dim)``, or maps of them, to the parameters of the likelihood. Any module will do;
            see `WrappedDecoder`.
        bottleneck: Features to a code.
        objective: Named terms in nats per sample. The first `Likelihood` among them says how outputs become samples.
        discriminator: Codes or samples, whichever the matching compares, to logits.
        matching: Defines which samples are real and which are fake.
        adversarial: The adversarial losses of both networks, from the logits.
        adversarial_weight: Factor of the autoencoder's adversarial loss, beside an objective that is summed over a
            sample's dimensions; a number of at least 0, a schedule of it, or `AdaptiveWeight`.
        adversarial_terms: Named terms of both losses beside the adversarial one, from the discriminator's outputs.
        penalties: Named terms of the discriminator's loss beside it, computed without autocast.
        corruption: Change of the encoder's input in training, ``(x, rng) -> x``, or None; the terms see the clean x.
        input_transform: Random transform of the samples, in training and evaluation alike; or None.
        codes_per_sample: Codes sampled for each sample, at least 1.
        discriminator_start_images: Training images before the discriminator starts.
        autoencoder_optimizer: Makes the optimizer; None for Adam with learning rate 1e-3.
        discriminator_optimizer: The same; None for Adam with learning rate 2e-4 and betas (0.5, 0.999).
        autoencoder_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminator.
        autoencoder_clip: Largest norm of the autoencoder's gradient, above 0; None for no clipping.
        discriminator_clip: The same for the discriminator.
        accumulate: Parts that each batch is split into to save memory, at least 1.
        adversarial_start_images: Training images before the autoencoder's loss has its adversarial terms, not before
            the discriminator starts; None for as soon as it does.
        ema: Average of the weights of encoder, bottleneck and decoder that evaluation, `encode`, `decode`,
            `reconstruct` and `sample` use; None to use the trained weights.

    Raises:
        InputError: The parts do not fit each other, no term is a likelihood, or a number is out of range.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        **Autoencoder.former_names,
        **ARGUMENTS["lightning_gen.AdversarialAutoencoderModule"],
    }
    links: ClassVar[tuple[Link, ...]] = (
        *Autoencoder.links,
        Link("discriminator.shape", discriminator_shape),
        num_classes("discriminator"),
    )

    @accepts_former(ARGUMENTS["lightning_gen.AdversarialAutoencoderModule"])
    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        bottleneck: Bottleneck,
        objective: dict[str, Term],
        discriminator: Discriminator,
        matching: DistributionMatching,
        adversarial: AdversarialObjective,
        adversarial_weight: float | Schedule | AdaptiveWeight = 1.0,
        adversarial_terms: dict[str, AuxiliaryTerm] | None = None,
        penalties: dict[str, Penalty] | None = None,
        corruption: Corruption | None = None,
        input_transform: Augmentation | None = None,
        codes_per_sample: int = 1,
        discriminator_start_images: int = 0,
        autoencoder_optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        autoencoder_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        autoencoder_clip: float | None = None,
        discriminator_clip: float | None = None,
        accumulate: int = 1,
        adversarial_start_images: int | None = None,
        ema: EMA | None = None,
    ) -> None:
        super().__init__()
        self.split_batches(accumulate)
        if discriminator_start_images not in FROM_0:
            raise InputError(f"discriminator_start_images must be at least 0, not {discriminator_start_images}")
        if adversarial_start_images is not None and not adversarial_start_images >= discriminator_start_images:
            raise InputError(
                f"adversarial_start_images {adversarial_start_images} is before discriminator_start_images "
                f"{discriminator_start_images}, and a discriminator that has not started judges nothing: give at least "
                f"{discriminator_start_images}, or leave it out to start both at once"
            )
        check_clip(self, "autoencoder_clip", autoencoder_clip)
        check_clip(self, "discriminator_clip", discriminator_clip)
        if not isinstance(adversarial_weight, AdaptiveWeight):
            require(self, "adversarial_weight", adversarial_weight, FROM_0)
        self.assemble(encoder, decoder, bottleneck, objective, corruption, input_transform, codes_per_sample, ema)
        encoder = self.encoder
        discriminator = as_discriminator(
            discriminator, matching.discriminator_shape(tuple(encoder.shape), bottleneck.latent_dim)
        )
        self.discriminator = discriminator
        self.matching = matching
        self.adversarial = adversarial
        self.adversarial_weight = adversarial_weight
        self.adversarial_terms = named(adversarial_terms or {})
        self.penalties = named(penalties or {})
        self.discriminator_start_images = discriminator_start_images
        self.adversarial_start_images = adversarial_start_images
        self.autoencoder_optimizer = autoencoder_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.autoencoder_scheduler = autoencoder_scheduler
        self.discriminator_scheduler = discriminator_scheduler
        self.autoencoder_clip = autoencoder_clip
        self.discriminator_clip = discriminator_clip
        self._codes: list[Code] = []
        check_discriminator(self.autoencoder, encoder, bottleneck, discriminator, matching)
        check_adversarial_losses(discriminator, matching, adversarial_weight, adversarial_terms or {})

    # training ----------------------------------------------------------------------------------------------------

    @property
    def autoencoder(self) -> nn.ModuleList:
        """All that the autoencoder's optimizer trains, including the parameters of the objective."""
        return nn.ModuleList([self.encoder, self.bottleneck, self.decoder, self.objective])

    @property
    def losses(self) -> AdversarialLosses:
        """The adversarial losses, with the penalties that are part of the discriminator's current update."""
        update, found = self.updates.get("discriminator", 0), cast(dict[str, Penalty], self.penalties)
        penalties = {name: penalty for name, penalty in found.items() if update % penalty.every == 0}
        terms = cast(dict[str, AuxiliaryTerm], dict(self.adversarial_terms))
        return AdversarialLosses(self.discriminator, self.adversarial, terms, penalties)

    def phases(self) -> Sequence[Phase]:
        """The autoencoder, then the discriminator."""
        autoencoder = OptimizedNetwork(
            "autoencoder",
            self.autoencoder,
            self.autoencoder_optimizer or partial(torch.optim.Adam, lr=1e-3),
            self.autoencoder_scheduler,
            self.autoencoder_clip,
        )
        discriminator = OptimizedNetwork(
            "discriminator",
            self.discriminator,
            self.discriminator_optimizer or partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999)),
            self.discriminator_scheduler,
            self.discriminator_clip,
        )
        start = self.discriminator_start_images
        return (
            Phase("autoencoder", autoencoder, self.autoencoder_loss, after=self._after_autoencoder),
            Phase("discriminator", discriminator, self.discriminator_loss, start_images=start),
        )

    def prepare(self, part: MicroBatch) -> None:
        """Discard the codes of a step that was interrupted."""
        self._codes = []

    def autoencoder_loss(self, part: MicroBatch) -> Loss:
        """The loss of the autoencoder: its objective and, from their start on, the adversarial losses.

        Leaves real and fake samples for the discriminator in the part's results.
        """
        labels = part.batch.labels
        x = self.transform_input(part.batch.x, self.rng)
        record = self.reconstruction(x, self.rng, corrupt=True, labels=labels)
        images = self.images_seen - self.batch_images  # schedules count the images of earlier updates
        record = replace(record, images=images)
        total, terms = self.loss(record)
        self._codes.append(record.code.detached())
        loss = Loss(total, {**terms, "loss": total})
        if not self.started(self.discriminator_start_images):
            return loss
        pair = self.matching(record, self._decode_trained, self.rng)
        part.results["pair"] = pair.detached()
        if not self.started(self.adversarial_start_images or 0):
            return loss
        found = self.losses.of_generator(pair.fake, pair.fake_labels, pair.real, pair.real_labels, record.images)
        weight = self._weight(total, found.adversarial, record.images)
        adversarial = found.adversarial
        if self.matching.stop_encoder_gradient:
            adversarial = stop_gradient_at(record.code.sample, adversarial)
        logged = {"adversarial": found.adversarial}
        if not isinstance(self.adversarial_weight, (int, float)):
            logged["adversarial_weight"] = torch.as_tensor(weight)
        return found.added_to(Loss(total + weight * adversarial, {**loss.terms, **logged}), "autoencoder")

    def _decode_trained(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples from codes as `decode` gives them, by the decoder that is trained."""
        return self.likelihood.mean(self.decoder(code, labels))

    def _weight(self, objective: Tensor, adversarial: Tensor, images: int) -> Tensor | float:
        if isinstance(self.adversarial_weight, AdaptiveWeight):
            parameter, dimensions = last_weight(self.decoder), prod(self.data_shape)
            return self.adversarial_weight(objective, adversarial, parameter, images, dimensions)
        return at(self.adversarial_weight, images)

    def discriminator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the discriminator on the results of the autoencoder's pass over the batch."""
        losses = self.losses
        return losses.of_discriminator(losses.passes(part.results.pop("pair"), self.rng), self.images_seen)

    def _after_autoencoder(self, images: int, loss: Loss) -> None:
        """Update the codebook with the codes of the batch, and the averages."""
        codes, self._codes = self._codes, []
        self.bottleneck.update_codebook(concatenated(codes), self.rng, sum_over_devices)
        self.move_average(images)

    def after_rollback(self) -> None:
        """Discard the codes of an update that was not made as well."""
        super().after_rollback()
        self._codes = []
