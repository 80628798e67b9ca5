"""Inversion: the latents from which a generator makes samples that are as close as possible to given ones."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from math import prod
from typing import Any

import torch
from torch import Tensor

from lightning_gen.applications.inputs import NUMBERS
from lightning_gen.contexts import evaluating
from lightning_gen.data.cache import progress
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.modules import GANModule
from lightning_gen.ranges import ABOVE_0, COUNT_FROM_0, FROM_0, Range, require
from lightning_gen.schedules import Cosine

LATENTS = 256
"""Maximum number of latents that are searched at a time."""
DRAWS = 256
"""Latents of the prior among which a search finds its starts."""
DRAWS_OF_A_CLASS = 32
"""Least number of them for each class of a conditional generator."""
WARMUP, COOLING = 0.05, 0.25
"""Shares of the steps over which the learning rate rises from 0 at the start, and falls to 0 at the end."""
KEY = 1
"""What the key of the random numbers of the draws has beside the seed: samples of the same seed are other ones."""
LEAST = 1e-12
"""Least variance by which an error is divided."""


@dataclass(frozen=True)
class Search:
    """How latents are searched.

    Attributes:
        steps: Steps of Adam, at least 0.
        restarts: Latents that are searched for each sample, from the best draws; the best result is kept. From 1 to 32.
        learning_rate: The largest learning rate, above 0.
        features: Weight of the error of the discriminator's features beside that of the values; 0 for none.
        noise: Standard deviation of the differences that samples may have from the generator's best ones, as a share of
            that of the generator's samples, at least 0: the larger, the more likely the latents are by their prior.
        seed: Seed of the draws, at least 0.

    Raises:
        InputError: A number is out of range.
    """

    steps: int = 500
    restarts: int = 4
    learning_rate: float = 0.1
    features: float = 1.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        require(self, "steps", self.steps, COUNT_FROM_0)
        allowed = Range(f"from 1 to {DRAWS_OF_A_CLASS}", low=1, high=DRAWS_OF_A_CLASS, whole=True)
        require(self, "restarts", self.restarts, allowed)
        require(self, "learning_rate", self.learning_rate, ABOVE_0)
        require(self, "features", self.features, FROM_0)
        require(self, "noise", self.noise, FROM_0)
        require(self, "seed", self.seed, COUNT_FROM_0)


@dataclass(frozen=True, eq=False)
class Inverted:
    """The result of an `Inversion`.

    Attributes:
        latents: The best latents that were found, ``(n, latent_dim)``.
        labels: The classes with which they make the samples, ``(n,)``; None for a generator without classes.
        samples: What the generator makes of both, ``(n, *shape)``.
        losses: The loss of each, ``(n,)``.
    """

    latents: Tensor
    labels: Tensor | None
    samples: Tensor
    losses: Tensor


class Inversion:
    """Searches the latents of given samples by gradient descent, in evaluation mode and with the averaged weights.

    ``loss(z) = |G(z) - x|² / σ²  +  features · |f(G(z)) - f(x)|² / σ_f²  -  2 noise² / d · log p(z)``

    Errors are means over the d numbers of a sample and over the features f of the discriminator; σ² and σ_f² are the
    variances of the generator's own samples, so that a sample that has nothing in common with x has a loss of about 2
    by the values and the same by the features. Latents stay where the prior has a density. Each search starts from one
    of the best of `DRAWS` draws from the prior, the learning rate rises and falls as in the projector of the paper
    below, and the best step is kept, not the last one. All samples are searched at once, and none depends on the
    others.

    Analyzing and Improving the Image Quality of StyleGAN, https://arxiv.org/abs/1912.04958, appendix D, which searches
    intermediate latents, with noise on them and features of a network that was trained on ImageNet.

    Args:
        module: The GAN.
        search: How latents are searched.

    Attributes:
        mean: The mean of the generator's samples, ``(*shape)``: what every search should be better than.
    """

    def __init__(self, module: GANModule, search: Search = Search()) -> None:
        self.module = module
        self.search = search
        classes = module.num_classes or 1
        source = seeded(search.seed, KEY)
        count = max(DRAWS, DRAWS_OF_A_CLASS * classes)
        self._latents = module.latents(count, source)
        self._labels = None if module.num_classes is None else torch.arange(count, device=module.device) % classes
        with torch.no_grad(), evaluating(module):
            self.mean, self._variance = moments(module(*each) for each in self._draws())
            found = (self._features(module(*each), each[1]) for each in self._draws())
            first = next(found)
            kept = (each for each in found if each is not None)
            self._feature_variance = 1.0 if first is None else moments(chain([first], kept))[1]

    @property
    def protocol(self) -> dict[str, Any]:
        """How it searches, as plain data."""
        return {**asdict(self.search), "draws": len(self._latents)}

    def __call__(self, x: Tensor, labels: Tensor | None = None, title: str = "") -> Inverted:
        """Search the latents of samples.

        Args:
            x: Samples ``(n, *shape)``, images in [-1, 1], on the module's device.
            labels: Their classes ``(n,)``; None for a generator without classes, or to search them too: each search
                then keeps the class of the draw that it starts from.
            title: Title of the lines on stderr that say how far it is, if this takes long; without one nothing is said.

        Raises:
            InputError: No loss is finite.
        """
        size = max(1, self._at_once // self.search.restarts)
        parts = x.split(size)
        classes = [None] * len(parts) if labels is None or self._labels is None else labels.split(size)
        titles = [f"{title}, part {part} of {len(parts)}, steps" if title else "" for part in range(1, len(parts) + 1)]
        with evaluating(self.module):
            found = [self._search(*each) for each in zip(parts, classes, titles, strict=True)]
            latents, losses = (torch.cat([each[index] for each in found]) for index in (0, 1))
            kept = None if self._labels is None else torch.cat([each[2] for each in found])
            with torch.no_grad():
                return Inverted(latents, kept, self.module(latents, kept), losses)

    def _search(self, x: Tensor, labels: Tensor | None, title: str) -> tuple[Tensor, Tensor, Any]:
        """The best latents for samples, their losses, and their classes or None."""
        n, restarts, steps, top = len(x), self.search.restarts, self.search.steps, self.search.learning_rate
        starts = self._starts(x, labels).flatten()
        classes = None if self._labels is None else self._labels[starts]
        target = x.repeat_interleave(restarts, 0)
        with torch.no_grad():
            features = self._features(target, classes)
        latents = self._latents[starts].requires_grad_()
        best, losses = latents.detach().clone(), latents.new_full((n * restarts,), torch.inf)
        adam = torch.optim.Adam([latents], top)
        length = max(steps, 1)  # the schedule's unit is a step here
        rate = Cosine(length, length - math.ceil(COOLING * length), top, 0.0, round(WARMUP * length))
        numbers = range(steps + 1)  # after the last step there is one more loss
        for step in progress(numbers, len(numbers), title, calm=True) if title else numbers:
            with torch.enable_grad():
                loss = self.loss(latents, classes, target, features)
            better = loss.detach() < losses
            losses = torch.where(better, loss.detach(), losses)
            best = torch.where(better[:, None], latents.detach(), best)
            if step < steps:
                (latents.grad,) = torch.autograd.grad(loss.sum(), latents)
                adam.param_groups[0]["lr"] = rate(step)
                adam.step()
                with torch.no_grad():
                    latents.copy_(self.module.latent_prior.nearest(latents))
        least, chosen = losses.view(n, restarts).min(1)
        if not least.isfinite().all():
            raise InputError(
                "the generator's samples are not finite: the training diverged, take an earlier checkpoint"
            )
        chosen = chosen + restarts * torch.arange(n, device=x.device)
        return best[chosen], least, None if classes is None else classes[chosen]

    @torch.no_grad()
    def _starts(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """The draws whose samples are nearest to given ones, and of their classes where these are given: indices
        ``(n, restarts)``.
        """
        found = []
        for latents, classes in self._draws():
            distances = torch.cdist(x.flatten(1), self.module(latents, classes).flatten(1))
            if labels is not None and classes is not None:
                distances = distances.masked_fill(labels[:, None] != classes, torch.inf)
            found.append(distances)
        return torch.cat(found, 1).topk(self.search.restarts, largest=False).indices

    def loss(self, latents: Tensor, labels: Tensor | None, x: Tensor, features: Tensor | None) -> Tensor:
        """The loss of latents ``(n, latent_dim)`` for samples, ``(n,)``.

        Args:
            latents: The latents.
            labels: Their classes ``(n,)``, or None.
            x: The samples, ``(n, *shape)``.
            features: The discriminator's features of the samples, ``(n, ...)``; None to compare values alone.
        """
        samples = self.module(latents, labels)
        numbers = x[0].numel()
        loss = (samples - x).square().flatten(1).mean(1) / self._variance
        if features is not None:
            own = self._features(samples, labels)
            if own is not None:
                error = (own - features).square().mean(1) / self._feature_variance
                loss = loss + self.search.features * error
        return loss + 2 * self.search.noise**2 / numbers * self.module.latent_prior.energy(latents)

    def _features(self, x: Tensor, labels: Tensor | None) -> Tensor | None:
        """The features that samples are compared by beside their values, ``(n, features)``; None for none."""
        return None if self.search.features == 0 else self.module.features(x, labels)

    def _draws(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The draws from the prior and their classes, in parts."""
        latents = self._latents.split(self._at_once)
        labels = [None] * len(latents) if self._labels is None else self._labels.split(self._at_once)
        yield from zip(latents, labels, strict=True)

    @property
    def _at_once(self) -> int:
        """Latents that are searched at a time."""
        return max(1, min(LATENTS, NUMBERS // prod(self.module.data_shape)))


def moments(parts: Iterable[Tensor]) -> tuple[Tensor, float]:
    """The mean of samples ``(n, ...)`` in parts, and the mean of the variances of their numbers, at least `LEAST`."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        x = part.double()
        count, total, squares = count + len(x), total.to(x) + x.sum(0), squares.to(x) + x.square().sum(0)
    mean = total / count
    return mean.float(), max(float((squares / count - mean.square()).mean()), LEAST)
