"""Geometry: images moved by one affine map each, composed from many, and resampled once.

Positions are in pixels from the centre of the image, x to the right and y down. A map says where each pixel of the
result comes from, so it is the inverse of the motion that one sees, and of two motions the later one is undone first.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


class Affine(NamedTuple):
    """Where the pixels of n images come from: ``q -> matrix q + shift``.

    Attributes:
        matrix: ``(n, 2, 2)``.
        shift: ``(n, 2)``, in pixels.
    """

    matrix: Tensor
    shift: Tensor

    def after(self, other: "Affine") -> "Affine":
        """The map that applies `other` first: `other` undoes the later of two motions."""
        return Affine(product(self.matrix, other.matrix), image_of(self.matrix, other.shift) + self.shift)


def blit(mirror: Tensor, quarter_turns: Tensor, shift: Tensor) -> Affine:
    """Undo a mirroring, then quarter turns, then a shift.

    Args:
        mirror: -1 to exchange left and right, or 1, ``(n,)``.
        quarter_turns: Clockwise, ``(n,)``.
        shift: To the right and down in pixels, ``(n, 2)``.
    """
    turn = rotation(-math.pi / 2 * quarter_turns)
    return undone(torch.stack([mirror[:, None] * turn[:, 0], turn[:, 1]], 1), shift)


def warp(scale: Tensor, before: Tensor, stretch: Tensor, after: Tensor, shift: Tensor) -> Affine:
    """Undo an enlargement, then a rotation, then a stretch of x that keeps areas, then a rotation, then a shift.

    Args:
        scale: Factor of both sides, ``(n,)``.
        before: Clockwise in radians, ``(n,)``.
        stretch: Factor of x and divisor of y, ``(n,)``.
        after: Clockwise in radians, ``(n,)``.
        shift: To the right and down in pixels, ``(n, 2)``.
    """
    factors = torch.stack([scale * stretch, scale / stretch], 1)
    return undone(product(rotation(-before) / factors[:, None], rotation(-after)), shift)


def undone(inverse: Tensor, shift: Tensor) -> Affine:
    """Undo a linear map of the inverse ``(n, 2, 2)`` and then a shift ``(n, 2)``."""
    return Affine(inverse, -image_of(inverse, shift))


def rotation(angle: Tensor) -> Tensor:
    """Rotation matrices, clockwise on a screen, ``(n, 2, 2)`` from radians ``(n,)``."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products ``(n, 2, 2)``; not `matmul`, whose TF32 and autocast would move pixels."""
    return (a[:, :, :, None] * b[:, None]).sum(2)


def image_of(matrix: Tensor, vector: Tensor) -> Tensor:
    """Vectors ``(n, 2)`` under matrices ``(n, 2, 2)``."""
    return (matrix * vector[:, None]).sum(2)


def resampled(x: Tensor, source: Affine) -> Tensor:
    """Fetch each pixel of the result where `source` says, bicubically; images go on as mirror images beyond their rim.

    Args:
        x: ``(n, c, h, w)``; the mirrors are the outermost pixels, which are not repeated.
        source: Where pixels come from.
    """
    height, width = x.shape[2:]
    across = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    down = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] - (height - 1) / 2
    matrix, shift = source.matrix[..., None, None], source.shift[..., None, None]
    columns = matrix[:, 0, 0] * across + matrix[:, 0, 1] * down + shift[:, 0]
    rows = matrix[:, 1, 0] * across + matrix[:, 1, 1] * down + shift[:, 1]
    # grid_sample calls the outermost pixels -1 and 1
    grid = torch.stack([columns * (2 / max(width - 1, 1)), rows * (2 / max(height - 1, 1))], -1)
    return grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=True)
