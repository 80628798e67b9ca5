"""Mixtures of Gaussians in few dimensions, of which the modes that a model finds can be counted."""

import math

import torch

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least
from lightning_gen.data.known import Mixture
from lightning_gen.data.loader import seeded
from lightning_gen.errors import InputError
from lightning_gen.memory import require_room

BYTES_OF_CENTRE = 1000
"""Bytes for one Gaussian: its coordinates, as Python's numbers in several lists and in messages."""


class GaussianMixture(DataModule):
    r"""Points from equally likely Gaussians with one standard deviation.

    .. math:: p(x) = \frac{1}{K} \sum_{k=1}^{K} \mathcal{N}(x \mid c_k, \sigma^2 I)

    The label of a point is the index k of its component. Points are float32 and not rescaled. The three splits are
    sampled independently; validation and test have a tenth of the training points each.

    Attributes:
        centres: The means :math:`c_k`, K lists of equally many coordinates; None: eight on the unit circle.
        scale: The standard deviation :math:`\sigma`, positive.
        count: Number of training points, at least 10.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the points and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: The centres are not a table of finite numbers, or an argument is out of range.
    """

    def __init__(
        self,
        centres: list[list[float]] | None = None,
        scale: float = 0.01,
        count: int = 100_000,
        batch_size: int = 256,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        centres = ring_centres(8, 1.0) if centres is None else [list(centre) for centre in centres]
        _check_centres(centres)
        _check_positive("scale", scale)
        at_least(10, "count", count)
        require_room(count * 4 * (2 * len(centres[0]) + 2), f"{count:,} points", "set a smaller --data.count")
        super().__init__(
            shape=(len(centres[0]),),
            num_classes=len(centres),
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
        )
        self.centres = centres
        self.scale = scale
        self.count = count

    @property
    def mixture(self) -> Mixture:
        """The mixture that the points follow."""
        return Mixture(torch.tensor(self.centres), self.scale)

    def splits(self) -> Splits:
        """Sample the points."""
        counts = (self.count, self.count // 10, self.count // 10)
        return Splits(*(self._draw(count, split) for split, count in enumerate(counts)))

    def _draw(self, count: int, split: int) -> ArrayDataset:
        generator = seeded(self.seed, split)
        labels = torch.randint(len(self.centres), (count,), generator=generator)
        noise = torch.randn(count, len(self.centres[0]), generator=generator)
        return ArrayDataset(torch.tensor(self.centres, dtype=torch.float32)[labels] + self.scale * noise, labels)


class Ring(GaussianMixture):
    """Gaussians with equal spacing on a circle in the plane.

    With the defaults, the ring of *VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning*
    (Srivastava et al., 2017), https://arxiv.org/abs/1705.07761.

    Attributes:
        modes: Number of Gaussians.
        radius: Radius of the circle, positive.
        scale: Standard deviation of each Gaussian, positive.
        count: Number of training points, at least 10.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the points and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        modes: int = 8,
        radius: float = 1.0,
        scale: float = 0.01,
        count: int = 100_000,
        batch_size: int = 256,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(1, "modes", modes)
        require_room(modes * BYTES_OF_CENTRE, f"a ring of {modes:,} Gaussians", "set a smaller --data.modes")
        _check_positive("radius", radius)
        super().__init__(ring_centres(modes, radius), scale, count, batch_size, seed, num_workers)
        self.modes = modes
        self.radius = radius


class Grid(GaussianMixture):
    """Gaussians on a square grid in the plane, around the origin.

    With the defaults, the 25 modes of *VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning*
    (Srivastava et al., 2017), https://arxiv.org/abs/1705.07761: coordinates -4, -2, 0, 2, 4.

    Attributes:
        side: Number of Gaussians along each axis.
        spacing: Distance of neighbours, positive.
        scale: Standard deviation of each Gaussian, positive.
        count: Number of training points, at least 10.
        batch_size: Samples per optimizer step over all devices.
        seed: Seed of the points and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        side: int = 5,
        spacing: float = 2.0,
        scale: float = 0.05,
        count: int = 100_000,
        batch_size: int = 256,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(1, "side", side)
        require_room(side**2 * BYTES_OF_CENTRE, f"a grid of {side:,} x {side:,} Gaussians", "set a smaller --data.side")
        _check_positive("spacing", spacing)
        super().__init__(grid_centres(side, spacing), scale, count, batch_size, seed, num_workers)
        self.side = side
        self.spacing = spacing


def ring_centres(modes: int, radius: float) -> list[list[float]]:
    """Points at equal distances on a circle around the origin, from the first axis counter-clockwise.

    >>> [[round(x, 9) for x in centre] for centre in ring_centres(4, 2.0)]
    [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]
    """
    angles = [2 * math.pi * mode / modes for mode in range(modes)]
    return [[radius * math.cos(angle), radius * math.sin(angle)] for angle in angles]


def grid_centres(side: int, spacing: float) -> list[list[float]]:
    """Points of a square grid around the origin.

    >>> grid_centres(2, 3.0)
    [[-1.5, -1.5], [-1.5, 1.5], [1.5, -1.5], [1.5, 1.5]]
    """
    axis = [spacing * (index - (side - 1) / 2) for index in range(side)]
    return [[x, y] for x in axis for y in axis]


def _check_centres(centres: list[list[float]]) -> None:
    if not centres or not centres[0] or len({len(centre) for centre in centres}) > 1:
        raise InputError(
            "the centres of a mixture must be points with equally many coordinates: "
            "set --data.centres to a list such as '[[0, 0], [1, 0]]'"
        )
    if not all(math.isfinite(x) for centre in centres for x in centre):
        raise InputError("the centres of a mixture must be finite: remove inf and nan from --data.centres")


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"--data.{name} must be a positive number, not {value}")
