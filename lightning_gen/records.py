"""The records that pass between the parts: batches, codes, reconstructions, translations, outputs of discriminators."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.utils.data import default_collate

from lightning_gen import private
from lightning_gen.deprecation import FormerNames, accepts_former
from lightning_gen.errors import InputError
from lightning_gen.upgrades import ARGUMENTS

Shape: TypeAlias = tuple[int, ...]
"""Shape of one sample: ``(channels, height, width)`` for images, ``(dimensions,)`` for points."""


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of data.

    ``x, labels = batch`` unpacks the first two parts, all that a batch had in version 0.1.

    Attributes:
        x: Samples, ``(n, *shape)``; images are floats in [-1, 1] once they are on the device.
        labels: Class indices ``(n,)``, or None where the data has no classes.
        target: The desired output for each sample, ``(n, *target_shape)``, scaled as `x`; None where the data has none.
        scaled: Whether the samples are model values. The floats in a batch of a data set may be stored values, such as
            those of a sensor; floats that no `Batch` holds are model values.
    """

    x: Tensor
    labels: Tensor | None = None
    target: Tensor | None = None
    scaled: bool = False

    def __iter__(self) -> Iterator[Any]:
        yield from (self.x, self.labels)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with each of its tensors changed."""
        changed: dict[str, Any] = {name: None if each is None else change(each) for name, each in self._parts.items()}
        return replace(self, **changed)

    def split(self, parts: int) -> Iterator["Batch"]:
        """The batch in at most `parts` parts, of equal sizes but for the last; each tensor is split along its first
        dimension.
        """
        if parts == 1:
            yield self
            return
        chunks = {name: None if each is None else each.chunk(parts) for name, each in self._parts.items()}
        for index in range(len(chunks["x"] or ())):
            part: dict[str, Any] = {name: None if each is None else each[index] for name, each in chunks.items()}
            yield replace(self, **part)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on a device; itself if it is there."""
        device = torch.device(device)
        if all(each is None or each.device == device for each in self._parts.values()):
            return self
        return self.map(lambda each: each.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The batch in memory from which a GPU reads at once; torch's loaders ask for it."""
        return self.map(Tensor.pin_memory)

    @property
    def _parts(self) -> dict[str, Tensor | None]:
        return {"x": self.x, "labels": self.labels, "target": self.target}

    @classmethod
    def of(
        cls,
        batch: Any,
        dtype: torch.dtype = torch.float32,
        to_model: Callable[[Tensor, torch.dtype], Tensor] | None = None,
    ) -> "Batch":
        """Read what a DataLoader yields as models take it: stored values scaled, floats and class indices cast.

        Args:
            batch: A Batch, a tensor, or a pair ``(x, labels)``. Labels ``(n, 1)`` become ``(n,)``, and integers of any
                width int64; other labels stay as they are, for models that do not look at them.
            dtype: The type of the returned samples.
            to_model: Scales stored values, as `lightning_gen.media.Medium.to_model`; None to scale uint8 to [-1, 1]
                and leave floats as they are. A batch that is scaled is only cast.

        Raises:
            InputError: The batch is none of these, or the samples are neither floats nor uint8.
        """
        given = cls.unpacked(batch)
        labels, target = given.labels, given.target
        classes = labels is None or (labels.dtype is torch.int64 and labels.ndim < 2)
        known = given.scaled or to_model is None
        if known and given.x.dtype is dtype and classes and (target is None or target.dtype is dtype):
            return given
        read = floats if given.scaled else to_model or floats
        return cls(
            read(given.x, dtype),
            None if labels is None else _class_indices(labels),
            None if target is None else read(target, dtype),
            scaled=True,
        )

    @classmethod
    def unpacked(cls, batch: Any) -> "Batch":
        """What a DataLoader yields as a Batch, without scaling or casting.

        Raises:
            InputError: The batch is none of those that `of` reads.
        """
        if isinstance(batch, cls):
            return batch
        if isinstance(batch, Tensor):
            return cls(batch, scaled=batch.is_floating_point())
        if isinstance(batch, (tuple, list)) and 1 <= len(batch) <= 2 and isinstance(batch[0], Tensor):
            if isinstance(batch[-1], Tensor | None):
                return replace(cls(*batch), scaled=batch[0].is_floating_point())
            raise InputError(
                f"the second part of a batch is of type {type(batch[1]).__name__}: let the DataLoader yield class "
                "indices (n,) there, or the samples alone"
            )
        raise InputError(
            f"a batch of type {type(batch).__name__} is not understood: let the DataLoader yield a tensor of samples, "
            "a pair (samples, labels), or lightning_gen.Batch"
        )


def collated(samples: Sequence[Batch], **options: Any) -> Batch:
    """Stack single samples into a batch; torch's loaders call it for datasets that yield `Batch`."""
    parts = {name: [sample._parts[name] for sample in samples] for name in samples[0]._parts}
    found: dict[str, Any] = {name: None if of[0] is None else default_collate(of) for name, of in parts.items()}
    return replace(samples[0], **found)


private.collate_by(Batch, collated)


def floats(x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Samples as models take them: uint8 from 0 to 255 scaled to [-1, 1], floats unchanged.

    Raises:
        InputError: They are of another type.
    """
    if x.dtype == torch.uint8:
        return x.to(torch.float32).div_(127.5).sub_(1).to(dtype)
    if x.is_floating_point():
        return x.to(dtype)
    raise InputError(
        f"samples of type {str(x.dtype).removeprefix('torch.')} are not understood: give images as uint8 from 0 to "
        "255 or as floats in [-1, 1], and points as floats"
    )


def _class_indices(labels: Tensor) -> Tensor:
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        return labels
    return (labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels).to(torch.int64)


class Corrupted(NamedTuple):
    """Damaged samples.

    Attributes:
        x: The samples, ``(n, *shape)``.
        hidden: True where nothing of the clean sample can be seen, broadcastable to x; None if no position is hidden.
    """

    x: Tensor
    hidden: Tensor | None = None


@dataclass(frozen=True)
class Level:
    """One stochastic level of a code: the sample, its posterior and its prior.

    Attributes:
        sample: z, ``(n, latent_dim)`` or ``(n, latent_dim, h, w)``, without rounding to a narrower type.
        posterior: q(z|x), with one independent component per latent dimension.
        prior: p(z), conditioned on the levels above if there are any; broadcastable to the posterior.
    """

    sample: Tensor
    posterior: Distribution
    prior: Distribution

    @cached_property
    def log_densities(self) -> Tensor:
        """Log q(zᵢ|xⱼ) of each row's z under each row's posterior, dimension by dimension, ``(n, n, ...)``."""
        return self.posterior.log_prob(self.sample[:, None])


@dataclass(frozen=True)
class Quantization:
    """Features and the codebook vectors that replace them.

    Attributes:
        features: The quantized features, ``(n, width)`` or ``(n, width, h, w)``; gradients reach the encoder.
        vectors: The nearest codes, same shape; gradients reach the codebook if it is trained by gradient descent.
        indices: Indices of these codes, int64, ``(n,)`` or ``(n, h, w)``.
        size: Number of codes in the codebook.
        codes: All codes, ``(size, width)``, with the gradients of `vectors`; None where they are not listed.
    """

    features: Tensor
    vectors: Tensor
    indices: Tensor
    size: int
    codes: Tensor | None = None


@dataclass(frozen=True)
class Code:
    """The output of a bottleneck.

    Attributes:
        sample: The code that the decoder reads, ``(n, latent_dim)`` or ``(n, latent_dim, h, w)``.
        mean: The code without noise, same shape; equal to `sample` where nothing is random.
        levels: The stochastic levels from the one nearest to the data upwards; none where nothing is random.
        quantizations: The result of each codebook, in order; none without a codebook.
    """

    sample: Tensor
    mean: Tensor
    levels: tuple[Level, ...] = ()
    quantizations: tuple[Quantization, ...] = ()

    def detached(self) -> "Code":
        """The code without its graph and its levels, for the update of a codebook."""
        quantizations = tuple(
            Quantization(each.features.detach(), each.vectors.detach(), each.indices, each.size)
            for each in self.quantizations
        )
        return Code(self.sample.detach(), self.mean.detach(), (), quantizations)


def concatenated(codes: Sequence[Code]) -> Code:
    """The detached codes of the parts of a batch as those of the whole batch."""
    if len(codes) == 1:
        return codes[0]
    quantizations = tuple(
        Quantization(
            torch.cat([part.features for part in parts]),
            torch.cat([part.vectors for part in parts]),
            torch.cat([part.indices for part in parts]),
            parts[0].size,
        )
        for parts in zip(*(code.quantizations for code in codes), strict=True)
    )
    sample, mean = (torch.cat(parts) for parts in zip(*((code.sample, code.mean) for code in codes), strict=True))
    return Code(sample, mean, (), quantizations)


@dataclass(frozen=True)
class Reconstruction(FormerNames):
    """One pass through an autoencoder, and all that the terms of an objective may use.

    With K codes per sample there are n K rows, the codes of one sample next to each other.

    Attributes:
        x: The clean samples, ``(n, *shape)``, images in [-1, 1].
        code: The code.
        output: Output of the decoder: the parameters of the likelihood, not yet samples.
        seen: Input of the encoder; it requires a gradient if a term of the objective differentiates with respect to the
            input. None for x.
        hidden: True where the encoder could not see x, broadcastable to x; None if it saw all of x.
        labels: Classes of the samples, ``(n,)``, or None.
        codes_per_sample: Codes drawn for each sample.
        images: Training images seen so far.
        dataset_size: Number of training samples, or None where that is not known.
        draw_prior: Draws codes from the prior, ``count -> (count, latent_dim, ...)``; None where there is no prior.
        to_samples: The expected samples ``(n, *shape)`` under an output.
    """

    former_names: ClassVar[Mapping[str, str]] = ARGUMENTS["lightning_gen.Reconstruction"]

    x: Tensor
    code: Code
    output: Tensor
    seen: Tensor | None = None
    hidden: Tensor | None = None
    labels: Tensor | None = None
    codes_per_sample: int = 1
    images: int = 0
    dataset_size: int | None = None
    draw_prior: Callable[[int], Tensor] | None = None
    to_samples: Callable[[Tensor], Tensor] | None = None

    @cached_property
    def samples(self) -> Tensor:
        """The expected samples under the decoder's output, ``(n, *shape)``, in the range of the data."""
        return self.output if self.to_samples is None else self.to_samples(self.output)


Reconstruction.__init__ = accepts_former(ARGUMENTS["lightning_gen.Reconstruction"])(Reconstruction.__init__)  # type: ignore[method-assign]


class Translated(NamedTuple):
    """What a translator makes of a batch.

    Attributes:
        samples: The translations, ``(n, *target_shape)``.
        features: Maps of its encoder for the input, ``(n, channels, h, w)`` each, by name; those that were asked for.
    """

    samples: Tensor
    features: Mapping[str, Tensor]


@dataclass(frozen=True)
class Translation:
    """The translation of a batch, and all that the terms of an objective may use.

    Further passes are made when a term first asks for them, once for all terms.

    Attributes:
        source: The source images, ``(n, *source_shape)``, in [-1, 1].
        output: What the translator makes of them.
        translate: The translator: source images to what it makes of them.
        features: Maps of its encoder for images ``(n, *source_shape)``, by their names.
        target: Images of the other domain, ``(n, *target_shape)``: the desired translations where the data are paired.
        back: Translates ``(n, *target_shape)`` back, to ``(n, *source_shape)``; None where nothing does.
        rng: Source of random numbers.
        images: Training images seen so far.
    """

    source: Tensor
    output: Translated
    translate: Callable[[Tensor], Translated]
    features: Callable[[Tensor, Sequence[str]], Mapping[str, Tensor]]
    target: Tensor
    back: Callable[[Tensor], Tensor] | None = None
    rng: torch.Generator | None = None
    images: int = 0

    @property
    def samples(self) -> Tensor:
        """The translations, ``(n, *target_shape)``."""
        return self.output.samples

    @property
    def x(self) -> Tensor:
        """The desired translations, the same as `target`: what terms of a `Reconstruction` compare samples with."""
        return self.target

    @cached_property
    def cycled(self) -> Tensor:
        """The translations translated back, ``(n, *source_shape)``.

        Raises:
            InputError: Nothing translates back.
        """
        if self.back is None:
            raise InputError(
                "a cycle needs a network that translates back: use CycleTranslationModule, or leave CycleConsistency "
                "out"
            )
        return self.back(self.samples)

    @cached_property
    def same(self) -> Translated:
        """What the translator makes of the targets, which it should leave as they are.

        Raises:
            InputError: Targets are of another shape than sources.
        """
        if self.target.shape[1:] != self.source.shape[1:]:
            raise InputError(
                f"a target of shape {tuple(self.target.shape[1:])} cannot be translated as a source of shape "
                f"{tuple(self.source.shape[1:])}: leave out the terms that do so, --model.objective.identity null, or "
                "PatchContrast's identity"
            )
        return self.translate(self.target)


@dataclass(frozen=True)
class RealFakePair:
    """Real and fake samples for a discriminator.

    Attributes:
        real: Real samples, or codes of the desired distribution, ``(n, *shape)``.
        fake: Samples of the network that is trained against the discriminator, ``(k n, *shape)`` with a whole number k.
        real_labels: Classes of the real samples, ``(n,)``, or None.
        fake_labels: Classes of the fake samples, ``(k n,)``, or None.
    """

    real: Tensor
    fake: Tensor
    real_labels: Tensor | None = None
    fake_labels: Tensor | None = None

    def detached(self) -> "RealFakePair":
        """Both without a graph and at least float32, for the discriminator's update."""
        real, fake = (side.detach() for side in (self.real, self.fake))
        real, fake = (side.to(torch.promote_types(side.dtype, torch.float32)) for side in (real, fake))
        return RealFakePair(real, fake, self.real_labels, self.fake_labels)


@dataclass(frozen=True)
class DiscriminatorOutput:
    """The output of a discriminator for a batch of samples, and all that the terms of adversarial losses may use.

    With packing m it reads m samples at a time, so there are n / m rows for n samples.

    Attributes:
        logits: One a row, ``(rows,)``; positive for real.
        features: The features from which the logits are computed, ``(rows, features)``.
        labels: Classes of the samples, ``(n,)``, or None.
        class_logits: Unnormalised log-probabilities of the classes, ``(rows, num_classes)``, from a discriminator with
            an auxiliary classifier; else None.
        hidden: Feature maps of its layers from the first on, ``(n, channels, ...)`` each, from a discriminator that
            gives them; else none.
    """

    logits: Tensor
    features: Tensor
    labels: Tensor | None = None
    class_logits: Tensor | None = None
    hidden: tuple[Tensor, ...] = ()

    def split(self) -> tuple["DiscriminatorOutput", "DiscriminatorOutput"]:
        """The output for the first and for the second half of the samples."""
        parts = [(None, None) if each is None else each.chunk(2) for each in (self.labels, self.class_logits)]
        maps = [each.chunk(2) for each in self.hidden]
        (logits, features), (labels, class_logits) = (self.logits.chunk(2), self.features.chunk(2)), parts
        return (
            DiscriminatorOutput(logits[0], features[0], labels[0], class_logits[0], tuple(each[0] for each in maps)),
            DiscriminatorOutput(logits[1], features[1], labels[1], class_logits[1], tuple(each[1] for each in maps)),
        )
