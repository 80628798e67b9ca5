"""Samples as a picture that a person looks at: a grid of images, or a map of where points lie."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from lightning_gen.outputs import writing

CELL = 64
"""Smaller images are enlarged to about so many pixels a side."""


ROWS = 10
"""Classes in a grid of a conditional model, one a row, where none are asked for."""


def picture(samples: Tensor, columns: int | None = None) -> Tensor:
    """Draw samples as one picture.

    Args:
        samples: ``(n, channels, height, width)`` in [-1, 1], or points ``(n, dimensions)``.
        columns: Images in a row; None for a square grid.

    Returns:
        uint8, ``(1 or 3, height, width)``.
    """
    return image_grid(samples, columns) if samples.ndim == 4 else point_map(samples)


def rows_of(classes: Sequence[int], count: int) -> tuple[Tensor, int]:
    """Labels of a grid with one row a class.

    Args:
        classes: The classes from top to bottom.
        count: Images in the grid; the last row may be shorter.

    Returns:
        The labels row by row, and the number of columns.
    """
    columns = -(-count // len(classes))
    return torch.tensor(classes).repeat_interleave(columns)[:count], columns


def to_uint8(images: Tensor) -> Tensor:
    """Round images from [-1, 1] to 0..255, values outside clipped."""
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def displayable(images: Tensor) -> Tensor:
    """The channels that a screen can show: grey as it is, otherwise red, green and blue, or the first channel."""
    channels = images.shape[1]
    return images if channels in (1, 3) else images[:, :3] if channels > 3 else images[:, :1]


def image_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """A grid of images, small ones enlarged without smoothing; see `picture`."""
    pixels = displayable(to_uint8(images))
    factor = max(1, CELL // max(pixels.shape[-2:]))
    pixels = interpolate(pixels, scale_factor=factor, mode="nearest")
    grid = make_grid(pixels, nrow=columns or math.ceil(math.sqrt(len(pixels))), padding=2, pad_value=32)
    return grid[:1] if pixels.shape[1] == 1 else grid


def point_map(points: Tensor, extent: float | None = None, size: int = 400) -> Tensor:
    """Where points lie in their first two dimensions, denser places darker, the origin in the middle.

    Args:
        points: ``(n, dimensions)``.
        extent: Half the side of the square that is shown; None to show 99.5 % of the points.
        size: Pixels of a side.

    Returns:
        uint8, ``(1, size, size)``.
    """
    points = points.detach().float().cpu()
    plane = torch.stack([points[:, 0], points[:, 1] if points.shape[1] > 1 else torch.zeros(len(points))], dim=1)
    extent = extent or float(plane.abs().flatten().quantile(0.995)) * 1.2 or 1.0
    counts, _ = torch.histogramdd(plane, bins=[size, size], range=[-extent, extent, -extent, extent])
    shade = torch.log1p(counts) / math.log1p(max(1.0, float(counts.max())))
    return (255 * (1 - shade.T.flip(0))).to(torch.uint8)[None]


def save(image: Tensor, path: Path, lasting: bool = True) -> Path:
    """Write a picture, uint8 ``(1 or 3, height, width)``, as PNG, whole or not at all; folders are made.

    Args:
        image: The picture.
        path: The file.
        lasting: False for one of many; see `lightning_gen.files.replacing`.

    Raises:
        InputError: It cannot be written.
    """
    with writing(path, lasting) as file:
        to_pil_image(image).save(file, "PNG")
    return path
