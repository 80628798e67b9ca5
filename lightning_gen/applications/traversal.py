"""Paths through the latents of a trained model, and the samples along them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from lightning_gen.applications.axes import Axis
from lightning_gen.applications.inputs import batch_size
from lightning_gen.contexts import evaluating
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.media.rows import with_names
from lightning_gen.memory import require_room
from lightning_gen.training import GenerativeModule

PARALLEL = 1e-6
"""Sine of the angle of two latents below which a great circle through both is not determined."""


# between two latents --------------------------------------------------------------------------------------------------


def linear(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Latents on the straight line between two, both included and unchanged.

    Args:
        first: ``(*latent_shape)``.
        last: Same shape.
        steps: Number of latents, at least 2.

    Returns:
        ``(steps, *latent_shape)``.
    """
    return torch.stack([torch.lerp(first, last, share / (steps - 1)) for share in range(steps)])


def spherical(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Latents on the arc between two, both included: sin((1 - t) w) / sin w a + sin(t w) / sin w b, w their angle.

    Latents of a Gaussian lie near a sphere, and the middle of a straight line has only about 0.71 of their norm: the
    model has seen no such latent. Where the ends are parallel, opposite or 0 no arc is determined, and the line is
    straight.

    Paper: Sampling Generative Networks, https://arxiv.org/abs/1609.04468, section 2.1

    Args:
        first: ``(*latent_shape)``.
        last: Same shape.
        steps: Number of latents, at least 2.

    Returns:
        ``(steps, *latent_shape)``.
    """
    a, b = first.double().flatten(), last.double().flatten()
    norms = float(a.norm() * b.norm())
    angle = torch.arccos((a @ b / norms).clamp(-1, 1)) if norms else torch.zeros(())
    if angle.sin() < PARALLEL:
        return linear(first, last, steps)
    share = torch.linspace(0, 1, steps, dtype=torch.float64, device=first.device)[:, None]
    path = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    path = path.to(first.dtype).view(steps, *first.shape)
    return torch.cat([first[None], path[1:-1], last[None]])


# paths ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Traversal:
    """Rows of latents along paths.

    Attributes:
        names: The names of the rows.
        latents: ``(rows, steps, *latent_shape)``.
        labels: The class of each, ``(rows, steps)``; None for unconditional models.
        one_path: Whether each row begins with the last latent of the row before it, as one path; else they are seen
            side by side.
        closed: Whether the path ends where it began, so that an animation goes on without a jump.
    """

    names: tuple[str, ...]
    latents: Tensor
    labels: Tensor | None = None
    one_path: bool = False
    closed: bool = False

    @property
    def frames(self) -> list[Tensor]:
        """The places ``(k,)`` of the samples of each frame of an animation, among all of them, row by row.

        One path shows a sample in a frame, and those at which two rows meet once; other rows are seen side by side.
        The last frame of a closed path is left out: the first one follows.
        """
        rows, steps = self.latents.shape[:2]
        places = torch.arange(rows * steps).view(rows, steps)
        if not self.one_path:
            return list(places.T[: steps - self.closed])
        shown = torch.cat([*(row[:-1] for row in places), places[-1, -1:]])
        return list(shown[: len(shown) - self.closed, None])


def path_between(
    module: GenerativeModule,
    ends: Tensor,
    names: Sequence[str],
    steps: int,
    along_sphere: bool,
    label: int | None = None,
    loop: bool = False,
) -> Traversal:
    """A path from each of some latents to the next one, a row each.

    All ends are on the path unchanged. Between them, discrete codes are the model's nearest ones.

    Args:
        module: The model.
        ends: ``(k, *latent_shape)`` with k of at least 2.
        names: Their names.
        steps: Latents in a row, both ends included; at least 2.
        along_sphere: Whether the path follows a sphere, as for latents of `GenerativeModule.spherical_prior`; else it
            is straight, as for codes of an autoencoder.
        label: The class of all, for conditional models.
        loop: Whether the path goes back to the first end.
    """
    order = [*range(len(ends)), *([0] if loop else [])]
    arc = spherical if along_sphere else linear
    rows = [within(module, arc(ends[first], ends[last], steps), [0, -1]) for first, last in pairwise(order)]
    latents = torch.stack(rows)
    titles = tuple(f"{names[first]} to {names[last]}" for first, last in pairwise(order))
    return Traversal(titles, latents, labels_like(latents, label), one_path=True, closed=loop)


def paths_along(
    module: GenerativeModule,
    start: Tensor,
    axes: Sequence[Axis],
    steps: int,
    label: int | None = None,
    loop: bool = False,
) -> Traversal:
    """Paths along axes through a latent, a row each, with the latent itself in the middle of each row.

    Args:
        module: The model.
        start: ``(*latent_shape)``.
        axes: The axes.
        steps: Latents in a row, odd and at least 3.
        label: The class of all, for conditional models.
        loop: Whether each row goes back again.
    """
    half = steps // 2 + 1
    rows = []
    for axis in axes:
        there = torch.cat([torch.linspace(axis.low, 0, half), torch.linspace(0, axis.high, half)[1:]])
        back = there.flip(0)[1:] if loop else there[:0]
        places = torch.cat([there, back]).to(start).view(-1, *[1] * start.ndim)
        middle = [index for index, place in enumerate(places.flatten().tolist()) if place == 0]
        path = start + places * axis.vector.to(start)
        rows.append(within(module, path, middle))
    latents = torch.stack(rows)
    return Traversal(tuple(axis.name for axis in axes), latents, labels_like(latents, label), closed=loop)


def within(module: GenerativeModule, path: Tensor, kept: Sequence[int]) -> Tensor:
    """Latents that the model can have, nearest to those of a path ``(steps, *latent_shape)``; those kept as they are.

    The nearest code of a code need not be itself: residual quantizers search it one codebook after the other.
    """
    nearest = module.nearest_latents(path).clone()
    nearest[list(kept)] = path[list(kept)]
    return nearest


def paths_by_class(latents: Tensor, classes: Sequence[int], names: Sequence[str]) -> Traversal:
    """The same latents with each class, a row each, for conditional models.

    Args:
        latents: ``(n, *latent_shape)``.
        classes: Class indices.
        names: The names of the rows.
    """
    rows = torch.stack([latents for _ in classes])
    labels = torch.tensor(list(classes))[:, None].expand(-1, len(latents))
    return Traversal(tuple(names), rows, labels)


def labels_like(latents: Tensor, label: int | None) -> Tensor | None:
    """One class for each of ``(rows, steps, *latent_shape)``; None for None."""
    return None if label is None else torch.full(latents.shape[:2], label)


# their samples --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def samples_of(module: GenerativeModule, traversal: Traversal) -> Tensor:
    """The samples of all latents, row by row, in evaluation mode, ``(rows * steps, *shape)`` on the CPU.

    Raises:
        InputError: They do not fit into memory, or some are not finite.
    """
    latents = traversal.latents.flatten(0, 1)
    labels = None if traversal.labels is None else traversal.labels.flatten().to(module.device)
    check_room(len(latents), module)
    size = batch_size(tuple(module.data_shape))
    found = []
    with evaluating(module):
        for places in torch.arange(len(latents)).split(size):
            classes = None if labels is None else labels[places.to(labels.device)]
            found.append(module.from_latents(latents[places].to(module.device), classes).float().cpu())
    samples = torch.cat(found)
    if not samples.isfinite().all():
        raise InputError("some samples are not finite: the training diverged, take an earlier checkpoint")
    return samples


def check_room(count: int, module: GenerativeModule) -> None:
    """Check that samples and their pictures fit into memory.

    Raises:
        InputError: They do not.
    """
    each = prod(module.data_shape) + module.medium.preview_values(module.data_shape)
    require_room(3 * 4 * count * each, f"{count:,} samples", "give fewer --steps")


def sheet(medium: Medium, traversal: Traversal, samples: Tensor) -> Tensor:
    """All samples as one image, uint8 ``(1 or 3, height, width)``: a row for each row, with its name if there are
    several.
    """
    rows, steps = traversal.latents.shape[:2]
    return with_names(medium.preview(samples, steps), traversal.names if rows > 1 else ())


def frames(medium: Medium, traversal: Traversal, samples: Tensor) -> Iterator[Tensor]:
    """The frames of an animation, uint8 ``(1 or 3, height, width)`` each; see `Traversal.frames`."""
    names = () if traversal.one_path or len(traversal.names) == 1 else traversal.names
    for places in traversal.frames:
        yield with_names(medium.preview(samples[places], 1), names)
