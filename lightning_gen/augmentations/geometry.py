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

    Args:
        x: Images, ``(n, c, h, w)``; the outermost pixels are not repeated by the reflection.
        source: The positions from which pixels come.
    """
    height, width = x.shape[2:]
    across = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    down = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] - (height - 1) / 2
    matrix, shift = source.matrix[..., None, None], source.shift[..., None, None]
    columns = matrix[:, 0, 0] * across + matrix[:, 0, 1] * down + shift[:, 0]
    rows = matrix[:, 1, 0] * across + matrix[:, 1, 1] * down + shift[:, 1]
    # the outermost pixels are at -1 and 1 for grid_sample
    grid = torch.stack([columns * (2 / max(width - 1, 1)), rows * (2 / max(height - 1, 1))], -1)
    return grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=True)
