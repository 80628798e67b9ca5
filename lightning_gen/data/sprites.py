"""Synthetic images with known factors of variation, for metrics of disentanglement."""

import math

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.known import KnownFactors
from lightning_gen.errors import InputError
from lightning_gen.memory import require_room

SHAPES = ("square", "ellipse", "heart")
LARGEST_SIDE = 0.56
"""Side of the largest square, where the image spans -1 to 1; every other shape has the same area."""

SMALLEST_SCALE = 0.5
FURTHEST = 0.5
"""Largest coordinate of a centre; no shape crosses the edge."""

BYTES_OF_FACTORS = 5 * 8
"""Bytes for the factors of an image."""
CHUNK = 512
"""Images rendered at a time, which limits the memory for floats."""


class Sprites(DataModule):
    r"""A white square, ellipse or heart on black, in every combination of shape, scale, orientation and position.

    It follows *dSprites* (Matthey et al., 2017), https://github.com/google-deepmind/dsprites-dataset, but is rendered
    in memory, antialiased and on a coarser grid: the defaults make 3 · 4 · 9 · 12 · 12 = 15,552 images, 12,442 of them
    for training and 1,555 each for validation and test. All images differ.

    The factors, from the slowest to the fastest, with the default number of values:

    - ``shape`` (3): square, ellipse with axes 2:1, heart; this is the label. At equal scale all have the same area.
    - ``scale`` (4): factor of all lengths, 0.5 to 1.
    - ``orientation`` (9): clockwise rotation in degrees, 0 to 80 in steps of 10, for all shapes. A square looks the
    same
      after 90 degrees and an ellipse after 180, so with a full rotation, as in dSprites, several combinations of
      factors would give the same image.
    - ``x`` and ``y`` (12 each): centre of mass, -0.5 to 0.5 where the image spans -1 to 1, to the right and down.
      No shape crosses the edge.

    Attributes:
        size: Side of the images in pixels, at least 16.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the images for the validation split, in [0, 1).
        test_fraction: Fraction of the images for the test split, in [0, 1).
        scales: Number of scales, at least 2.
        orientations: Number of orientations, at least 2.
        positions: Number of positions along each axis, at least 2.
        seed: Seed of the splits and of the order of the training samples; the images do not depend on it.
        num_workers: Processes that load batches.
        factor_values: The values of each factor by its name; those of the shape are names.

    Raises:
        InputError: An argument is out of range.
    """

    classes = SHAPES

    def __init__(
        self,
        size: int = 32,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        scales: int = 4,
        orientations: int = 9,
        positions: int = 12,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(16, "size", size)
        check_fractions(val_fraction, test_fraction)
        for name, count in (("scales", scales), ("orientations", orientations), ("positions", positions)):
            at_least(2, name, count)
        images = len(SHAPES) * scales * orientations * positions**2
        require_room(
            images * (size**2 + BYTES_OF_FACTORS),
            f"{images:,} images of {size} x {size} pixels",
            "set smaller --data.size, --data.scales, --data.orientations and --data.positions",
        )
        super().__init__(
            shape=(1, size, size), num_classes=len(SHAPES), batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.size = size
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.scales = scales
        self.orientations = orientations
        self.positions = positions
        places = tuple(torch.linspace(-FURTHEST, FURTHEST, positions).tolist())
        self.factor_values: dict[str, tuple[float, ...] | tuple[str, ...]] = {
            "shape": SHAPES,
            "scale": tuple(torch.linspace(SMALLEST_SCALE, 1, scales).tolist()),
            "orientation": tuple(90 * turn / orientations for turn in range(orientations)),
            "x": places,
            "y": places,
        }

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors."""
        return tuple(self.factor_values)

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(len(values) for values in self.factor_values.values())

    @property
    def factors(self) -> Tensor:
        """Every combination of factors, ``(n, 5)`` int64, as indices into `factor_values`."""
        return torch.cartesian_prod(*(torch.arange(size) for size in self.factor_sizes))

    @property
    def known_factors(self) -> KnownFactors:
        """The factors, and the function that renders their images."""
        return KnownFactors(self.factor_names, self.factor_sizes, self.factors, self.draw)

    def draw(self, factors: Tensor) -> Tensor:
        """Render the images of given factors.

        Args:
            factors: Indices into `factor_values`, int64 ``(n, 5)``.

        Returns:
            uint8 ``(n, 1, size, size)``.

        Raises:
            InputError: An index is out of range.
        """
        self._check(factors)
        images = torch.empty(len(factors), 1, self.size, self.size, dtype=torch.uint8)
        for shape in range(len(SHAPES)):
            for rows in (factors[:, 0] == shape).nonzero().flatten().split(CHUNK):
                images[rows, 0] = self._draw(shape, factors[rows])
        return images

    def splits(self) -> Splits:
        """Render all images and split them."""
        factors = self.factors
        images, count = self.draw(factors), len(factors)
        rows = split_rows(count, round(count * self.val_fraction), round(count * self.test_fraction), self.seed)
        return Splits(*(ArrayDataset(images, factors[:, 0], part) for part in rows))

    def _draw(self, shape: int, factors: Tensor) -> Tensor:
        """Images ``(n, size, size)`` of one shape; a pixel is approximately the fraction that the shape covers."""
        values = [torch.tensor(self.factor_values[name]) for name in self.factor_names[1:]]
        chosen = zip(values, factors[:, 1:].unbind(1), strict=True)
        scale, degrees, x, y = (value[index].reshape(-1, 1, 1) for value, index in chosen)
        angle, side = degrees.deg2rad(), LARGEST_SIDE * scale
        pixels = (2 * torch.arange(self.size) + 1) / self.size - 1
        right, down = (pixels - x) / side, (pixels.unsqueeze(1) - y) / side
        along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
        distance = (square, ellipse, heart)[shape](along, across) * side * (self.size / 2)
        return (0.5 - distance).clamp_(0, 1).mul_(255).round_().to(torch.uint8)

    def _check(self, factors: Tensor) -> None:
        sizes = torch.tensor(self.factor_sizes)
        if factors.ndim != 2 or factors.shape[1] != len(sizes) or factors.is_floating_point():
            raise InputError(
                f"factors of shape {tuple(factors.shape)} and type {factors.dtype} cannot be drawn: give whole numbers "
                f"(n, {len(sizes)}), in each row the indices of {', '.join(self.factor_names)} in factor_values"
            )
        if ((factors < 0) | (factors >= sizes)).any():
            raise InputError(
                f"some factors have no such value: there are {', '.join(map(str, self.factor_sizes))} values of "
                f"{', '.join(self.factor_names)}, counted from 0"
            )


# Signed distances to the outlines of shapes around their centre of mass, negative inside, in units of the square root
# of the area; x points right and y down.


def square(x: Tensor, y: Tensor) -> Tensor:
    """Distance to the outline of a square of side 1."""
    return box(x, y, 0.5)


def ellipse(x: Tensor, y: Tensor) -> Tensor:
    """Distance to an upright ellipse of area 1 and axes 2:1, a first-order approximation near the outline."""
    semi_minor = math.sqrt(1 / (2 * math.pi))
    x, y = x / semi_minor, y / (2 * semi_minor)
    slope = torch.hypot(2 * x, y) / semi_minor
    return (x.square() + y.square() - 1) / slope


def heart(x: Tensor, y: Tensor) -> Tensor:
    """Distance to the outline of a rotated square with half-discs on its upper sides, of total area 1."""
    half = 1 / math.sqrt(4 + math.pi)
    centre = half * (math.pi / 2 + 2 / 3) / (4 + math.pi)  # of mass, relative to that of the square, on both axes
    u, v = (x - y) / math.sqrt(2) + centre, (-x - y) / math.sqrt(2) + centre
    lobes = torch.minimum(torch.hypot(u - half, v), torch.hypot(u, v - half)) - half
    return torch.minimum(box(u, v, half), lobes)


def box(x: Tensor, y: Tensor, half: float) -> Tensor:
    """Distance to the outline of a square of side 2 `half`."""
    x, y = x.abs() - half, y.abs() - half
    return torch.hypot(x.clamp_min(0), y.clamp_min(0)) + torch.maximum(x, y).clamp_max(0)
