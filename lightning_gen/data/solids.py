"""Volumes made by code: one solid each, of a shape, size, place and angle."""

import math

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least
from lightning_gen.data.loader import seeded
from lightning_gen.media import Volumes
from lightning_gen.memory import require_room

KINDS = ("ellipsoid", "box", "cylinder", "ring")
"""The solids, in the order of their labels."""
SEMI_AXES = (0.3, 0.6)
"""Least and largest half of an axis, where the volume spans -1 to 1."""
FURTHEST = 0.25
"""Largest coordinate of a centre."""
BRIGHTNESS = (0.5, 1.0)
"""Least and largest brightness, where 1 is white."""
TUBE = 0.4
"""Radius of the tube of a ring, where that of the ring is 1 - `TUBE`."""
CHUNK = 256
"""Volumes drawn at a time, which limits the memory for floats."""


class Solids(DataModule):
    """A solid on black in each volume: an ellipsoid, a box, a cylinder or a ring, which is the label.

    Its three half axes, centre, rotation in space and brightness are random, so eleven numbers determine a volume
    beside its label. A voxel at the surface is about the part of it that the solid covers. The splits are drawn
    independently; validation and test have a tenth each.

    Attributes:
        size: Side of the volumes in voxels, at least 8.
        count: Number of training volumes, at least 10.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the volumes and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    classes = KINDS

    def __init__(
        self, size: int = 16, count: int = 10_000, batch_size: int = 64, seed: int = 0, num_workers: int = 0
    ) -> None:
        at_least(8, "size", size)
        at_least(10, "count", count)
        require_room(
            round(1.2 * count) * size**3,
            f"{count:,} volumes of {size} x {size} x {size} voxels",
            "set a smaller --data.size or --data.count",
        )
        super().__init__(
            shape=(1, size, size, size),
            num_classes=len(KINDS),
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
        )
        self.size = size
        self.count = count
        self.medium = Volumes()

    def splits(self) -> Splits:
        """Draw the three splits."""
        counts = (self.count, self.count // 10, self.count // 10)
        drawn = [self._draw(count, seeded(3 * self.seed + split)) for split, count in enumerate(counts)]
        return Splits(*(ArrayDataset(x, labels) for x, labels in drawn))

    def _draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Volumes uint8 ``(count, 1, size, size, size)`` and their labels ``(count,)``."""
        labels = torch.randint(len(KINDS), (count,), generator=generator)
        axes = uniform(SEMI_AXES, (count, 3), generator)
        centres = uniform((-FURTHEST, FURTHEST), (count, 3), generator)
        turns = rotations(torch.randn(count, 4, generator=generator))
        brightness = uniform(BRIGHTNESS, (count, 1, 1, 1), generator)
        volumes = torch.empty(count, *self.shape, dtype=torch.uint8)
        for rows in torch.arange(count).split(CHUNK):
            shares = covered(labels[rows], axes[rows], centres[rows], turns[rows], self.size)
            volumes[rows, 0] = (255 * shares * brightness[rows]).round().to(torch.uint8)
        return volumes, labels


def covered(kinds: Tensor, axes: Tensor, centres: Tensor, turns: Tensor, size: int) -> Tensor:
    """How much of each voxel a solid covers, about, in [0, 1].

    Args:
        kinds: The kind of each solid, ``(n,)``, an index into `KINDS`.
        axes: Half of its axes, ``(n, 3)``, where the volume spans -1 to 1.
        centres: Its centre, ``(n, 3)``.
        turns: Its rotation, ``(n, 3, 3)``.
        size: Side of the volumes in voxels.

    Returns:
        ``(n, size, size, size)``.
    """
    places = (2 * torch.arange(size) + 1) / size - 1
    grid = torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1).view(1, -1, 3)
    own = torch.einsum("nps,nst->npt", grid - centres[:, None], turns) / axes[:, None]
    distance = torch.empty(own.shape[:2])
    for kind, solid in enumerate((ellipsoid, box, cylinder, ring)):
        distance[kinds == kind] = solid(own[kinds == kind])
    distance = distance * axes.mean(1, keepdim=True) * size / 2  # in voxels, about
    return (0.5 - distance).clamp(0, 1).view(-1, size, size, size)


# Signed distances to surfaces, negative inside, of places (n, p, 3) where the half axes are 1.


def ellipsoid(place: Tensor) -> Tensor:
    """Distance to the unit sphere."""
    return place.norm(dim=2) - 1


def box(place: Tensor) -> Tensor:
    """Distance to a cube with as much volume as the unit sphere, the largest of those to its sides."""
    return place.abs().amax(2) - (math.pi / 6) ** (1 / 3)


def cylinder(place: Tensor) -> Tensor:
    """Distance to an upright cylinder of half height 1 and the volume of the unit sphere, the larger of two."""
    return torch.maximum(place[..., :2].norm(dim=2) - math.sqrt(2 / 3), place[..., 2].abs() - 1)


def ring(place: Tensor) -> Tensor:
    """Distance to a torus around the third axis."""
    from_circle = place[..., :2].norm(dim=2) - (1 - TUBE)
    return torch.hypot(from_circle, place[..., 2]) - TUBE


def rotations(quaternions: Tensor) -> Tensor:
    """Rotation matrices ``(n, 3, 3)`` of quaternions ``(n, 4)`` of any length; normal ones give uniform rotations."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=1).unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def uniform(ends: tuple[float, float], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Sample uniformly between two numbers."""
    return ends[0] + (ends[1] - ends[0]) * torch.rand(shape, generator=generator)
