"""Points: vectors of numbers, with a density plot as the preview."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gen.media.base import Medium


@dataclass(frozen=True)
class Points(Medium):
    """Vectors ``(dimensions,)``, stored as they are; samples of another shape are flattened for previews."""

    noun: ClassVar[str] = "points"
    values: ClassVar[str] = "coordinates"
    unit: ClassVar[str] = "units of the data"
    error_unit: ClassVar[str] = "in squared units of the data"
    compared_as: ClassVar[str] = "coordinates as they are"
    dimensions: ClassVar[int] = 0
    bounded: ClassVar[bool] = False
    tiled: ClassVar[bool] = False

    def to_stored(self, x: Tensor) -> Tensor:
        """The numbers as they are."""
        return x.detach().cpu()

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot the density of the first two dimensions; see `point_map`."""
        return point_map(samples.flatten(1))


def point_map(points: Tensor, extent: float | None = None, size: int = 400) -> Tensor:
    """Plot the density of points in their first two dimensions, darker where denser, with the origin in the middle.

    Args:
        points: ``(n, dimensions)``.
        extent: Half the side of the plotted square; None for 1.2 times the 99.5 % quantile of the coordinates.
        size: Side of the plot in pixels.

    Returns:
        uint8, ``(1, size, size)``.
    """
    points = points.detach().float().cpu()
    plane = torch.stack([points[:, 0], points[:, 1] if points.shape[1] > 1 else torch.zeros(len(points))], dim=1)
    extent = extent or float(plane.abs().flatten().quantile(0.995)) * 1.2 or 1.0
    counts, _ = torch.histogramdd(plane, bins=[size, size], range=[-extent, extent, -extent, extent])
    shade = torch.log1p(counts) / math.log1p(max(1.0, float(counts.max())))
    return (255 * (1 - shade.T.flip(0))).to(torch.uint8)[None]
