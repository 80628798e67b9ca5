"""What a module can do: commands and callbacks ask for it instead of testing a module's class."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.links import Link
from lightning_gen.media import Medium
from lightning_gen.media.rows import ROWS, rows_of
from lightning_gen.records import Batch, Shape
from lightning_gen.training.classes import Classes

UNTILED = 10_000
"""Number of samples of a preview that shows their density and not each of them."""


@dataclass(frozen=True)
class Preview:
    """Samples for an image in the log.

    Attributes:
        samples: ``(n, *shape)``, as the models see them.
        columns: Samples in a row, if each has its own cell; None for a square.
        names: Names of the rows, from top to bottom; empty where they have none.
    """

    samples: Tensor
    columns: int | None = None
    names: tuple[str, ...] = ()


class Capabilities(ABC):
    """What commands, callbacks and metrics ask of a module; a subclass overrides what it can do beyond this.

    Attributes:
        links: Arguments of its parts that follow from the data and from other parts; the command line fills them in.
        monitor: Logged name of the value that ``best.ckpt`` minimizes.
        reconstructs: Whether it encodes and reconstructs samples, as `Autoencoder` does.
        translates: Whether it translates images, as `TranslationModule` does, and draws none.
        inverts: Whether latents of given samples can be searched, as those of `GANModule`; see
            `lightning_gen.applications.inversion`.
        redraws: Whether an update generates new samples although it could share those of the previous one, by
            ``shared_samples``.
        batches_at_once: Batches that a training step reads, as one of as many times their size. Only the first is
            counted.
        recalibrates: Whether `recalibrate` can measure its BatchNorm statistics anew.
        sample_options: Arguments of `sample` beside the number, the labels and the generator, by name.
        sampled_from: What samples are drawn from, in words.
        class_names: Names of the classes in the order of their indices, or None.
    """

    links: ClassVar[tuple[Link, ...]] = ()
    monitor: ClassVar[str] = "val/sliced_wasserstein"
    reconstructs: ClassVar[bool] = False
    translates: ClassVar[bool] = False
    inverts: ClassVar[bool] = False
    redraws: bool = False
    batches_at_once: int = 1
    recalibrates: ClassVar[bool] = False
    sample_options: ClassVar[frozenset[str]] = frozenset()
    class_names: tuple[str, ...] | None = None

    # what it is ------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def data_shape(self) -> Shape:
        """Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``."""

    @property
    @abstractmethod
    def medium(self) -> Medium:
        """What a sample is."""

    @property
    def num_classes(self) -> int | None:
        """Number of classes that `sample` can be asked for, or None."""
        return None

    @property
    def known_classes(self) -> Classes:
        """The classes that `sample` can be asked for, without a sampler."""
        return Classes(self.num_classes, self.class_names)

    @property
    def quantizes(self) -> bool:
        """Whether it encodes samples as whole numbers, as an `Autoencoder` with a `Quantizer` does."""
        return False

    @property
    def protocol(self) -> dict[str, Any]:
        """The module's entries in a report's protocol beside its class, as plain data."""
        return {}

    @property
    def applied_networks(self) -> dict[str, nn.Module]:
        """What of the module is needed to apply it after training, the averages where there are any: modules by the
        names of the attributes that hold the trained ones.
        """
        return {}

    # sampling --------------------------------------------------------------------------------------------------------

    @property
    def has_prior(self) -> bool:
        """Whether `sample` works without a fitted sampler."""
        return True

    @property
    def suggested_sampler(self) -> str | None:
        """The fitted sampler that is better than the prior, as ``sample --sampler`` calls it; None if the prior is."""
        return None

    @property
    def unfitted_sampler(self) -> str | None:
        """The same, if it was not fitted to the codes as they are now."""
        return self.suggested_sampler

    @property
    def sampled_from(self) -> str:
        """What samples are drawn from, in words."""
        return "of the generator, from latents of its prior"

    @abstractmethod
    def sample(self, n: int, labels: Any = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw `n` samples, ``(n, *shape)``, in evaluation mode; the same generator seed gives the same samples."""

    def check_prior(self) -> None:
        """Check that samples can be drawn without a fitted sampler.

        Raises:
            InputError: They cannot.
        """

    def recalibrate(self, batches: int = 64, batch_size: int = 64, generator: torch.Generator | None = None) -> None:
        """Measure the BatchNorm statistics of the network that samples anew, over generated batches.

        Args:
            batches: Number of generated batches.
            batch_size: Samples in each.
            generator: Source of random numbers; None for this process's own.

        Raises:
            InputError: The module cannot do it.
        """
        raise InputError(f"{type(self).__name__} does not recalibrate BatchNorm: leave it out")

    # latents ---------------------------------------------------------------------------------------------------------

    @property
    def latent_shape(self) -> Shape:
        """Shape of one latent, ``(latent_dim,)`` or ``(latent_dim, height, width)``.

        Raises:
            InputError: The module does not say what it draws samples from.
        """
        raise without_latents(self)

    @property
    def spherical_prior(self) -> bool:
        """Whether nearly all latents of the prior lie near a sphere around 0, so that paths follow it."""
        return False

    def draw_latents(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw latents ``(n, *latent_shape)`` from the prior, on the module's device.

        Raises:
            InputError: There is no prior.
        """
        raise without_latents(self)

    def from_latents(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``(n, *shape)`` from latents ``(n, *latent_shape)``, and classes ``(n,)`` where it is conditional.

        It uses the averaged weights where there are any, and is differentiable.
        """
        raise without_latents(self)

    def nearest_latents(self, latents: Tensor) -> Tensor:
        """The latents that the module can have, nearest to any ``(n, *latent_shape)``: those, if not discrete."""
        return latents

    # training --------------------------------------------------------------------------------------------------------

    def previews(self, held_out: Batch | None, count: int, seed: int) -> dict[str, Preview]:
        """The previews that a run logs, by name.

        There are no samples where a sampler must be fitted first, so that nobody takes noise for what was learned.

        Args:
            held_out: Held-out samples as the model sees them, or None.
            count: Approximate number of samples in a preview.
            seed: Seed of the samples.
        """
        if not self.has_prior or self.suggested_sampler is not None:
            return {}
        return {"samples": self.preview_of(self.sample, self.known_classes, count, seed)}

    def preview_of(self, draw: Callable[..., Tensor], classes: Classes, count: int, seed: int) -> Preview:
        """Samples for an image, with a class in each row where they have some.

        Args:
            draw: `sample`, by a certain sampler.
            classes: The classes that it can be asked for.
            count: Approximate number of samples.
            seed: Seed of the samples.
        """
        source = torch.Generator().manual_seed(seed)
        if classes.count is None or not self.medium.tiled:
            return Preview(draw(count if self.medium.tiled else UNTILED, generator=source))
        shown = classes.drawn[:ROWS]
        rows = rows_of(shown, len(shown) * max(1, round(count**0.5)), classes.names)
        return Preview(draw(len(rows.labels), rows.labels, source), rows.columns, rows.names)

    def summary(self, max_images: int | None) -> list[str]:
        """Lines that a run prints at its start.

        Args:
            max_images: Length of the run in images; None where it is not known.
        """
        return []

    def remedies(self, phase: str) -> str:
        """The options that a user may try where the loss or a gradient of a phase is not finite."""
        return "a lower --model.optimizer.lr, or --trainer.gradient_clip_val 1"

    def batches_of_update(self, accumulated: int) -> int:
        """Batches of one update of all that is trained.

        Args:
            accumulated: Batches whose gradients the Trainer adds up, its ``accumulate_grad_batches``.
        """
        return accumulated

    def begins_update(self, batch_idx: int, accumulated: int) -> bool:
        """Whether a batch is the first of those of an update; for the arguments, see `batches_of_update`."""
        return batch_idx % accumulated == 0

    def check_trainer(self, settings: Any) -> None:
        """Check settings of a Trainer that the module does not support, before the Trainer is made.

        Args:
            settings: The Trainer's arguments, as attributes.

        Raises:
            InputError: One of them is set.
        """


def without_latents(module: Capabilities) -> InputError:
    """The error of a module that does not say what it draws samples from."""
    return InputError(
        f"{type(module).__name__} does not say what its latents are: define latent_shape, draw_latents and "
        "from_latents in it"
    )
