"""The interface of latent samplers: they are fitted to codes, and sample codes from the fitted density."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.recording import Recorded
from lightning_gen.records import Shape

FLATTEST = 1e-6
"""Lower bound on the deviations by which codes are divided, as a share of the largest one."""


class LatentSampler(Recorded, nn.Module, ABC):
    """A distribution of codes, fitted after an autoencoder was trained: ex-post density estimation.

    The codes of the data have the distribution q(z) = E_x[q(z|x)], the aggregated posterior. The decoder was trained on
    it, and a prior only approximates it. Codes are flattened and standardised, each dimension by its own mean and
    deviation.

    Paper: From Variational to Deterministic Autoencoders, https://arxiv.org/abs/1903.12436, section 4

    Attributes:
        widest: Largest number of dimensions of a code that is fitted in reasonable time.
        learns_classes: Whether codes can be drawn by class, if those that it was fitted to had classes.
        of_draws: Names of the arguments that change how codes are drawn, and not the fit.
        encoded_by: Key of the weights of the encoder that gave the codes; None before fitting.
        device: Where networks of the sampler compute; the CPU by default.
        report: Called with a sentence now and then while a long fit goes on.
        keep: Called then with plain data and tensors, from which a fit that is stopped can go on.
        begun: What `keep` got of a fit to the same codes, with the same arguments and generator, that was stopped; None
            to begin anew.
        shape: Shape of a code, ``(width,)`` or ``(channels, *map_size)``.
        num_classes: Number of classes that codes can be drawn of; None for none.
        class_names: Names of these classes, or None.
        centre: Mean of the codes, ``(width,)``.
        spread: Deviation by which the codes are divided, ``(width,)``.
    """

    widest: ClassVar[int] = 1024
    learns_classes: ClassVar[bool] = False
    of_draws: ClassVar[frozenset[str]] = frozenset()
    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoded_by: str | None = None
        self.device = torch.device("cpu")
        self.report: Callable[[str], None] = lambda _: None
        self.keep: Callable[[dict[str, Any]], None] = lambda _: None
        self.begun: dict[str, Any] | None = None
        self.num_classes: int | None = None
        self.class_names: tuple[str, ...] | None = None

    def fit(
        self,
        codes: Tensor,
        generator: torch.Generator,
        labels: Tensor | None = None,
        num_classes: int | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        """Fit the distribution to codes ``(n, width)`` or ``(n, channels, *map_size)``.

        Args:
            codes: The codes, on the CPU.
            generator: Source of random numbers for initial values and batches, on the CPU.
            labels: The class of each code, ``(n,)`` int64 on the CPU, for a sampler that learns classes; or None.
            num_classes: Number of classes; None for as many as the labels need.
            class_names: Names of the classes, or None.

        Raises:
            InputError: The codes are not finite, are all equal, or are too wide or too few for this sampler.
        """
        flat = codes.flatten(1)
        self.check(flat)
        if labels is None or not self.learns_classes or (labels == labels[0]).all():
            labels = num_classes = class_names = None
        elif num_classes is None:
            num_classes = int(labels.max()) + 1
        self.num_classes, self.class_names = num_classes, class_names
        self.build(tuple(codes.shape[1:]))
        flat = flat.double()
        spread = flat.std(0, correction=0)
        self.centre, self.spread = flat.mean(0), spread.clamp_min(FLATTEST * float(spread.max()))
        self.fit_standard((flat - self.centre) / self.spread, generator, labels)

    def check(self, codes: Tensor) -> None:
        """Check that the sampler can be fitted to codes ``(n, width)``.

        Raises:
            InputError: The codes are not finite, are all equal, or are too wide.
        """
        if not codes.isfinite().all():
            raise InputError("some codes are not finite: the training diverged, take an earlier checkpoint")
        if (codes == codes[:1]).all():
            raise InputError("all codes are equal, whatever the sample: train the encoder longer, or again")
        self.check_size(*codes.shape)

    def check_size(self, count: int | None, width: int) -> None:
        """Check that a number of codes of so many numbers can be fitted, before there are any.

        Args:
            count: Number of codes; None where it is not known.
            width: Numbers of a code.

        Raises:
            InputError: They are too wide, or too few.
        """
        if width > self.widest:
            raise InputError(
                f"codes of {width:,} numbers are too wide for {type(self).__name__}, which takes up to "
                f"{self.widest:,}: {self.narrower}"
            )

    @property
    def narrower(self) -> str:
        """What to do where codes are too wide."""
        return (
            "to draw samples take RectifiedFlowSampler (--sampler rectified_flow), or train with a smaller latent_dim, "
            "or with an encoder that gives smaller maps"
        )

    def build(self, shape: Shape) -> None:
        """Create the parameters, for codes of a shape and, where a sampler learns them, of `num_classes`."""
        self.shape = shape
        self.register_buffer("centre", torch.zeros(prod(shape), dtype=torch.float64))
        self.register_buffer("spread", torch.ones(prod(shape), dtype=torch.float64))

    def draw(self, n: int, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Sample codes ``(n, *shape)``, float32, on the CPU.

        Args:
            n: How many.
            generator: Source of random numbers.
            labels: The class of each, ``(n,)``, for a sampler that learned classes, while others leave it out; None
                for classes as `draw_classes` draws them.
        """
        if self.num_classes is None:
            labels = None
        elif labels is None:
            labels = self.draw_classes(n, generator)
        return (self.centre + self.spread * self.draw_standard(n, generator, labels)).float().view(n, *self.shape)

    def draw_classes(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Classes ``(n,)``, as frequent as those of the codes that it was fitted to; None without classes."""
        return None

    @property
    def absent(self) -> frozenset[int]:
        """The classes of which no code was there to learn from."""
        return frozenset()

    @abstractmethod
    def fit_standard(self, codes: Tensor, generator: torch.Generator, labels: Tensor | None) -> None:
        """Fit to standardised codes ``(n, width)``, float64, with their classes if it learns them."""

    @abstractmethod
    def draw_standard(self, n: int, generator: torch.Generator, labels: Tensor | None) -> Tensor:
        """Sample standardised codes ``(n, width)``, of the given classes if it has learned them."""


class LatentDensity(LatentSampler):
    """A latent sampler that knows the density of a code, so that it can also tell how unusual one is."""

    def log_prob(self, codes: Tensor) -> Tensor:
        """The log-density of codes ``(n, *shape)``, float64 ``(n,)``, in nats."""
        standard = (codes.flatten(1).double() - self.centre) / self.spread
        return self.log_prob_standard(standard) - self.spread.log().sum()

    @abstractmethod
    def log_prob_standard(self, codes: Tensor) -> Tensor:
        """The log-density ``(n,)`` of standardised codes ``(n, width)``, float64."""
