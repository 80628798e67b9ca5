"""Sampling from an autoencoder: from the prior of its bottleneck, or from a sampler that was fitted to its codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from lightning_gen.checkpoint import describe
from lightning_gen.checkpoint.samplers import described, fit_key, rebuilt, weights_key
from lightning_gen.contexts import evaluating
from lightning_gen.data import DataModule, Loader
from lightning_gen.errors import InputError
from lightning_gen.modules.averaged_networks import AveragedNetworks, Networks
from lightning_gen.records import Batch, Shape
from lightning_gen.reflection import class_path
from lightning_gen.samplers import FITTED, LatentSampler
from lightning_gen.training.capabilities import Preview
from lightning_gen.training.classes import Classes

BATCH = 512
"""Samples that are encoded or decoded at a time."""

Kind = TypeVar("Kind", bound=LatentSampler)

PLACES_APART = "the prior draws the places of a map of codes independently of one another"
"""Why samples of the prior of a map have no shapes."""


class CodeSampling(AveragedNetworks, ABC):
    """A module with an encoder, a bottleneck and a decoder that samples by decoding codes.

    Attributes:
        samplers: The samplers from `fit_sampler`, as plain data by the path of their class; kept in checkpoints as long
            as encoder and bottleneck have the weights to which the sampler was fitted.
        begun_fits: What was kept of fits of samplers that were stopped, by the path of the class; kept in the same way.
        chosen_sampler: The name in `FITTED` of the sampler that a run fitted to draw by; None for what
            `suggested_sampler` finds by itself. Kept in checkpoints.
        index_tables: Tables of a quantizer's indices, as plain data with their ``encoded_by``; kept in the same way.
            Empty without any.
    """

    sample_options: ClassVar[frozenset[str]] = frozenset({"sampler"})

    def __init__(self) -> None:
        super().__init__()
        self.samplers: dict[str, dict[str, Any]] = {}
        self.begun_fits: dict[str, dict[str, Any]] = {}
        self.chosen_sampler: str | None = None
        self.index_tables: dict[str, Any] = {}

    @abstractmethod
    def transform_input(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Samples after the model's random input transform."""

    @abstractmethod
    def decode(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``(n, *shape)`` from codes ``(n, latent_dim, *map_size)``."""

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | Sequence[int | str] | int | str | None = None,
        generator: torch.Generator | None = None,
        sampler: LatentSampler | None = None,
        batch_size: int = BATCH,
    ) -> Tensor:
        """Decode codes from the prior, or from a fitted sampler, in evaluation mode.

        Args:
            n: How many.
            labels: Class or classes to draw, by number or name, repeated until there are n; None for classes at random.
                For conditional models, and for samplers that learned classes; other codes are sampled independently of
                the class.
            generator: Source of the codes; the same seed gives the same samples. None for this process's own.
            sampler: The result of `fit_sampler` or `fitted_sampler`; None for the prior of the bottleneck.
            batch_size: Codes that are decoded at a time.

        Returns:
            ``(n, *shape)``; images in [-1, 1].

        Raises:
            InputError: `n` is below 1, neither the model nor the sampler has such a class, the code has no prior to
                draw from, or the sampler was fitted to other weights.
        """
        if n < 1:
            raise InputError(f"the number of samples must be at least 1, not {n}")
        source = generator or self.rng
        classes: Sequence[Tensor | None] = [None] * -(-n // batch_size)
        asked = None if sampler is None or labels is not None else sampler.draw_classes(n, source)
        if asked is None and (self.num_classes is not None or labels is not None):
            asked = self.classes_with(sampler).of_samples(n, labels, source)
        if self.num_classes is not None and asked is not None:
            classes = asked.to(self.device).split(batch_size)
        with evaluating(self):
            codes = self.draw_codes(n, source, sampler, asked).split(batch_size)
            return torch.cat([self.decode(code, each) for code, each in zip(codes, classes, strict=True)])

    def classes_with(self, sampler: LatentSampler | None) -> Classes:
        """The classes that `sample` can be asked for with a sampler: those that it learned, or those of the model."""
        if sampler is None or sampler.num_classes is None:
            return self.known_classes
        return Classes(sampler.num_classes, sampler.class_names, sampler.absent)

    def draw_codes(
        self,
        n: int,
        generator: torch.Generator,
        sampler: LatentSampler | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Draw codes ``(n, latent_dim, *map_size)`` from the prior or a fitted sampler, on the module's device.

        Classes ``(n,)`` are for samplers that learned them.

        Raises:
            InputError: There is no prior, or the sampler was fitted to other weights.
        """
        if sampler is not None:
            if sampler.encoded_by != self.code_key():
                raise InputError(
                    "the sampler was fitted to other codes than this encoder gives now: fit it to them, "
                    "module.fit_sampler(sampler, data)"
                )
            code = sampler.draw(n, generator, labels).view(n, *self.latent_shape)
            return self.networks.bottleneck.quantize(code.to(self.device))
        self.check_prior()
        return self.prior_codes(self.networks, n, generator)

    @property
    def latent_shape(self) -> Shape:
        """Shape of one code, ``(latent_dim, *map_size)``."""
        return (self.bottleneck.latent_dim, *self.encoder.map_size)

    @property
    def spherical_prior(self) -> bool:
        """Whether the codes of the prior lie near a sphere around 0."""
        return self.bottleneck.spherical_prior

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        """The same as `draw_codes`, from the prior."""
        return self.draw_codes(n, generator)

    def from_latents(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same as `decode`."""
        return self.decode(latents, labels)

    def nearest_latents(self, latents: Tensor) -> Tensor:
        """The bottleneck's nearest codes: see `Bottleneck.quantize`."""
        return self.networks.bottleneck.quantize(latents)

    def prior_codes(self, networks: Networks, n: int, generator: torch.Generator) -> Tensor:
        """Draw codes ``(n, latent_dim, *map_size)`` from the prior of the bottleneck among networks."""
        return networks.bottleneck.sample_prior(n, generator, networks.encoder.map_size).to(self.device)

    @property
    def sampled_from(self) -> str:
        """The prior of the bottleneck."""
        return f"decoded from codes of the prior of {type(self.bottleneck).__name__}"

    @property
    def suggested_sampler(self) -> str | None:
        """What a run fitted to draw by; else a sampler of maps, whose places a prior draws independently of one
        another, or of vectors without prior.
        """
        if self.chosen_sampler is not None and self.keeps(FITTED[self.chosen_sampler]):
            return self.chosen_sampler
        if self.encoder.map_size:
            return "rectified_flow"
        return None if self.has_prior else "gmm"

    @property
    def unfitted_sampler(self) -> str | None:
        """The suggested sampler, if it was not fitted to the codes as they are now."""
        name = self.suggested_sampler
        return None if name is None or self.keeps(FITTED[name]) else name

    def held_sampler(self) -> LatentSampler | None:
        """The suggested sampler, if it was fitted to the codes as they are now."""
        name = self.suggested_sampler
        return None if name is None else self.fitted_sampler(FITTED[name])

    def previews(self, held_out: Batch | None, count: int, seed: int) -> dict[str, Preview]:
        """Samples from the prior, or where that draws no shapes or is missing, from the sampler that was fitted."""
        sampler = self.held_sampler()
        if sampler is None:
            return super().previews(held_out, count, seed)
        draw = partial(self.sample, sampler=sampler)
        return {"samples": self.preview_of(draw, self.classes_with(sampler), count, seed)}

    def check_prior(self) -> None:
        """Check that codes can be drawn without a fitted sampler.

        Raises:
            InputError: There is no prior.
        """
        if not self.has_prior:
            raise InputError(
                f"the code of {type(self.bottleneck).__name__} has no prior to draw from: --sampler "
                f"{self.suggested_sampler} is fitted to the codes of the training data and draws from them; in Python, "
                "module.fit_sampler"
            )

    # samplers ------------------------------------------------------------------------------------------------------

    def fit_sampler(
        self,
        sampler: Kind,
        data: DataModule | Iterable[Any],
        seed: int = 0,
        keep: Callable[[], None] = lambda: None,
    ) -> Kind:
        """Fit a sampler to the codes of the training data, for ``sample(n, sampler=sampler)``; checkpoints keep it.

        A long fit that was stopped, as by an interruption in a notebook, goes on at the next call with the same
        arguments.

        Codes are sampled from the posterior if there is one, as in training: their density is q(z), while that of the
        posteriors' means is narrower.

        Paper: From Variational to Deterministic Autoencoders, https://arxiv.org/abs/1903.12436, section 4

        Args:
            sampler: Such as ``GaussianMixtureSampler()``.
            data: A DataModule, whose training split is encoded, or batches as the model takes them.
            seed: Seed of the posterior's samples and of the fit.
            keep: Called now and then while a long fit goes on, when `progress` has it as it is.

        Returns:
            The sampler, fitted.

        Raises:
            InputError: The sampler cannot be fitted to these codes.
        """
        codes, labels = self.codes_of(data, torch.Generator(self.device).manual_seed(seed))
        classes = self.classes_in(data, labels)
        labels = labels if classes.count is not None else None
        name, key, fit = class_path(type(sampler)), self.code_key(), fit_key(sampler, codes, labels, seed)
        begun = self.begun_fits.get(name)
        sampler.begun = begun["state"] if begun is not None and begun["fit"] == fit else None

        def kept(state: dict[str, Any]) -> None:
            self.begun_fits[name] = {"encoded_by": key, "fit": fit, "state": state}
            keep()

        sampler.device, sampler.keep = self.device, kept
        rows = codes.view(-1, *self.latent_shape)
        sampler.fit(rows, torch.Generator().manual_seed(seed), labels, classes.count, classes.names)
        sampler.encoded_by = key
        self.samplers[name] = described(sampler)
        self.begun_fits.pop(name, None)
        return sampler

    def classes_in(self, data: DataModule | Iterable[Any], labels: Tensor | None) -> Classes:
        """The classes that a sampler can learn from labels of data: those that the model knows, or the data name.

        Labels that are no classes, such as several numbers for each sample, are none.
        """
        if labels is None or labels.ndim != 1 or labels.dtype != torch.int64 or labels.min() < 0:
            return Classes(None)
        found = self.known_classes
        if found.count is None and isinstance(data, DataModule):
            found = Classes(data.num_classes, data.classes)
        elif found.count is None:
            found = Classes(int(labels.max()) + 1)
        return found if labels.max() < (found.count or 0) <= len(labels) else Classes(None)

    def fitted_sampler(self, kind: type[Kind], **options: Any) -> Kind | None:
        """The sampler of a class that was fitted to the codes as they are now; None if there is none.

        Args:
            kind: The class.
            options: Arguments of the class that it must have been fitted with; those that change draws alone replace
                those that were stored.
        """
        if not self.keeps(kind, **options):
            return None
        of_draws = {name: value for name, value in options.items() if name in kind.of_draws}
        sampler = rebuilt(kind, self.samplers[class_path(kind)], **of_draws)
        sampler.device = self.device
        return sampler

    def keeps(self, kind: type[LatentSampler], **options: Any) -> bool:
        """Whether a sampler of a class was fitted to the codes as they are now, with such options."""
        stored = self.samplers.get(class_path(kind))
        if stored is None or stored["encoded_by"] != self.code_key():
            return False
        fitted = stored["sampler"]["init_args"]
        return all(fitted.get(name) == value for name, value in options.items() if name not in kind.of_draws)

    def draw_by(self, sampler: LatentSampler) -> bool:
        """Draw by a sampler that was fitted from now on, with its arguments that change draws alone.

        Returns:
            Whether the module draws otherwise than before.
        """
        stored = self.samplers[class_path(type(sampler))]["sampler"]["init_args"]
        given = {name: value for name, value in describe(sampler)["init_args"].items() if name in sampler.of_draws}
        name = next((name for name, kind in FITTED.items() if kind is type(sampler)), None)
        changed = name != self.chosen_sampler or given != {each: stored.get(each) for each in given}
        self.chosen_sampler = name
        stored.update(given)
        return changed

    def code_key(self) -> str:
        """A key of the weights that codes come from."""
        return weights_key(self.networks.encoder, self.networks.bottleneck)

    @torch.no_grad()
    def codes_of(self, data: DataModule | Iterable[Any], generator: torch.Generator) -> Batch:
        """Flat codes ``(n, width)`` of training samples, from the posterior in evaluation mode, and the classes of the
        samples if all have one; on the CPU.
        """
        codes, classes, (encoder, bottleneck, _) = [], [], self.networks
        with evaluating(self):
            for batch in batches_of(data):
                x, labels = batch.to(self.device)
                x = self.transform_input(x, generator)
                codes.append(bottleneck(encoder(x, labels), generator).sample.flatten(1).float().cpu())
                if labels is not None:
                    classes.append(labels.cpu())
        return Batch(torch.cat(codes), torch.cat(classes) if len(classes) == len(codes) else None)

    def progress(self) -> dict[str, Any]:
        """The samplers and tables that belong to the weights, and what other bases keep."""
        key = self.code_key() if self.samplers or self.begun_fits or self.index_tables else None
        kept, begun = (
            {name: stored for name, stored in fits.items() if stored["encoded_by"] == key}
            for fits in (self.samplers, self.begun_fits)
        )
        tables = {"index_tables": self.index_tables} if self.index_tables.get("encoded_by", "") == key else {}
        fits = {"samplers": kept, "begun_fits": begun, "chosen_sampler": self.chosen_sampler}
        return {**super().progress(), **fits, **tables}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """The samplers and tables, and what other bases keep."""
        super().load_progress(progress)
        self.samplers = dict(progress.get("samplers", {}))
        self.begun_fits = dict(progress.get("begun_fits", {}))
        name = progress.get("chosen_sampler")
        self.chosen_sampler = name if name in FITTED else None  # a later version may know others
        self.index_tables = dict(progress.get("index_tables", {}))


def batches_of(data: DataModule | Iterable[Any]) -> Iterator[Batch]:
    """The training split of a DataModule in order, scaled, or what a DataLoader yields."""
    if isinstance(data, DataModule):
        data.prepare_data()
        data.setup()
        return map(data.scaled, Loader(data.train_set, BATCH))
    return map(Batch.of, data)
