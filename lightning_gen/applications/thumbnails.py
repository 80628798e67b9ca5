"""Small square pictures of samples, for plots of their codes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from lightning_gen.applications.inputs import Inputs
from lightning_gen.media.images import displayable
from lightning_gen.records import Batch

PAPER = 255
"""The colour of what fills a thumbnail up to a square."""


def has_thumbnails(inputs: Inputs) -> bool:
    """Whether the samples are pictures."""
    return inputs.trained.medium.dimensions == 2


def thumbnails(inputs: Inputs, rows: Sequence[int], side: int) -> Tensor:
    """Thumbnails of some samples, uint8 ``(n, 3, side, side)``; pictures that are no squares are filled up with white.

    Args:
        inputs: Samples that are pictures.
        rows: Their places.
        side: Side of a thumbnail in pixels.
    """
    found = torch.empty(len(rows), 3, side, side, dtype=torch.uint8)
    for places in np.array_split(np.arange(len(rows)), -(-len(rows) // inputs.batch_size)):
        pixels = pictures(inputs, [rows[place] for place in places])
        found[places] = squared(displayable(pixels), side)
    return found


def pictures(inputs: Inputs, rows: Sequence[int]) -> Tensor:
    """Some samples as they are stored, uint8 ``(n, *shape)`` for pictures, after the model's scaling and back."""
    medium = inputs.trained.medium
    batch = Batch.of(inputs.samples.__getitems__(list(rows)), to_model=medium.to_model)
    return medium.to_stored(batch.x)


def squared(pixels: Tensor, side: int) -> Tensor:
    """Pictures uint8 ``(n, 1 or 3, height, width)`` in squares, ``(n, 3, side, side)``."""
    height, width = pixels.shape[-2:]
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    resized = interpolate(pixels.float(), size, mode="bilinear", antialias=True) if scale != 1 else pixels.float()
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    margins = (left, side - size[1] - left, top, side - size[0] - top)
    filled = pad(resized.round().clamp(0, 255), margins, value=PAPER)
    return filled.to(torch.uint8).expand(-1, 3, -1, -1)
