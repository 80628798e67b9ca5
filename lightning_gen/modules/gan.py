"""Generative adversarial networks: a generator and a discriminator that are trained in alternation."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.augmentations import AdaptiveAugmentation, Augmentation
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.links import Link, num_classes, shape
from lightning_gen.metrics import SlicedWasserstein
from lightning_gen.modules.compatibility import check_adversarial_terms, check_generator
from lightning_gen.networks import Discriminator, Generator
from lightning_gen.networks.wrapped import as_discriminator, as_generator
from lightning_gen.objectives import AdversarialObjective, AuxiliaryTerm
from lightning_gen.priors import LatentPrior, Normal
from lightning_gen.ranges import COUNT, require
from lightning_gen.records import Batch, RealFakePair, Shape
from lightning_gen.regularizers import Constraint, GeneratorPass, GeneratorPenalty, LazyPenalty, Penalty
from lightning_gen.training.adversarial import AdversarialLosses, generator_penalties, mean
from lightning_gen.training.alternating import AlternatingModule
from lightning_gen.training.averaging import AveragingModule
from lightning_gen.training.batch_norm import measure_statistics
from lightning_gen.training.collectives import all_reduce_mean
from lightning_gen.training.ema import EMA
from lightning_gen.training.first_batch import PixelsOnly
from lightning_gen.training.module import named
from lightning_gen.training.outputs import outputs_of
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase, check_clip


class GANModule(AveragingModule, AlternatingModule):
    """A generator that is trained against a discriminator.

    ``latent → generator → augment(real), augment(fake) → discriminator
    → objective + Σ weight · term + Σ weight · penalty``

    Each batch gives the discriminator one update on fresh real images; the generator has one on every
    `discriminator_updates`-th batch. The fake samples of conditional networks have the classes of the real batch.

    With `fresh_reals` the generator's update has a real batch of its own, as in R3GAN's code: for objectives that
    compare real and fake logits, and for the classes of conditional networks. A step then reads two batches at once and
    counts the images of one. A `DataModule` gives twice as many samples; a DataLoader of your own should, and the
    discriminator has the first half of them.

    Generative Adversarial Nets, Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661), Algorithm 1.

    Args:
        generator: Latents ``(n, latent_dim)`` to samples ``(n, *shape)``. Any module with a `latent_dim` will do; see
            `WrappedGenerator`.
        discriminator: Samples ``(n, *shape)`` to logits ``(n / packing,)``. Any module will do; see
            `WrappedDiscriminator`.
        objective: The losses of both networks, from both logits.
        terms: Named terms of both losses beside the objective, from the discriminator's outputs.
        penalties: Named terms of the discriminator's loss beside it, computed without autocast.
        constraint: Constraint on the discriminator's weights, applied after each of its updates; or None.
        augmentation: Differentiable change of real and fake samples alike, ``(x, rng) -> x``, or None.
        prior: Prior of the latents; None for N(0, I).
        generator_optimizer: Makes the optimizer; None for Adam with learning rate 2e-4 and betas (0.5, 0.999).
        discriminator_optimizer: The same for the discriminator.
        generator_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminator.
        generator_clip: Largest norm of the generator's gradient, above 0; None for no clipping.
        discriminator_clip: The same for the discriminator.
        discriminator_updates: Updates of the discriminator for one of the generator, at least 1.
        accumulate: Parts that each batch is split into to save memory, at least 1.
        shared_samples: Whether the generator's update uses the samples of the discriminator's update, with a new
            augmentation, and not fresh ones: this saves a pass of the generator, and its graph stays in memory. Many
            training loops do so, PyTorch's DCGAN example among them. Not together with `accumulate` or `fresh_reals`.
        ema: Average of the generator's weights that sampling uses; None to sample with the trained weights.
        generator_penalties: Named terms of the generator's loss beside its objective, such as `PathLength`.
        separate_penalties: Whether a penalty with an interval is an update of its own, as in StyleGAN2, and not part of
            the update that it falls on. It is due on every `every`-th batch then.
        fresh_reals: Whether the generator's update has other real samples than that of the discriminator.

    Attributes:
        generator_ema: The averaged generator in float32, or None.

    Raises:
        InputError: A number is out of range, shared samples are to be accumulated or to have fresh reals, or generator
            and discriminator do not fit each other.
    """

    former_names: ClassVar[Mapping[str, str]] = {"standing_statistics": "recalibrate"}
    inverts: ClassVar[bool] = True
    recalibrates: ClassVar[bool] = True
    sample_options: ClassVar[frozenset[str]] = frozenset({"truncation"})
    links: ClassVar[tuple[Link, ...]] = (
        shape("generator.shape"),
        shape("discriminator.shape"),
        num_classes("generator"),
        num_classes("discriminator"),
    )

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        objective: AdversarialObjective,
        terms: dict[str, AuxiliaryTerm] | None = None,
        penalties: dict[str, Penalty] | None = None,
        constraint: Constraint | None = None,
        augmentation: Augmentation | None = None,
        prior: LatentPrior | None = None,
        generator_optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        generator_clip: float | None = None,
        discriminator_clip: float | None = None,
        discriminator_updates: int = 1,
        accumulate: int = 1,
        shared_samples: bool = False,
        ema: EMA | None = EMA(),  # noqa: B008 - frozen, so it can be shared
        generator_penalties: dict[str, GeneratorPenalty] | None = None,
        separate_penalties: bool = False,
        fresh_reals: bool = False,
    ) -> None:
        super().__init__()
        if shared_samples and fresh_reals:
            raise InputError(
                "fresh_reals gives each network a batch of its own and shared_samples one to both: set "
                "--model.shared_samples false"
            )
        self.shared_samples = shared_samples
        self.fresh_reals = fresh_reals
        self.split_batches(accumulate)
        if discriminator_updates not in COUNT:
            raise InputError(f"discriminator_updates must be at least 1, not {discriminator_updates}")
        check_clip(self, "generator_clip", generator_clip)
        check_clip(self, "discriminator_clip", discriminator_clip)
        generator = as_generator(generator)
        discriminator = as_discriminator(discriminator, generator.shape)
        check_generator(generator, discriminator)
        check_adversarial_terms(discriminator, terms or {})
        self.generator = generator
        self.discriminator = discriminator
        self.objective = objective
        self.terms = named(terms or {})
        self.penalties = named(penalties or {})
        self.generator_penalties = named(generator_penalties or {})
        self.separate_penalties = separate_penalties
        self.constraint = constraint
        self.augmentation = augmentation
        self.prior = prior
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
        adapts = isinstance(augmentation, AdaptiveAugmentation) and augmentation.reads_signs
        if adapts and objective.judges_differences:
            warnings.warn(
                f"{type(augmentation).__name__} follows the sign of the logits on real samples, which means nothing to "
                f"{type(objective).__name__}: set --model.augmentation.target null to keep the probability as it is",
                stacklevel=2,
            )
        if discriminator.mixes_samples and any(penalty.for_single_samples for penalty in (penalties or {}).values()):
            warnings.warn(
                "a gradient penalty is defined for one sample at a time and the discriminator's BatchNorm or "
                "minibatch_std mixes them: set --model.discriminator.batch_norm false, or minibatch_std false",
                stacklevel=2,
            )

    @property
    def data_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.generator.shape)

    @property
    def num_classes(self) -> int | None:
        """Number of classes that `sample` can be asked for, or None."""
        return self.generator.num_classes

    @property
    def applied_networks(self) -> dict[str, nn.Module]:
        """The generator."""
        return {"generator": self.sampler}

    @property
    def pixels_only(self) -> PixelsOnly | None:
        """The module itself, if its samples are images: they are treated as pixels everywhere."""
        if not self.medium.bounded:
            return None
        return PixelsOnly(type(self).__name__, "clip the result of a resizing filter, x.clamp(-1, 1)")

    # sampling ------------------------------------------------------------------------------------------------------

    @property
    def sampler(self) -> Generator:
        """The network that sampling uses: the averaged generator if there is one, else the generator."""
        self.complete_average()
        return self.generator if self.generator_ema is None else self.generator_ema

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``(n, *shape)`` from latents ``(n, latent_dim)``, with the averaged weights where there are any."""
        return self.sampler(latent, labels)

    @property
    def latent_prior(self) -> LatentPrior:
        """The prior of the latents."""
        return self.prior or Normal()

    def features(self, x: Tensor, labels: Tensor | None = None) -> Tensor | None:
        """The features from which the discriminator computes its logits, ``(n, features)``; differentiable.

        Args:
            x: Samples ``(n, *shape)``; images in [-1, 1].
            labels: Their classes ``(n,)``, for a conditional discriminator.

        Returns:
            None where the discriminator reads several samples at a time, so that none has features of its own.
        """
        if self.discriminator.packing > 1:
            return None
        found = [output.features.reshape(len(x), -1) for output in outputs_of(self.discriminator(x, labels))]
        return torch.cat([each[:, : each.shape[1] - self.discriminator.batch_features] for each in found], 1)

    def latents(self, n: int, generator: torch.Generator | None = None, truncation: float | None = None) -> Tensor:
        """Draw latents from the prior, ``(n, latent_dim)``, on the module's device.

        Args:
            n: How many.
            generator: Source of random numbers, on any device; None for this process's own.
            truncation: Largest absolute value of a coordinate; None for all of the prior.

        Raises:
            InputError: The prior cannot be truncated.
        """
        prior, source = self.latent_prior, generator or self.rng
        if truncation is None:
            return prior.draw(n, self.generator.latent_dim, source).to(self.device)
        return prior.truncated(n, self.generator.latent_dim, source, truncation).to(self.device)

    @property
    def latent_shape(self) -> Shape:
        """Shape of one latent, ``(latent_dim,)``."""
        return (self.generator.latent_dim,)

    @property
    def spherical_prior(self) -> bool:
        """Whether the prior's latents lie near a sphere around 0."""
        return self.latent_prior.spherical

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        """The same as `latents`, without truncation."""
        return self.latents(n, generator)

    def from_latents(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same as `forward`."""
        return self(latents, labels)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | Sequence[int | str] | int | str | None = None,
        generator: torch.Generator | None = None,
        truncation: float | None = None,
        batch_size: int = 256,
    ) -> Tensor:
        """Draw samples in evaluation mode, with the averaged weights where there are any.

        Args:
            n: How many.
            labels: Class or classes to draw, by number or name, repeated until there are n; None for classes at random.
                For conditional generators.
            generator: Source of the latents; the same seed gives the same samples. None for this process's own.
            truncation: Largest absolute value of a latent's coordinate: below about 2, better samples of less variety.
            batch_size: Samples drawn at a time.

        Returns:
            ``(n, *shape)``; images in [-1, 1].

        Raises:
            InputError: `n` is below 1, the generator has no such class, or the prior cannot be truncated.
        """
        if n < 1:
            raise InputError(f"the number of samples must be at least 1, not {n}")
        require(self, "batch_size", batch_size, COUNT)
        latents = self.latents(n, generator, truncation).split(batch_size)
        classes: Sequence[Tensor | None] = [None] * len(latents)
        if self.num_classes is not None or labels is not None:
            classes = self.classes(n, labels, generator).split(batch_size)
        with evaluating(self.sampler):
            return torch.cat([self.sampler(latent, y) for latent, y in zip(latents, classes, strict=True)])

    def classes(
        self,
        n: int,
        labels: Tensor | Sequence[int | str] | int | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Classes ``(n,)`` of samples: those asked for, repeated, or uniformly random ones.

        Raises:
            InputError: The generator has no such class.
        """
        source = generator or self.rng
        return self.known_classes.of_samples(n, labels, source).to(self.device)

    @torch.no_grad()
    def recalibrate(self, batches: int = 64, batch_size: int = 64, generator: torch.Generator | None = None) -> None:
        """Measure the BatchNorm statistics of the network that samples, anew, over drawn batches.

        The average of the weights was never trained with the running statistics it comes with. Paper: Large Scale GAN
        Training for High Fidelity Natural Image Synthesis, https://arxiv.org/abs/1809.11096, appendix.

        Args:
            batches: Batches that are drawn; nothing is done where the generator has no BatchNorm.
            batch_size: Samples in each; as in training is best.
            generator: Source of the latents; None for this process's own.
        """

        def draw() -> None:
            labels = None if self.num_classes is None else self.classes(batch_size, None, generator)
            self.sampler(self.latents(batch_size, generator), labels)

        measure_statistics(self.sampler, draw, batches)

    @property
    def protocol(self) -> dict[str, Any]:
        """Whether samples are of the averaged weights."""
        return {"ema": self.generator_ema is not None}

    @property
    def redraws(self) -> bool:  # type: ignore[override]
        """Whether the generator's step draws samples of its own where it could use those of the discriminator's."""
        return not self.shared_samples and self.accumulate == 1 and not self.fresh_reals

    @property
    def batches_at_once(self) -> int:  # type: ignore[override]
        """Two where the generator has real samples of its own."""
        return 2 if self.fresh_reals else 1

    def batches_of_update(self, accumulated: int) -> int:
        """One for each update of the discriminator before one of the generator."""
        return self.discriminator_updates

    def begins_update(self, batch_idx: int, accumulated: int) -> bool:
        """Whether the generator was updated on the batch before."""
        return self.rounds % self.discriminator_updates == 0

    def summary(self, max_images: int | None) -> list[str]:
        """What an adaptive augmentation says of the run's length."""
        return self.augmentation.summary(max_images) if isinstance(self.augmentation, AdaptiveAugmentation) else []

    # training ------------------------------------------------------------------------------------------------------

    @property
    def losses(self) -> AdversarialLosses:
        """The losses of both networks, with the penalties that are part of the discriminator's current update."""
        penalties = self._due(self.penalties, "discriminator")
        return AdversarialLosses(self.discriminator, self.objective, cast(Any, dict(self.terms)), penalties)

    def phases(self) -> Sequence[Phase]:
        """The discriminator, then the generator, each followed by the penalties that are updates of their own."""
        default = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
        discriminator = OptimizedNetwork(
            "discriminator",
            self.discriminator,
            self.discriminator_optimizer or default,
            self.discriminator_scheduler,
            self.discriminator_clip,
        )
        generator = OptimizedNetwork(
            "generator",
            self.generator,
            self.generator_optimizer or default,
            self.generator_scheduler,
            self.generator_clip,
        )
        every = self.discriminator_updates
        return (
            Phase("discriminator", discriminator, self.discriminator_loss, after=self._after_discriminator),
            *self._penalty_phases(discriminator, self.penalties, self.discriminator_penalty),
            Phase("generator", generator, self.generator_loss, every, after=self._after_generator),
            *self._penalty_phases(generator, self.generator_penalties, self.generator_penalty),
        )

    def _penalty_phases(self, network: OptimizedNetwork, penalties: nn.ModuleDict, loss: Any) -> Iterator[Phase]:
        """A phase for each penalty with an interval, where these are updates of their own."""
        for name, penalty in cast(Mapping[str, LazyPenalty], penalties).items():
            if self._is_separate(penalty):
                yield Phase(name, network, partial(loss, {name: penalty}), penalty.every)

    def _is_separate(self, penalty: LazyPenalty) -> bool:
        return self.separate_penalties and penalty.every > 1

    def _due(self, penalties: nn.ModuleDict, phase: str) -> dict[str, Any]:
        """The penalties that are part of the current update of a phase."""
        update, found = self.updates.get(phase, 0), cast(Mapping[str, LazyPenalty], penalties)
        return {name: each for name, each in found.items() if update % each.every == 0 and not self._is_separate(each)}

    def split_batches(self, accumulate: int) -> None:
        """Set the number of parts that each batch is split into.

        Raises:
            InputError: `accumulate` is below 1, or both networks share samples, which cannot be split.
        """
        if accumulate > 1 and self.shared_samples:
            raise InputError(
                "accumulate saves the memory of a whole batch and shared_samples keeps its graph: set "
                "--model.shared_samples false"
            )
        super().split_batches(accumulate)

    def prepare(self, part: MicroBatch) -> None:
        """Follow the augmentation's schedule, and generate the samples that both networks share in this step."""
        if isinstance(self.augmentation, AdaptiveAugmentation):
            self.augmentation.advance(self.images_seen)
        if self.shared_samples and (self.rounds + 1) % self.discriminator_updates == 0:
            part.results["fake"] = self._generate(part.batch)

    def _generate(self, batch: Batch) -> Tensor:
        """Fresh samples of the classes of a batch."""
        return self.generator(self.latents(len(batch.x)), batch.labels)

    def _fake(self, part: MicroBatch) -> Tensor:
        """The samples that both networks share in this step, or else fresh ones."""
        return part.results["fake"] if part.results else self._generate(part.batch)

    def _pair(self, part: MicroBatch) -> RealFakePair:
        """Real and fake samples as the discriminator sees them, without a graph."""
        with torch.no_grad():
            fake = self._fake(part).detach()
        real, labels = part.batch.x, part.batch.labels
        if self.augmentation is not None:
            real, fake = self.augmentation(real, self.rng), self.augmentation(fake, self.rng)
        return RealFakePair(real, fake, labels, labels)

    def discriminator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the discriminator: its objective on real and fake samples, its terms, and the penalties due."""
        losses = self.losses
        passes = losses.passes(self._pair(part), self.rng)
        loss = losses.of_discriminator(passes, self.images_seen)
        if isinstance(self.augmentation, AdaptiveAugmentation):
            sign = {"real_sign": mean([each.on_real.logits.detach().sign().mean() for each in passes])}
            return Loss(loss.total, loss.terms | sign | self.augmentation.metrics())
        return loss

    def discriminator_penalty(self, penalties: dict[str, Penalty], part: MicroBatch) -> Loss:
        """Penalties of the discriminator in an update of their own."""
        losses, nothing = replace(self.losses, penalties=penalties), Loss(part.batch.x.new_zeros(()))
        return losses.penalized(nothing, losses.passes(self._pair(part), self.rng), self.images_seen)

    def generator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the generator: its objective against the frozen discriminator, its terms and penalties."""
        part = replace(part, batch=part.fresh or part.batch)
        fake, real, labels = self._fake(part), part.batch.x, part.batch.labels
        losses = self.losses
        if self.augmentation is not None:
            fake = self.augmentation(fake, self.rng)
            real = self.augmentation(real, self.rng) if losses.needs_real else real
        found = losses.of_generator(fake, labels, real, labels, self.images_seen)
        loss = found.added_to(Loss(found.adversarial), "generator")
        penalties = self._due(self.generator_penalties, "generator")
        return self.generator_penalty(penalties, part, loss) if penalties else loss

    def generator_penalty(
        self, penalties: dict[str, GeneratorPenalty], part: MicroBatch, loss: Loss | None = None
    ) -> Loss:
        """Penalties of the generator, beside a loss or in an update of their own."""
        batch = part.fresh or part.batch
        latents = self.latents(len(batch.x))
        record = GeneratorPass(self.generator, latents, batch.labels, self.rng)
        return generator_penalties(loss or Loss(latents.new_zeros(())), penalties, record, self.images_seen)

    def _after_discriminator(self, images: int, loss: Loss) -> None:
        """Constrain the discriminator, and adapt the augmentation."""
        if self.constraint is not None:
            self.constraint(self.discriminator)
        if isinstance(self.augmentation, AdaptiveAugmentation):
            sign = loss.terms["real_sign"]
            if self.trainer.world_size > 1:
                all_reduce_mean([sign])
            self.augmentation.adapt(sign, images)

    def _after_generator(self, images: int, loss: Loss) -> None:
        """Move the average of the weights."""
        self.move_average(images)

    @property
    def averaged(self) -> dict[str, nn.Module]:
        """The average of the generator, where there is one."""
        return {} if self.generator_ema is None else {"generator": self.generator_ema}

    # evaluation ----------------------------------------------------------------------------------------------------

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """The discriminator's mean logits on held-out and on generated samples."""
        labels = None if self.num_classes is None else batch.labels
        fake = self.sample(len(batch.x), labels, self.evaluation_rng)
        self.distance.update(batch.x, fake)
        packs = -(-len(batch.x) // self.discriminator.packing)
        rows = torch.arange(packs * self.discriminator.packing, device=fake.device) % len(fake)  # fills the last pack
        labels = None if batch.labels is None else batch.labels[rows]
        outputs = [outputs_of(self.discriminator(x[rows], labels)) for x in (batch.x, fake)]
        on_real, on_fake = (mean([output.logits.mean() for output in each]) for each in outputs)
        return {"real_logit": on_real, "fake_logit": on_fake}

    def evaluation_start(self) -> None:
        """Discard the samples of a split that was left in the middle."""
        super().evaluation_start()
        self.distance.reset()

    def evaluation_end(self) -> dict[str, Tensor]:
        """The sliced Wasserstein distance between held-out and generated samples."""
        distance = self.distance.compute()
        self.distance.reset()
        return {"sliced_wasserstein": distance}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """As many samples as the batch holds, ``(n, *shape)``, of its classes where the generator is conditional."""
        batch = self.batch_of(batch)
        return self.sample(len(batch.x), None if self.num_classes is None else batch.labels)
