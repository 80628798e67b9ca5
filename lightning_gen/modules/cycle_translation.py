"""Translation of images in both directions, without pairs: CycleGAN."""

from dataclasses import replace
from typing import ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.augmentations import Degradation
from lightning_gen.errors import InputError
from lightning_gen.links import Link
from lightning_gen.modules.compatibility import check_translator
from lightning_gen.modules.translation_base import Pair, TranslationBase, source_shape, target_shape
from lightning_gen.networks import Discriminator, Translator
from lightning_gen.networks.wrapped import as_discriminator, as_translator
from lightning_gen.objectives import AdversarialObjective
from lightning_gen.records import Batch, RealFakePair, Translation
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.adversarial import AdversarialLosses
from lightning_gen.training.ema import EMA
from lightning_gen.training.phases import Loss, MicroBatch

ROUNDING = 1 / 127.5
"""The distance of two 8-bit pixels, of images in [-1, 1]."""


class CycleTranslationModule(TranslationBase):
    """Two networks that translate images of two domains to each other and are trained without pairs: CycleGAN.

    ``a → generator → b̂ → back_generator → a'``, ``b → back_generator → â → generator → b'``
    ``Σ over directions: weight · adversarial(discriminator) + Σ weightₖ · termₖ(record)``

    Sources are of the domain a and targets of b. Every term of the objective is computed for both directions, and what
    is logged is the sum. One optimizer trains both translators and one both discriminators, as in the code of
    CycleGAN's authors. The translators are updated first; then the discriminators, on the detached translations of that
    pass and on earlier ones.

    Paper: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
    https://arxiv.org/abs/1703.10593. Its least squares are twice `LeastSquares`, so that their weight beside a cycle of
    10 is 2; the authors halve the discriminator's loss, which is that of `LeastSquares`.

    Args:
        generator: Sources ``(n, *source_shape)`` to translations ``(n, *target_shape)``. Any module will do; see
            `WrappedTranslator`.
        back_generator: Targets to translations of the shape of sources.
        discriminator: Targets and translations to logits. Any module will do; see `WrappedDiscriminator`.
        back_discriminator: Sources and translations back to logits.
        objective: Named terms, with their weights, for both directions alike: `CycleConsistency`, `IdentityMapping`.
        adversarial: The adversarial losses, from the logits.
        adversarial_weight: Factor of the translators' adversarial losses, at least 0, or a schedule of it.
        degradation: Makes a source of each image: targets are the images of the data, and sources degraded ones; None
            for data with sources and targets.
        history: Number of earlier translations of each direction that the discriminators are shown some of, over all
            devices; see `HistoryPool`.
        generator_optimizer: Makes the optimizer of both translators; None for Adam with learning rate 2e-4 and betas
            (0.5, 0.999).
        discriminator_optimizer: The same for both discriminators.
        generator_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminators.
        generator_clip: Largest norm of the translators' gradient, above 0; None for no clipping.
        discriminator_clip: The same for the discriminators.
        accumulate: Parts that each batch is split into to save memory, at least 1.
        ema: Average of the translators' weights that translates for a user; None to use the trained weights.

    Attributes:
        generator_ema: The averaged generator in float32, or None.
        back_generator_ema: The averaged back_generator, or None.

    Raises:
        InputError: The parts do not fit each other, or a number is out of range.
    """

    links: ClassVar[tuple[Link, ...]] = (
        Link("generator.shape", source_shape),
        Link("generator.target_channels", lambda parts: target_shape(parts)[0]),
        Link("back_generator.shape", target_shape),
        Link("back_generator.target_channels", lambda parts: source_shape(parts)[0]),
        Link("discriminator.shape", target_shape),
        Link("back_discriminator.shape", source_shape),
    )

    def __init__(
        self,
        generator: Translator,
        back_generator: Translator,
        discriminator: Discriminator,
        back_discriminator: Discriminator,
        objective: dict[str, Term],
        adversarial: AdversarialObjective,
        adversarial_weight: float | Schedule = 1.0,
        degradation: Degradation | None = None,
        history: int = 50,
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
        self.generator = as_translator(generator)
        self.back_generator = as_translator(back_generator)
        self.discriminator = as_discriminator(discriminator, self.target_shape)
        self.back_discriminator = as_discriminator(back_discriminator, self.source_shape)
        self.adversarial = adversarial
        self.assemble(objective, degradation, ema)
        check_translator(self.generator, self.discriminator, self.target_shape, adversarial)
        check_translator(self.back_generator, self.back_discriminator, self.source_shape, adversarial)
        if tuple(self.back_generator.target_shape) != self.source_shape:
            raise InputError(
                f"the generator reads {self.source_shape} and the back_generator gives "
                f"{tuple(self.back_generator.target_shape)}: build each for the shape that the other gives"
            )
        if tuple(self.back_generator.shape) != self.target_shape:
            raise InputError(
                f"the generator gives {self.target_shape} and the back_generator reads "
                f"{tuple(self.back_generator.shape)}: build each for the shape that the other gives"
            )

    @property
    def trained_translators(self) -> dict[str, Translator]:
        """The generator, and the way back."""
        return {"generator": self.generator, "back_generator": self.back_generator}

    # training ----------------------------------------------------------------------------------------------------

    @property
    def discriminators(self) -> list[nn.Module]:
        """That of the translations, and that of those back."""
        return [self.discriminator, self.back_discriminator]

    @property
    def losses(self) -> tuple[AdversarialLosses, AdversarialLosses]:
        """The adversarial losses of the translations, and of those back."""
        return tuple(AdversarialLosses(network, self.adversarial, {}, {}) for network in self.discriminators)  # type: ignore[return-value]

    def generator_loss(self, part: MicroBatch) -> Loss:
        """The losses of both translators, against the frozen discriminators.

        Leaves real and fake samples for the discriminators in the part's results.
        """
        pair = part.results.pop("pair")
        records = (
            self.translation(self.generator, pair, self.back_generator),
            self.translation(self.back_generator, Pair(pair.target, pair.source), self.generator),
        )
        directions = [self._of_direction(*each) for each in zip(records, self.losses, strict=True)]
        part.results["shown"] = [RealFakePair(each.target, each.samples).detached() for each in records]
        for pool, shown in zip(self._pools, part.results["shown"], strict=True):
            pool.collect(shown.fake)
        return directions[0] + directions[1]

    def _of_direction(self, record: Translation, losses: AdversarialLosses) -> Loss:
        """The loss of one direction: its objective and its adversarial loss."""
        found = losses.of_generator(record.samples, None, record.target, None, record.images)
        weight = at(self.adversarial_weight, record.images)
        return self.loss(record).plus("adversarial", found.adversarial, weight)

    def discriminator_loss(self, part: MicroBatch) -> Loss:
        """The losses of both discriminators on the results of the translators' passes over the batch."""
        found = []
        for losses, shown, pool in zip(self.losses, part.results.pop("shown"), self._pools, strict=True):
            found.append(self.judged(losses, replace(shown, fake=pool.take(self.rng))))
        forward, back = found
        return Loss(
            forward.total + back.total, {**forward.terms, **{f"back_{name}": each for name, each in back.terms.items()}}
        )

    # evaluation --------------------------------------------------------------------------------------------------

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """The errors of translations where these are known, and the mean absolute error of the cycle.

        The translation is rounded to 8 bits and gets Gaussian noise of one grey level before it is translated back: a
        translator that hides the source in what nobody sees has a small error without, and a large one with it.
        """
        pair = self.pair_of(batch, self.evaluation_rng)
        samples = self.translate(pair.source)
        noise = torch.randn(samples.shape, generator=self.evaluation_rng, device=self.evaluation_rng.device)
        seen = ((samples / ROUNDING).round() * ROUNDING + ROUNDING * noise.to(samples)).clamp(-1, 1)
        cycle = (self.translate(seen, back=True) - pair.source).abs().mean() / 2
        self.distance.update(pair.target, samples)
        return {"cycle": cycle, **(self.errors(samples, pair.target) if self.paired else {})}

    def shown_beside(self, pair: Pair) -> list[Tensor]:
        """What a preview shows beside sources and translations: these translated back."""
        return [self.translate(self.translate(pair.source), back=True), *super().shown_beside(pair)]
