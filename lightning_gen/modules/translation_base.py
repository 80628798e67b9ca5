"""The base of modules that translate images: pairs of source and target, translation, evaluation, previews."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightning_gen import private
from lightning_gen.augmentations import Degradation
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.links import Parts
from lightning_gen.media import Medium, medium_of
from lightning_gen.metrics import SlicedWasserstein
from lightning_gen.metrics.reconstruction import similarity, ssim_skip_reason
from lightning_gen.modules.compatibility import check_degradation, check_terms_of_translations
from lightning_gen.modules.padding import translated
from lightning_gen.networks import Translator
from lightning_gen.objectives import TranslationTerm
from lightning_gen.ranges import FROM_0, require
from lightning_gen.records import Batch, RealFakePair, Shape, Translated, Translation
from lightning_gen.schedules import Schedule, at
from lightning_gen.terms import Term
from lightning_gen.training.adversarial import AdversarialLosses, mean
from lightning_gen.training.alternating import AlternatingModule
from lightning_gen.training.averaging import AveragingModule
from lightning_gen.training.capabilities import Preview
from lightning_gen.training.ema import EMA
from lightning_gen.training.history import HistoryPool
from lightning_gen.training.module import named
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase, check_clip

LEAST_ERROR = 1e-10
"""The least squared error of an image in its PSNR, which is at most 100 dB."""


class Pair(NamedTuple):
    """Images of two domains.

    Attributes:
        source: ``(n, *source_shape)``.
        target: ``(n, *target_shape)``; those of their sources where the data are paired.
    """

    source: Tensor
    target: Tensor


def source_shape(parts: Parts) -> list[int]:
    """The shape of a source: of the data, or what a degradation makes of them."""
    degradation = parts.value("degradation")
    return list(parts.data.shape if degradation is None else degradation.source_shape(tuple(parts.data.shape)))


def target_shape(parts: Parts) -> list[int]:
    """The shape of a target.

    Raises:
        InputError: The data have no targets, and no degradation makes sources of them.
    """
    if parts.value("degradation") is not None:
        return list(parts.data.shape)
    shape = getattr(parts.data, "target_shape", None)  # which data of a user need not have
    if shape is None:
        raise without_targets(type(parts.data).__name__)
    return list(shape)


def without_targets(name: str) -> InputError:
    """The error for data without targets."""
    return InputError(
        f"{name} has single images and a translation needs a source and a target: give pairs, --data PairedFolder or "
        "UnpairedFolder, or make a source of each image, such as --model.degradation Grey"
    )


class TranslationBase(AveragingModule, AlternatingModule, ABC):
    """Networks that translate images of one domain to another, and how they are trained.

    Subclasses set their networks and call `assemble` in their constructor.

    Args:
        adversarial_weight: Factor of the generator's adversarial loss, at least 0, or a schedule of it.
        history: Number of earlier translations that a discriminator is shown some of, over all devices.
        generator_optimizer: Makes the optimizer of all that translates; None for Adam with learning rate 2e-4 and betas
            (0.5, 0.999).
        discriminator_optimizer: The same for the discriminators.
        generator_scheduler: Makes the learning-rate scheduler from the optimizer; stepped after each update.
        discriminator_scheduler: The same for the discriminators.
        generator_clip: Largest norm of the gradient of all that translates, above 0; None for no clipping.
        discriminator_clip: The same for the discriminators.
        accumulate: Parts that each batch is split into to save memory, at least 1.

    Attributes:
        degradation: Makes the source of a target; None where the data have both.

    Raises:
        InputError: A number is out of range.
    """

    monitor: ClassVar[str] = "val/sliced_wasserstein"
    translates: ClassVar[bool] = True

    degradation: Degradation | None
    objective: nn.ModuleDict

    def __init__(
        self,
        adversarial_weight: float | Schedule,
        history: int,
        generator_optimizer: OptimizerCallable | None,
        discriminator_optimizer: OptimizerCallable | None,
        generator_scheduler: LRSchedulerCallable | None,
        discriminator_scheduler: LRSchedulerCallable | None,
        generator_clip: float | None,
        discriminator_clip: float | None,
        accumulate: int,
    ) -> None:
        super().__init__()
        self.split_batches(accumulate)
        require(self, "adversarial_weight", adversarial_weight, FROM_0)
        check_clip(self, "generator_clip", generator_clip)
        check_clip(self, "discriminator_clip", discriminator_clip)
        self.adversarial_weight = adversarial_weight
        self.history = history
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.generator_scheduler = generator_scheduler
        self.discriminator_scheduler = discriminator_scheduler
        self.generator_clip = generator_clip
        self.discriminator_clip = discriminator_clip
        self.distance = SlicedWasserstein()

    def assemble(self, objective: Mapping[str, Term], degradation: Degradation | None, ema: EMA | None) -> None:
        """Keep the parts that all translators have, and build what depends on the networks, which are set.

        Raises:
            InputError: The parts do not fit each other.
        """
        first, *others = self.trained_translators.values()
        check_terms_of_translations(objective, [first, *others])
        check_degradation(degradation, first)
        for term in objective.values():
            if isinstance(term, TranslationTerm):
                term.build(first.feature_channels)
        self.objective = named(dict(objective))
        self.degradation = degradation
        self._pools = self._empty_pools(1)
        self.average_translators(ema)

    # what it is ------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def trained_translators(self) -> dict[str, Translator]:
        """The networks that are trained to translate, by their attributes: that of the direction, then the way back."""

    @property
    def translators(self) -> dict[str, Translator]:
        """The networks that translate for a user: the averages where there are any; see `trained_translators`."""
        if self.ema is None:
            return self.trained_translators
        self.complete_average()
        return cast(dict[str, Translator], self.averaged)

    def average_translators(self, ema: EMA | None) -> None:
        """Make the averages of the translators, which start as copies of them; none without an EMA."""
        self.ema = ema
        for name, network in self.trained_translators.items():
            average = None if ema is None else copy.deepcopy(network).requires_grad_(False).eval()
            setattr(self, f"{name}_ema", average)

    @property
    def averaged(self) -> dict[str, nn.Module]:
        """The averages of the translators, where there are any."""
        names = self.trained_translators if self.ema is not None else ()
        return {name: getattr(self, f"{name}_ema") for name in names}

    @property
    def applied_networks(self) -> dict[str, nn.Module]:
        """The translators."""
        return {**self.translators}

    @property
    def source_shape(self) -> Shape:
        """Shape of a source."""
        return tuple(next(iter(self.trained_translators.values())).shape)

    @property
    def target_shape(self) -> Shape:
        """Shape of a translation."""
        return tuple(next(iter(self.trained_translators.values())).target_shape)

    @property
    def data_shape(self) -> Shape:
        """Shape of one image of the data: of a source, or of a target from which a source is made."""
        return self.source_shape if self.degradation is None else self.target_shape

    @property
    def target_medium(self) -> Medium:
        """What a translation is."""
        return medium_of(self.target_shape)

    @property
    def has_prior(self) -> bool:
        """False: it draws nothing, it translates."""
        return False

    def sample(self, n: int, labels: Any = None, generator: torch.Generator | None = None) -> Tensor:
        """Raise an error: it draws nothing.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{type(self).__name__} translates images and draws none: use translate")

    @property
    def protocol(self) -> dict[str, Any]:
        """That translations are of the averaged weights, where they are."""
        return {**super().protocol, **({} if self.ema is None else {"ema": True})}

    # using it --------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Translations of source images ``(n, *source_shape)``, by the averaged weights where there are any."""
        return self.translator()(x)

    @torch.no_grad()
    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        """Translations in evaluation mode, by the averaged weights where there are any.

        Args:
            x: Source images in [-1, 1], ``(n, channels, h, w)``, of any size: where the network does not take it, they
                are continued by reflection and the result is cropped.
            back: Whether they are target images, to be translated back.

        Returns:
            ``(n, channels, scale · h, scale · w)``.

        Raises:
            InputError: They have other channels, or nothing translates back.
        """
        network = self.translator(back)
        with evaluating(network):
            return translated(network, x)

    def translator(self, back: bool = False) -> Translator:
        """The network that translates for a user, or that translates back.

        Raises:
            InputError: Nothing translates back.
        """
        networks = list(self.translators.values())
        if back and len(networks) < 2:
            raise InputError(
                f"{type(self).__name__} translates in one direction: train CycleTranslationModule, recipe "
                "translation/cyclegan, for both"
            )
        return networks[back]

    def degraded(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """The sources of targets ``(n, *target_shape)``.

        Raises:
            InputError: There is no degradation.
        """
        if self.degradation is None:
            raise without_targets("the data")
        return self.degradation(x, rng)

    def pair_of(self, batch: Batch, rng: torch.Generator) -> Pair:
        """The sources and targets of a batch.

        Args:
            batch: Images in [-1, 1], with their targets where there is no degradation.
            rng: Source of the random numbers of the degradation.

        Raises:
            InputError: The batch has no targets and nothing makes sources, or targets have another shape.
        """
        target = self.targets_of(batch)
        return Pair(batch.x if self.degradation is None else self.degraded(batch.x, rng), target)

    def targets_of(self, batch: Batch) -> Tensor:
        """The targets of a batch, ``(n, *target_shape)``: its own, or its images where a degradation makes the sources.

        Raises:
            InputError: The batch has no targets and nothing makes sources, or targets have another shape.
        """
        if self.degradation is not None:
            return batch.x
        if batch.target is None:
            raise without_targets("a batch")
        if tuple(batch.target.shape[1:]) != self.target_shape:
            raise InputError(
                f"the data hold targets of shape {tuple(batch.target.shape[1:])} and the model gives translations of "
                f"shape {self.target_shape}: build it for the shape of the data, or bring the data to its own"
            )
        return batch.target

    # training --------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def discriminators(self) -> list[nn.Module]:
        """The discriminators, one for each translator, or none."""

    def phases(self) -> Sequence[Phase]:
        """All that translates, with the layers of the objective, then the discriminators where there are any."""
        translators = nn.ModuleList([*self.trained_translators.values(), self.objective])
        generator = self._optimized("generator", translators)
        first = Phase("generator", generator, self.generator_loss, after=self._after_generator)
        if not self.discriminators:
            return (first,)
        discriminator = self._optimized("discriminator", nn.ModuleList(self.discriminators))
        return (first, Phase("discriminator", discriminator, self.discriminator_loss))

    def _optimized(self, name: str, network: nn.Module) -> OptimizedNetwork:
        make = getattr(self, f"{name}_optimizer") or partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
        return OptimizedNetwork(name, network, make, getattr(self, f"{name}_scheduler"), getattr(self, f"{name}_clip"))

    @abstractmethod
    def generator_loss(self, part: MicroBatch) -> Loss:
        """The loss of all that translates, against the frozen discriminators, for which it leaves samples behind."""

    @abstractmethod
    def discriminator_loss(self, part: MicroBatch) -> Loss:
        """The loss of the discriminators on the results of the pass over the batch."""

    def prepare(self, part: MicroBatch) -> None:
        """Make the sources of a batch."""
        part.results["pair"] = self.pair_of(part.batch, self.rng)
        for pool in self._pools:
            pool.discard()

    def _empty_pools(self, devices: int) -> list[HistoryPool]:
        """A history for each translator, or the share of one of several devices in them."""
        return [HistoryPool.of_device(self.history, devices) for _ in self.trained_translators]

    def own_state(self) -> dict[str, Any]:
        """The random state, and the histories of this process."""
        return {**super().own_state(), "histories": [pool.state() for pool in self._pools]}

    def load_own_state(self, own: dict[str, Any]) -> None:
        """Restore the random state and the histories."""
        super().load_own_state(own)
        for pool, state in zip(self._pools, own.get("histories", ()), strict=False):
            pool.load_state(state)

    @property
    def terms(self) -> dict[str, Term]:
        """The terms of the objective by name."""
        return cast(dict[str, Term], dict(self.objective.items()))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the maps of the translator that the terms read, each once."""
        names = [
            name for term in self.terms.values() if isinstance(term, TranslationTerm) for name in term.feature_names
        ]
        return tuple(dict.fromkeys(names))

    def translation(self, network: Translator, pair: Pair, back: Translator | None = None) -> Translation:
        """One pass of a translator over a batch."""
        names = self.feature_names

        def translate(x: Tensor) -> Translated:
            if not names:
                return Translated(network(x), {})
            samples, features = network.forward_with_features(x, names)
            return Translated(samples, dict(zip(names, features, strict=True)))

        def features(x: Tensor, asked: Any) -> Mapping[str, Tensor]:
            return dict(zip(asked, network.features(x, asked), strict=True))

        images = self.images_seen - self.batch_images  # schedules count the images of earlier updates
        output = translate(pair.source)
        return Translation(pair.source, output, translate, features, pair.target, back, self.rng, images)

    def loss(self, record: Translation) -> Loss:
        """The weighted sum of the terms of the objective; a term without weight is not computed."""
        loss = Loss(record.source.new_zeros((), dtype=torch.float32))
        for name, term in self.terms.items():
            weight = at(term.weight, record.images)
            if weight != 0:
                loss = loss.plus(name, term(record), weight)
        return loss

    def judged(self, losses: AdversarialLosses, shown: RealFakePair) -> Loss:
        """The loss of a discriminator, with its accuracy: the share of logits on real samples above those on fake ones.

        At 0.5 it cannot tell them apart. Unlike the loss the accuracy means the same for every objective.
        """
        passes = losses.passes(shown, self.rng)
        right = mean([(each.on_real.logits > each.on_fake.logits).float().mean() for each in passes])
        loss = losses.of_discriminator(passes, self.images_seen)
        return Loss(loss.total, {**loss.terms, "discriminator_accuracy": right})

    def on_fit_start(self) -> None:
        """Refuse terms and discriminators that need pairs where the data have none; share histories over devices."""
        super().on_fit_start()
        self._pools = self._empty_pools(self.trainer.world_size)
        data: Any = getattr(self.trainer, "datamodule", None)
        if self.degradation is None and not getattr(data, "paired", True):
            self.check_unpaired()

    def check_unpaired(self) -> None:
        """Check that the module can be trained on images of both domains that belong to no pairs.

        Raises:
            InputError: A term compares each translation with the target of its source.
        """
        compares = [name for name, term in self.terms.items() if term.needs_pairs and term.weight != 0]
        if compares:
            raise InputError(
                f"the data are not paired and the term '{compares[0]}' compares each translation with the target of "
                f"its source: leave it out, --model.objective.{compares[0]}.weight 0, or give pairs, --data "
                "PairedFolder"
            )

    def _after_generator(self, images: int, loss: Loss) -> None:
        """Move the averages of the weights."""
        self.move_average(images)

    # evaluation ------------------------------------------------------------------------------------------------------

    @property
    def paired(self) -> bool:
        """Whether held-out targets are those of their sources."""
        return self.pairs_in(getattr(self.trainer, "datamodule", None) if private.has_trainer(self) else None)

    def pairs_in(self, data: Any) -> bool:
        """Whether the targets of a DataModule are those of their sources, as they are where no DataModule is known."""
        return self.degradation is not None or getattr(data, "paired", True)

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """Errors of held-out translations where their targets are known: the mean absolute error of pixels in [0, 1],
        PSNR in dB, the mean over images, and SSIM.
        """
        pair = self.pair_of(batch, self.evaluation_rng)
        samples = self.translate(pair.source)
        self.distance.update(pair.target, samples)
        return self.errors(samples, pair.target) if self.paired else {}

    def errors(self, samples: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Mean errors of translations ``(n, *target_shape)`` by name; see `evaluation_step`."""
        medium = self.target_medium
        x, y = medium.comparable(target.float(), samples.float())
        squared = (x - y).square().flatten(1).mean(1)
        found = {
            "mae": (x - y).abs().mean(),
            "psnr_db": -10 * squared.clamp(min=LEAST_ERROR).log10().mean(),
        }
        if ssim_skip_reason(tuple(x.shape[1:]), medium) is None:
            found["ssim"] = similarity(y, x).mean()
        return found

    def evaluation_start(self) -> None:
        """Discard the samples of a split that was left in the middle."""
        super().evaluation_start()
        self.distance.reset()

    def evaluation_end(self) -> dict[str, Tensor]:
        """The sliced Wasserstein distance of translations from targets, which need not belong to each other."""
        distance = self.distance.compute()
        self.distance.reset()
        return {"sliced_wasserstein": distance}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Translations of a batch, ``(n, *target_shape)``; of images, those of their degraded versions."""
        batch = self.batch_of(batch)
        source = batch.x if self.degradation is None else self.degraded(batch.x, self.rng)
        return self.translate(source)

    # what a run shows ------------------------------------------------------------------------------------------------

    def previews(self, held_out: Batch | None, count: int, seed: int) -> dict[str, Preview]:
        """Held-out sources, their translations, and the targets where these are known, beside each other."""
        if held_out is None:
            return {}
        pair = self.pair_of(held_out, torch.Generator(held_out.x.device).manual_seed(seed))
        columns = [pair.source, self.translate(pair.source), *self.shown_beside(pair)]
        shown = as_images(columns)
        return {"translations": Preview(torch.stack(shown, dim=1).flatten(0, 1), columns=4 * len(shown))}

    def shown_beside(self, pair: Pair) -> list[Tensor]:
        """What a preview shows beside sources and translations: the targets where these are known."""
        return [pair.target] if self.paired else []


def as_images(columns: list[Tensor]) -> list[Tensor]:
    """Batches of images of several shapes as images of one: the largest sides, grey as colour where there is colour.

    Channels beyond those that a picture has, such as a mask, are left out.
    """
    channels = max(min(each.shape[1], 3) for each in columns)
    height, width = (max(each.shape[side] for each in columns) for side in (2, 3))
    found = []
    for each in columns:
        each = each if each.shape[2:] == (height, width) else interpolate(each, (height, width), mode="nearest")
        found.append(each.expand(-1, channels, -1, -1) if each.shape[1] == 1 else each[:, :channels])
    return [each.clamp(-1, 1) for each in found]
