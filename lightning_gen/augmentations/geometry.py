"""Affine transforms of images: many are composed to one for each image, which then is resampled once.

Positions are in pixels from the centre of the image, x to the right and y down. A map gives the position from which
each pixel of the result comes, so it is the inverse of the visible motion, and of two motions it undoes the later one
first.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


class Affine(NamedTuple):
    """The positions from which the pixels of n images come: ``q -> matrix q + shift``.

    Attributes:
        matrix: ``(n, 2, 2)``.
        shift: ``(n, 2)``, in pixels.
    """

    matrix: Tensor
    shift: Tensor

    def after(self, other: "Affine") -> "Affine":
        """The composition that applies `other` first, which undoes the later of two motions."""
        return Affine(product(self.matrix, other.matrix), image_of(self.matrix, other.shift) + self.shift)


def blit(mirror: Tensor, quarter_turns: Tensor, shift: Tensor) -> Affine:
    """The inverse of a flip, followed by quarter turns and a shift.

    Args:
        mirror: -1 to flip horizontally, or 1, ``(n,)``.
        quarter_turns: Number of clockwise quarter turns, ``(n,)``.
        shift: Shift to the right and down in pixels, ``(n, 2)``.
    """
    turn = rotation(-math.pi / 2 * quarter_turns)
    return undone(torch.stack([mirror[:, None] * turn[:, 0], turn[:, 1]], 1), shift)


def warp(scale: Tensor, before: Tensor, stretch: Tensor, after: Tensor, shift: Tensor) -> Affine:
    """The inverse of a scaling, followed by a rotation, a stretch that keeps areas, a rotation, and a shift.

    Args:
        scale: Factor of both sides, ``(n,)``.
        before: Angle of the first rotation, clockwise in radians, ``(n,)``.
        stretch: Factor of x and divisor of y, ``(n,)``.
        after: Angle of the second rotation, clockwise in radians, ``(n,)``.
        shift: Shift to the right and down in pixels, ``(n, 2)``.
    """
    factors = torch.stack([scale * stretch, scale / stretch], 1)
    return undone(product(rotation(-before) / factors[:, None], rotation(-after)), shift)


def undone(inverse: Tensor, shift: Tensor) -> Affine:
    """The inverse of a linear map, given by its inverse ``(n, 2, 2)``, followed by a shift ``(n, 2)``."""
    return Affine(inverse, -image_of(inverse, shift))


def rotation(angle: Tensor) -> Tensor:
    """Rotation matrices, clockwise on a screen, ``(n, 2, 2)`` from radians ``(n,)``."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products ``(n, 2, 2)``, without `matmul`: TF32 and autocast would displace pixels."""
    return (a[:, :, :, None] * b[:, None]).sum(2)


def image_of(matrix: Tensor, vector: Tensor) -> Tensor:
    """Products of matrices ``(n, 2, 2)`` and vectors ``(n, 2)``."""
    return (matrix * vector[:, None]).sum(2)


def resampled(x: Tensor, source: Affine) -> Tensor:
    """Resample images at the positions of a map, with bicubic interpolation and reflection at the borders.

    Where torch is asked for deterministic algorithms it is done by `gathered` on a GPU, on which the backward pass of
    ``grid_sample`` adds in no fixed order.

    Args:
        x: Images, ``(n, c, h, w)``; the outermost pixels are not repeated by the reflection.
        source: The positions from which pixels come.
    """
    if x.device.type != "cpu" and torch.are_deterministic_algorithms_enabled():
        return gathered(x, source)
    height, width = x.shape[2:]
    columns, rows = positions(x, source)
    # the outermost pixels are at -1 and 1 for grid_sample
    grid = torch.stack([columns * (2 / max(width - 1, 1)), rows * (2 / max(height - 1, 1))], -1)
    return grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=True)


def gathered(x: Tensor, source: Affine) -> Tensor:
    """The same as `resampled`, pixel by pixel: it can be differentiated any number of times, and always to the same
    bits where torch is asked for deterministic algorithms.

    A pixel is the sum of its 16 neighbours times fixed weights. It takes twice as long as ``grid_sample`` on a CPU,
    and keeps the places and weights of the neighbours, 12 bytes each, for the backward pass. No gradient flows to the
    map.

    Args:
        x: Images, ``(n, c, h, w)``.
        source: The positions from which pixels come.
    """
    height, width = x.shape[2:]
    columns, rows = (each.detach() for each in positions(x, source))
    across, down = neighbours(columns, width), neighbours(rows, height)
    pixels, result = x.flatten(2), torch.zeros_like(x)
    for row, of_row in down:
        for column, of_column in across:
            places = (row * width + column).flatten(1)[:, None].expand(-1, x.shape[1], -1)
            result = result + pixels.gather(2, places).view_as(x) * (of_row * of_column)[:, None]
    return result


def positions(x: Tensor, source: Affine) -> tuple[Tensor, Tensor]:
    """The columns and rows from which the pixels of images ``(n, c, h, w)`` come, ``(n, h, w)``, from the centre."""
    height, width = x.shape[2:]
    across = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    down = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] - (height - 1) / 2
    matrix, shift = source.matrix[..., None, None], source.shift[..., None, None]
    columns = matrix[:, 0, 0] * across + matrix[:, 0, 1] * down + shift[:, 0]
    rows = matrix[:, 1, 0] * across + matrix[:, 1, 1] * down + shift[:, 1]
    return columns, rows


def neighbours(position: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """The four pixels nearest to positions along a side of `size` pixels, reflected into it, and their weights.

    The weights are those of cubic convolution with a = -0.75, which torch and OpenCV use.

    Paper: Cubic convolution interpolation for digital image processing, https://doi.org/10.1109/TASSP.1981.1163711

    Args:
        position: From the centre, of any shape.
        size: Pixels of the side.
    """
    position = position + (size - 1) / 2
    first = position.floor()
    past = position - first
    found = []
    for step in (-1, 0, 1, 2):
        place = (first.long() + step).abs() % max(2 * (size - 1), 1)
        away = (past - step).abs()
        near = (1.25 * away - 2.25) * away * away + 1
        far = ((-0.75 * away + 3.75) * away - 6) * away + 3
        found.append((torch.minimum(place, 2 * (size - 1) - place), near if step in (0, 1) else far))
    return found
