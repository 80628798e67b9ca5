"""The base of autoencoders, however they are trained: their parts, a pass over a batch, encoding and decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

import torch
from lightning.fabric.utilities.data import sized_len
from torch import Tensor, nn

from lightning_gen.augmentations import Augmentation, Corruption
from lightning_gen.bottlenecks import Bottleneck, Quantizer
from lightning_gen.contexts import evaluating, uncompiled
from lightning_gen.deprecation import accepts_former
from lightning_gen.errors import InputError
from lightning_gen.links import Link, Parts, num_classes, shape
from lightning_gen.modules.averaged_networks import Networks
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.modules.compatibility import check_autoencoder, likelihood_of
from lightning_gen.modules.objective import objective_lines
from lightning_gen.networks import Decoder, Encoder
from lightning_gen.networks.wrapped import as_autoencoder
from lightning_gen.objectives import Likelihood
from lightning_gen.ranges import COUNT
from lightning_gen.records import Batch, Code, Corrupted, Quantization, Reconstruction, Shape
from lightning_gen.schedules import at
from lightning_gen.terms import Term
from lightning_gen.training.capabilities import Preview
from lightning_gen.training.collectives import sum_over_devices
from lightning_gen.training.ema import EMA
from lightning_gen.training.first_batch import PixelsOnly
from lightning_gen.training.module import END_OF_SCHEDULES, named
from lightning_gen.upgrades import ARGUMENTS


def outputs_of(parts: Parts) -> int | None:
    """The channels of the decoder's output that the likelihood reads; None where the objective has none."""
    likelihood = parts.first("objective", Likelihood)
    return None if likelihood is None else likelihood.outputs(parts.data.shape[0])


class Autoencoder(CodeSampling):
    """An encoder and a decoder with a bottleneck between them.

    ``x → transform_input → corrupt → encoder → bottleneck → decoder → Reconstruction → Σ weightₖ · termₖ(record)``

    Subclasses define the training; they call `assemble` in their constructor.

    Attributes:
        dataset_size: Number of training samples, or None before the first training; kept in checkpoints.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        **ARGUMENTS["lightning_gen.AutoencoderModule"],
        "observe": "transform_input",
        "population": "dataset_size",
    }
    monitor: ClassVar[str] = "val/loss"
    reconstructs: ClassVar[bool] = True
    links: ClassVar[tuple[Link, ...]] = (
        shape("encoder.shape"),
        shape("decoder.shape"),
        num_classes("encoder"),
        num_classes("decoder"),
        Link("encoder.features", lambda parts: parts.part("bottleneck").features),
        Link("decoder.latent_dim", lambda parts: parts.part("bottleneck").latent_dim),
        Link("decoder.outputs", outputs_of),
    )

    @accepts_former(ARGUMENTS["lightning_gen.AutoencoderModule"])
    def assemble(
        self,
        encoder: Encoder | nn.Module,
        decoder: Decoder | nn.Module,
        bottleneck: Bottleneck,
        objective: dict[str, Term],
        corruption: Corruption | None,
        input_transform: Augmentation | None,
        codes_per_sample: int,
        ema: EMA | None = None,
    ) -> None:
        """Check and keep the parts; see `AutoencoderModule`.

        Raises:
            InputError: The parts do not fit each other, no term is a likelihood, or a number is below 1.
        """
        if codes_per_sample not in COUNT:
            raise InputError(f"codes_per_sample must be at least 1, not {codes_per_sample}")
        encoder, decoder = as_autoencoder(encoder, decoder, bottleneck.latent_dim, likelihood_of(objective).channels)
        check_autoencoder(encoder, bottleneck, decoder, objective)
        self.encoder = encoder
        self.decoder = decoder
        self.bottleneck = bottleneck
        self.objective = named(objective)
        self.corruption = corruption
        self.input_transform = input_transform
        self.codes_per_sample = codes_per_sample
        self.dataset_size: int | None = None
        self._own_errors: dict[str, Tensor] = {}  # of a split: the sum over its samples, and their number
        self._watches_input = any(term.watches_input for term in objective.values())
        self.average_networks(ema)

    @property
    def data_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.encoder.shape)

    @property
    def terms(self) -> dict[str, Term]:
        """The terms of the objective by name."""
        return cast(dict[str, Term], dict(self.objective.items()))

    @property
    def likelihood(self) -> Likelihood:
        """The first likelihood of the objective: it turns the decoder's output into samples."""
        return likelihood_of(self.terms)

    @property
    def applied_networks(self) -> dict[str, nn.Module]:
        """Encoder, bottleneck, decoder and likelihood."""
        return {**self.networks._asdict(), "likelihood": self.likelihood}

    @property
    def has_prior(self) -> bool:
        """Whether the bottleneck has a prior to sample from."""
        return self.bottleneck.has_prior

    @property
    def quantizes(self) -> bool:
        """Whether the bottleneck is a `Quantizer`, so that `quantizations_of` and `decode_indices` work."""
        return self.bottleneck.quantizes

    @property
    def num_classes(self) -> int | None:
        """Number of classes that `sample` can be asked for, or None."""
        return self.decoder.num_classes

    @property
    def pixels_only(self) -> PixelsOnly | None:
        """The likelihood, if it supports pixels alone."""
        if not self.likelihood.pixels_only:
            return None
        name = type(getattr(self.likelihood, "likelihood", self.likelihood)).__name__
        return PixelsOnly(name, "use GaussianLikelihood where they are no images")

    # using it --------------------------------------------------------------------------------------------------------

    def encode(self, x: Any, labels: Tensor | None = None) -> Tensor:
        """Codes without noise, ``(n, latent_dim, *map_size)``, of samples ``(n, *shape)``, images in [-1, 1].

        As `decode` and `reconstruct` it uses the averaged weights where there are any, and is differentiable; call it
        under ``torch.no_grad()`` if no gradient is needed.

        Args:
            x: Samples, or a batch as a DataLoader yields it: uint8, a pair with its labels, on any device.
            labels: Their classes ``(n,)``; None for the labels of the batch.

        Raises:
            InputError: The batch is not understood.
        """
        x, labels = self._given(x, labels)
        encoder, bottleneck, _ = self.networks
        return bottleneck(encoder(x, labels), None).mean

    def decode(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``(n, *shape)``, images in [-1, 1], from codes ``(n, latent_dim, *map_size)``."""
        return self.likelihood.mean(self.networks.decoder(code, labels))

    def quantizations_of(self, x: Any, labels: Tensor | None = None) -> tuple[Quantization, ...]:
        """What each codebook makes of samples ``(n, *shape)``, or of a batch as in `encode`; none without a codebook.

        Their ``indices``, int64 ``(n, *map_size)``, are all of a code: `decode_indices` gives its reconstruction.
        """
        x, labels = self._given(x, labels)
        encoder, bottleneck, _ = self.networks
        return bottleneck(encoder(x, labels), None).quantizations

    def decode_indices(self, indices: Sequence[Tensor], labels: Tensor | None = None) -> Tensor:
        """Samples ``(n, *shape)`` from the indices of their code; the same bits as `reconstruct`.

        Args:
            indices: Int64 ``(n, *map_size)``, one tensor for each codebook.
            labels: Their classes ``(n,)``.
        """
        return self.decode(cast(Quantizer, self.networks.bottleneck).codes_of(indices), labels)

    def reconstruct(self, x: Any, labels: Tensor | None = None) -> Tensor:
        """Reconstructions of samples ``(n, *shape)``, or of a batch as in `encode`."""
        x, labels = self._given(x, labels)
        return self.decode(self.encode(x, labels), labels)

    def forward(self, x: Any, labels: Tensor | None = None) -> Tensor:
        """The same as `reconstruct`."""
        return self.reconstruct(x, labels)

    def _given(self, x: Any, labels: Tensor | None) -> Batch:
        """Samples and labels on the device and in the type of the module."""
        batch = self.batch_of(x)
        return (batch if labels is None else replace(batch, labels=labels)).to(self.device)

    # a pass ----------------------------------------------------------------------------------------------------------

    def transform_input(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Samples after `input_transform`, which may be random; unchanged without one."""
        return x if self.input_transform is None else self.input_transform(x, generator)

    def reconstruction(
        self,
        x: Tensor,
        generator: torch.Generator | None,
        corrupt: bool = False,
        labels: Tensor | None = None,
        networks: Networks | None = None,
    ) -> Reconstruction:
        """One pass through the autoencoder; the encoder runs once a sample, however many codes are sampled.

        Args:
            x: Clean samples.
            generator: Source of the bottleneck's noise and of the corruption; None for codes without noise.
            corrupt: Whether the encoder sees corrupted samples.
            labels: Their classes, for conditional models.
            networks: The networks; None for those that are trained.
        """
        encoder, bottleneck, decoder = networks = networks or self.trained_networks
        damaged = Corrupted(x)
        if corrupt and self.corruption is not None and generator is not None:
            damaged = self.corruption.corrupt(x, generator)
        seen = damaged.x.detach().requires_grad_() if self._watches_input else damaged.x
        with uncompiled(self._watches_input):
            features = encoder(seen, labels)
        parts, times = (x, features, labels, damaged.hidden), self.codes_per_sample
        x, features, labels, hidden = (repeated(each, times) for each in parts)
        code: Code = bottleneck(features, generator)
        draw_prior = None
        if self.has_prior and generator is not None:
            draw_prior = partial(self.prior_codes, networks, generator=generator)
        return Reconstruction(
            x,
            code,
            decoder(code.sample, labels),
            seen,
            hidden,
            labels,
            self.codes_per_sample,
            self.images_seen,
            self.dataset_size,
            draw_prior,
            self.likelihood.mean,
        )

    def loss(self, record: Reconstruction) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the terms, and the terms without their weights, in nats per sample."""
        values: dict[str, Tensor] = {}
        parts: list[Tensor] = []
        for name, term in self.terms.items():
            values[name] = value = term(record)
            parts.append(weighted(value, at(term.weight, record.images)))
        return sum_of(parts), values

    # what a run shows ------------------------------------------------------------------------------------------------

    def summary(self, max_images: int | None) -> list[str]:
        """The objective, with the weights of its terms and their units."""
        return objective_lines(self.terms, self.likelihood, max_images)

    def previews(self, held_out: Batch | None, count: int, seed: int) -> dict[str, Preview]:
        """Samples, and reconstructions of held-out samples.

        For each held-out sample it shows the sample after the input transform, its corrupted version if there is a
        corruption, and the reconstruction.
        """
        found = super().previews(held_out, count, seed)
        if held_out is None or not self.medium.tiled:
            return found
        source = torch.Generator().manual_seed(seed)
        shown = [self.transform_input(held_out.x, source)]
        if self.corruption is not None:
            shown.append(self.corruption(shown[0], source))
        with torch.no_grad(), evaluating(self):
            shown.append(self.reconstruct(shown[-1], held_out.labels))
        return {**found, "reconstructions": Preview(torch.stack(shown, dim=1).flatten(0, 1), columns=4 * len(shown))}

    # training and evaluation -----------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Record the number of training samples; None for data without a length."""
        super().on_fit_start()
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "train_set"):
            self.dataset_size = sized_len(data.train_set)

    def progress(self) -> dict[str, Any]:
        """The number of training samples, and what other bases keep."""
        return {**super().progress(), "population": self.dataset_size}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """The number of training samples, and what other bases keep."""
        super().load_progress(progress)
        self.dataset_size = progress.get("population")

    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """The training loss, with corruption, and its terms, in nats per sample; and the mean squared error of clean
        samples, for images of pixels in [0, 1].

        Schedules of the objective have their final values, so that losses of one run can be compared.
        """
        x = self.transform_input(batch.x, self.evaluation_rng)
        if self._watches_input:
            with torch.inference_mode(False), torch.enable_grad():
                total, terms = self._evaluation_loss(x.clone(), batch.labels)
        else:
            total, terms = self._evaluation_loss(x, batch.labels)
        output = self.reconstruct(x, batch.labels)
        error = (output - x).float().square().mean()
        self._add_own_errors(x, output)
        metrics = {name: value.detach() for name, value in {"loss": total, **terms}.items()}
        return {**metrics, "mse": error * self.medium.error_scale}

    def evaluation_start(self) -> None:
        """Discard the errors of a split that was left in the middle."""
        super().evaluation_start()
        self._own_errors = {measure.name: torch.zeros(2, device=self.device) for measure in self.medium.errors}

    def evaluation_end(self) -> dict[str, Tensor]:
        """The measures that the medium alone has, means over the samples that have them.

        A measure that no sample has, as if all sounds are silent, is left out.
        """
        sums = {name: sum_over_devices(values) for name, values in self._own_errors.items()}
        return {name: total / count for name, (total, count) in sums.items() if count > 0}

    def _add_own_errors(self, x: Tensor, output: Tensor) -> None:
        """Add the measures of a batch to their sums, and the number of samples that have them to theirs."""
        pair = self.medium.comparable(x.float(), output.float())
        for measure in self.medium.errors:
            values = measure.each(*pair)
            self._own_errors[measure.name] += torch.stack([values.nansum(), (~values.isnan()).sum()])

    def _evaluation_loss(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        record = self.reconstruction(x, self.evaluation_rng, corrupt=True, labels=labels, networks=self.networks)
        return self.loss(replace(record, images=END_OF_SCHEDULES))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Reconstructions of a batch, ``(n, *shape)``."""
        return self.reconstruct(batch)


def repeated(x: Tensor | None, times: int) -> Any:
    """Repeat each element of a batch, copies next to each other."""
    return x if x is None or times == 1 else x.repeat_interleave(times, dim=0)


def weighted(value: Tensor, weight: float) -> Tensor:
    """A scalar times a weight; itself for the weight 1, whose product would cost two kernels and change no bit."""
    return value if weight == 1 else weight * value


def sum_of(values: list[Tensor]) -> Tensor:
    """The sum of scalars, at least one."""
    if len(values) > 2:
        return torch.stack(values).sum()
    # one rounding at most, so the bits are those of the sum of a stack, without its kernels and their derivatives
    return sum(values[1:], values[0])
