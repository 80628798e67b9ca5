"""A rectified flow as the distribution of codes."""

import copy
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, cos, pi
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.networks.layers import set_memory_format
from lightning_gen.private import lerp_all
from lightning_gen.ranges import ABOVE_0, COUNT
from lightning_gen.records import Shape
from lightning_gen.samplers.base import LatentSampler
from lightning_gen.samplers.velocity import Velocity

WARM_UP, LARGEST_GRADIENT, AVERAGED = 0.02, 1.0, 0.999
"""Share of the updates in which the learning rate rises, largest norm of a gradient, and the share that the average of
the weights keeps in an update."""

GUIDE_SHARE, GUIDE_LEAST = 1 / 16, 200
"""Share of the updates after which the averaged network is the guide, and the least number of these updates."""
GUIDED_BELOW, OF_MAPS = 0.85, 2.0
"""The time below which samples are guided, and the weight of the guidance for maps of codes."""

OF_A_CODE, FEWEST, MOST = 4, 5_000, 20_000
"""Updates for each code, their least and their largest number, where none is given."""

REPORT_EVERY_SECONDS = 30.0
"""Seconds between two reports of a fit, of which the state is kept then."""

CHUNK = 64
"""Number of codes that are sampled at a time."""


class RectifiedFlowSampler(LatentSampler):
    """A network moves noise to codes along nearly straight lines: the latent diffusion of an autoencoder.

    For codes z, noise e ~ N(0, I) and a time t in (0, 1), the network v is fitted to the velocity e - z at
    (1 - t) z + t e by least squares, as in flow matching. A sample starts from noise at t = 1 and follows
    dx = v(x, t) dt to t = 0 by Heun's method. For maps of codes, of which `FlowSampler` and `GaussianMixtureSampler`
    know no neighbours: it draws from 1,024 numbers what these cannot. It has no density. For codes of 4 x 16 x 16 an
    update takes a seventh of a second of a CPU core, so that 5,000 take twelve minutes, and a sample a fifth of a
    second. A fit that was stopped goes on, to the same bits, from what `keep` got last. Of codes with classes the
    network learns the velocity of each class.

    Samples are guided by the average after a sixteenth of the updates, but at least 200: with its velocity u
    they follow u + w (v - u), where a weight w above 1 goes on in the direction in which the fit has improved. This
    draws objects where v alone draws textures of them, in brighter colours than the data's if w is large. Where t is
    above 0.85 there is no guide, which would shift the mean colours there.

    The time has the distribution of Stable Diffusion 3, a normal variable through the logistic function. The weights
    are averaged. Unlike a diffusion model that is trained on its own, it sees one code of each sample.

    Papers: Flow Straight and Fast, https://arxiv.org/abs/2209.03003, equation 1; times: Scaling Rectified Flow
    Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2403.03206, equation 19; codes of an
    autoencoder: High-Resolution Image Synthesis with Latent Diffusion Models, https://arxiv.org/abs/2112.10752;
    guidance: Guiding a Diffusion Model with a Bad Version of Itself, https://arxiv.org/abs/2406.02507, where the guide
    is a smaller network as well; its times: Applying Guidance in a Limited Interval Improves Sample and Distribution
    Quality in Diffusion Models, https://arxiv.org/abs/2404.07724

    Args:
        width: Channels of the coarsest level of `Velocity`.
        updates: Number of updates; None for four for each code, but at least 5,000 and at most 20,000.
        batch_size: Number of codes in an update.
        learning_rate: Largest learning rate of AdamW; it falls to 0 along half a cosine.
        steps: Steps of Heun's method, each with two passes through the network, but for the last.
        guidance: The weight w; 1 for samples without a guide. If None, 2 for maps of codes and 1 for vectors, which are
            learned well, so that a guide would only widen their distribution.

    Raises:
        InputError: A number is not positive.
    """

    widest = 65536
    learns_classes = True
    shares: Tensor | None
    guide: Velocity | None
    of_draws: ClassVar[frozenset[str]] = frozenset({"steps", "guidance"})

    def __init__(
        self,
        width: int = 128,
        updates: int | None = None,
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        steps: int = 12,
        guidance: float | None = None,
    ) -> None:
        super().__init__()
        counts = (width, 1 if updates is None else updates, batch_size, steps)
        numbers = (learning_rate, 1 if guidance is None else guidance)
        if any(count not in COUNT for count in counts) or any(number not in ABOVE_0 for number in numbers):
            raise InputError("RectifiedFlowSampler takes numbers above 0 only")
        self.width = width
        self.updates = updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.steps = steps
        self.guidance = guidance

    @property
    def narrower(self) -> str:
        """What to do where codes are too wide."""
        return "train with a smaller latent_dim, or with an encoder that gives smaller maps"

    def updates_of(self, codes: int) -> int:
        """Number of updates of a fit to a number of codes."""
        return self.updates or min(max(OF_A_CODE * codes, FEWEST), MOST)

    def build(self, shape: Shape) -> None:
        """Create the networks and the shares of the classes; the global random state is unchanged."""
        super().build(shape)
        count = self.num_classes
        shares = None if count is None else torch.full((count,), 1 / count)
        self.register_buffer("shares", shares)
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(0)  # torch.manual_seed would seed all devices
            self.velocity = Velocity(shape, self.width, count)
        self.guide = copy.deepcopy(self.velocity)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state, which has no guide if the fit was too short for one, or of before there was one."""
        if not any(name.startswith("guide.") for name in state_dict):
            self.guide = None
        return super().load_state_dict(state_dict, strict, assign)

    @torch.enable_grad()
    def fit_standard(self, codes: Tensor, generator: torch.Generator, labels: Tensor | None = None) -> None:
        """Minimise `error` over standardised codes ``(n, width)``."""
        codes = codes.float().view(-1, *self.shape)
        if self.num_classes is not None and labels is not None:
            self.shares = labels.bincount(minlength=self.num_classes) / len(labels)
        velocity = self.velocity.to(self.device)
        set_memory_format(velocity, channels_last=True)  # in which a CPU convolves faster
        averaged, guide = (copy.deepcopy(velocity).requires_grad_(False) for _ in range(2))
        weights: list[Tensor] = list(velocity.parameters())
        means: list[Tensor] = list(averaged.parameters())
        optimizer = torch.optim.AdamW(weights, lr=self.learning_rate, betas=(0.9, 0.99), fused=True)
        state: dict[str, Any] = {"velocity": velocity, "averaged": averaged, "guide": guide, "optimizer": optimizer}
        updates = self.updates_of(len(codes))
        done = self.go_on(state, generator, updates)
        start = said = time.monotonic()
        for update in range(done + 1, updates + 1):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * share_of_rate(update - 1, updates)
            optimizer.zero_grad()
            self.error(velocity, codes, generator, labels).backward()
            nn.utils.clip_grad_norm_(weights, LARGEST_GRADIENT)
            optimizer.step()
            with torch.no_grad():
                lerp_all(means, weights, 1 - min(AVERAGED, update / (update + 9)))
            if update == max(GUIDE_LEAST, ceil(GUIDE_SHARE * updates)):
                guide.load_state_dict(averaged.state_dict())
            now = time.monotonic()
            if now - said > REPORT_EVERY_SECONDS and update < updates:
                left = (now - start) / (update - done) * (updates - update)
                self.report(f"{update:,} of {updates:,} updates, {left / 60:.1f} minutes left")
                kept = {name: copy.deepcopy(part.state_dict()) for name, part in state.items()}
                self.keep({"updates": update, "generator": generator.get_state(), **kept})
                said = now
        self.velocity, self.guide = averaged, guide if updates > GUIDE_LEAST else None
        set_memory_format(self, channels_last=False)  # as a stored sampler has it

    def go_on(self, state: dict[str, Any], generator: torch.Generator, updates: int) -> int:
        """Give the parts of a fit what was kept of it, if it was begun; returns the number of updates that it has.

        A fit of before there was a guide begins anew.
        """
        if self.begun is None or not state.keys() <= self.begun.keys():
            return 0
        generator.set_state(self.begun["generator"])
        for name, part in state.items():
            part.load_state_dict(copy.deepcopy(self.begun[name]))  # an optimizer would go on in these tensors
        done = int(self.begun["updates"])
        self.report(f"going on after {done:,} of {updates:,} updates, which were kept")
        return done

    def error(
        self, velocity: nn.Module, codes: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """|v((1 - t) z + t e, t) - (e - z)|², the mean over the numbers of a batch of codes z from ``(n, *shape)``.

        The velocity is that of the class of each code, where they have classes ``(n,)``.
        """
        rows = torch.randint(len(codes), (self.batch_size,), generator=generator)
        known = codes[rows]
        noise = torch.randn(known.shape, generator=generator)
        times = torch.randn(self.batch_size, generator=generator).sigmoid()
        known, noise, times = (each.to(self.device) for each in (known, noise, times))
        place = torch.lerp(known, noise, times.view(-1, *(1 for _ in self.shape)))
        classes = None if labels is None else labels[rows].to(self.device)
        return (velocity(place, times, classes) - (noise - known)).square().mean()

    def draw_classes(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Classes ``(n,)``, as frequent as those of the codes that it was fitted to; None without classes."""
        if self.shares is None:
            return None
        return torch.multinomial(self.shares.to(generator.device), n, replacement=True, generator=generator)

    @property
    def absent(self) -> frozenset[int]:
        """The classes of which no code was there to learn from."""
        return frozenset() if self.shares is None else frozenset((self.shares == 0).nonzero().flatten().tolist())

    @torch.no_grad()
    def draw_standard(self, n: int, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Follow the velocity from noise at time 1 to codes at time 0."""
        noise = torch.randn(n, *self.shape, generator=generator, device=generator.device)
        for network in (self.velocity, self.guide):
            if network is not None:
                network.to(self.device)
        classes: Sequence[Tensor | None] = [None] * -(-n // CHUNK) if labels is None else labels.split(CHUNK)
        moved = [
            self.moved(part.to(self.device), None if each is None else each.to(self.device)).cpu()
            for part, each in zip(noise.split(CHUNK), classes, strict=True)
        ]
        return torch.cat(moved).flatten(1).double()

    def moved(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes ``(n, *shape)`` at time 0 from codes at time 1, of classes ``(n,)`` if there are any."""
        times = torch.linspace(1, 0, self.steps + 1, device=x.device)
        for now, then in pairwise(times):
            slope = self.guided(x, now, labels)
            ahead = x + (then - now) * slope
            if then > 0:
                slope = (slope + self.guided(ahead, then, labels)) / 2
            x = x + (then - now) * slope
        return x

    def guided(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """The velocity of codes ``(n, *shape)`` at a time ``()``, extrapolated from that of the guide."""
        times = time.expand(len(x))
        found = self.velocity(x, times, labels)
        if self.guide is None or self.weight == 1 or time > GUIDED_BELOW:
            return found
        return torch.lerp(self.guide(x, times, labels), found, self.weight)

    @property
    def weight(self) -> float:
        """The weight of the guidance."""
        if self.guidance is not None:
            return self.guidance
        return OF_MAPS if len(self.shape) > 1 else 1.0


def share_of_rate(update: int, updates: int) -> float:
    """The learning rate after a number of updates of a fit, as a share of the largest."""
    return min(1.0, (update + 1) / (WARM_UP * updates)) * (1 + cos(pi * (update / updates))) / 2
