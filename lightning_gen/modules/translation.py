"""Translation of images in one direction, with or without an adversarial loss."""

from dataclasses import replace
from typing import ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen.augmentations import Degradation
from lightning_gen.errors import InputError
from lightning_gen.links import Link, Parts
from lightning_gen.modules.compatibility import check_translator
from lightning_gen.modules.translation_base import TranslationBase, source_shape, target_shape
from lightning_gen.networks import Discriminator, Translator
from lightning_gen.networks.wrapped import as_discriminator, as_translator
from lightning_gen.objectives import AdversarialObjective, AuxiliaryTerm
from lightning_gen.records import RealFakePair, Shape
from lightning_gen.regularizers import Penalty
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.adversarial import AdversarialLosses
from lightning_gen.training.ema import EMA
from lightning_gen.training.module import named
from lightning_gen.training.phases import Loss, MicroBatch


def discriminator_shape(parts: Parts) -> list[int]:
    """The shape that the discriminator reads: of a target, with the channels of a source where it sees both."""
    channels, *sides = target_shape(parts)
    return [channels + source_shape(parts)[0] if parts.value("conditional") else channels, *sides]


class TranslationModule(TranslationBase):
    """A network that translates images of one domain to another: Pix2Pix, CUT, super-resolution, colourisation.

    ``source → generator → Translation(source, samples, target) → Σ weightₖ · termₖ(record) + weight · adversarial``
    ``(source, target) | (source, samples) → discriminator → adversarial + Σ weight · penalty``

    The papers differ in terms, networks and data alone. With `conditional` the discriminator sees each source beside
    the target or the translation, as in Pix2Pix; else it sees these alone, as in CUT and ESRGAN. With a `degradation`
    the data are single images: each is the target of its degraded version, made anew for each batch. Without a
    discriminator it is a network that minimises its objective.

    Each batch passes the generator once. The generator is updated first, against the frozen discriminator; then the
    discriminator, on the detached translations of that pass. The code of Pix2Pix updates the discriminator first; the
    order is that of CycleGAN's and saves a pass.

    Papers: Image-to-Image Translation with Conditional Adversarial Networks, https://arxiv.org/abs/1611.07004;
    Contrastive Learning for Unpaired Image-to-Image Translation, https://arxiv.org/abs/2007.15651; ESRGAN,
    https://arxiv.org/abs/1809.00219

    Args:
        generator: Sources ``(n, *source_shape)`` to translations ``(n, *target_shape)``. Any module will do; see
            `WrappedTranslator`.
        objective: Named terms, with their weights.
        discriminator: Targets and translations, beside their sources if `conditional`, to logits; None for none. Any
            module will do; see `WrappedDiscriminator`.
        adversarial: The adversarial losses of both networks, from the logits; needed with a discriminator.
        adversarial_weight: Factor of the generator's adversarial loss, at least 0, or a schedule of it. `LeastSquares`
            is half of what papers on translation call so: their weight 1 is 2 here.
        adversarial_terms: Named terms of both losses beside it, from the discriminator's outputs.
        penalties: Named terms of the discriminator's loss beside it, computed without autocast.
        conditional: Whether the discriminator sees the sources; not for unpaired data.
        degradation: Makes the source of a target, ``(x, rng) -> source``; None for data with sources and targets.
        history: Number of earlier translations that the discriminator is shown some of, over all devices; not with
            `conditional`. See `HistoryPool`.
        generator_optimizer: Makes the optimizer; None for Adam with learning rate 2e-4 and betas (0.5, 0.999).
        discriminator_optimizer: The same for the discriminator.
        generator_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminator.
        generator_clip: Largest norm of the generator's gradient, above 0; None for no clipping.
        discriminator_clip: The same for the discriminator.
        accumulate: Parts that each batch is split into to save memory, at least 1.
        ema: Average of the generator's weights that translates for a user; None to use the trained weights.

    Attributes:
        generator_ema: The averaged generator in float32, or None.

    Raises:
        InputError: The parts do not fit each other, or a number is out of range.
    """

    links: ClassVar[tuple[Link, ...]] = (
        Link("generator.shape", source_shape),
        Link("generator.target_channels", lambda parts: target_shape(parts)[0]),
        Link("discriminator.shape", discriminator_shape),
    )

    def __init__(
        self,
        generator: Translator,
        objective: dict[str, Term],
        discriminator: Discriminator | None = None,
        adversarial: AdversarialObjective | None = None,
        adversarial_weight: float | Schedule = 1.0,
        adversarial_terms: dict[str, AuxiliaryTerm] | None = None,
        penalties: dict[str, Penalty] | None = None,
        conditional: bool = True,
        degradation: Degradation | None = None,
        history: int = 0,
        generator_optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        generator_clip: float | None = None,
        discriminator_clip: float | None = None,
        accumulate: int = 1,
        ema: EMA | None = None,
    ) -> None:
        super().__init__(
            adversarial_weight,
            history,
            generator_optimizer,
            discriminator_optimizer,
            generator_scheduler,
            discriminator_scheduler,
            generator_clip,
            discriminator_clip,
            accumulate,
        )
        self.conditional = conditional
        self.generator = as_translator(generator)
        self.discriminator = (
            None if discriminator is None else as_discriminator(discriminator, self.discriminator_shape)
        )
        self.adversarial = adversarial
        self.adversarial_terms = named(adversarial_terms or {})
        self.penalties = named(penalties or {})
        self.assemble(objective, degradation, ema)
        check_translator(self.generator, self.discriminator, self.discriminator_shape, adversarial)
        if history and (conditional or discriminator is None):
            raise InputError(
                "a history keeps translations without their sources, for a discriminator that sees no sources: set "
                "--model.history 0, or --model.conditional false with a discriminator"
            )

    @property
    def trained_translators(self) -> dict[str, Translator]:
        """The generator."""
        return {"generator": self.generator}

    @property
    def discriminator_shape(self) -> Shape:
        """Shape of what the discriminator reads."""
        channels, *sides = self.target_shape
        return (channels + self.source_shape[0] if self.conditional else channels, *sides)

    # training ----------------------------------------------------------------------------------------------------

    @property
    def losses(self) -> AdversarialLosses | None:
        """The adversarial losses, with the penalties that are part of the discriminator's current update."""
        if self.discriminator is None or self.adversarial is None:
            return None
        update, found = self.updates.get("discriminator", 0), cast(dict[str, Penalty], self.penalties)
        penalties = {name: penalty for name, penalty in found.items() if update % penalty.every == 0}
        terms = cast(dict[str, AuxiliaryTerm], dict(self.adversarial_terms))
        return AdversarialLosses(self.discriminator, self.adversarial, terms, penalties)

    @property
    def discriminators(self) -> list[nn.Module]:
        """The discriminator, where there is one."""
        return [] if self.discriminator is None else [self.discriminator]

    def generator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the generator: its objective, and the adversarial loss against the frozen discriminator.

        Leaves real and fake samples for the discriminator in the part's results.
        """
        record = self.translation(self.generator, part.results.pop("pair"))
        loss, losses = self.loss(record), self.losses
        if losses is None:
            return loss
        real, fake = (self._shown_beside(record.source, each) for each in (record.target, record.samples))
        found = losses.of_generator(fake, None, real, None, record.images)
        weight = at(self.adversarial_weight, record.images)
        part.results["shown"] = RealFakePair(real, fake).detached()
        self._pools[0].collect(part.results["shown"].fake)
        return found.added_to(loss.plus("adversarial", found.adversarial, weight), "generator")

    def _shown_beside(self, source: Tensor, x: Tensor) -> Tensor:
        """What the discriminator sees of targets or translations: these, beside their sources where it sees both."""
        if not self.conditional:
            return x
        if source.shape[2:] != x.shape[2:]:
            source = interpolate(source, x.shape[2:], mode="nearest")
        return torch.cat([source, x.to(source.dtype)], 1)

    def discriminator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the discriminator on the results of the generator's pass over the batch."""
        losses = self.losses
        assert losses is not None
        shown = replace(part.results.pop("shown"), fake=self._pools[0].take(self.rng))
        return self.judged(losses, shown)

    def check_unpaired(self) -> None:
        """Check the terms, and that the discriminator sees no pairs.

        Raises:
            InputError: The module cannot be trained on unpaired data.
        """
        super().check_unpaired()
        if self.discriminator is not None and self.conditional:
            raise InputError(
                "the data are not paired and the discriminator would see each source beside a target that is not its "
                "own: set --model.conditional false, or give pairs, --data PairedFolder"
            )
