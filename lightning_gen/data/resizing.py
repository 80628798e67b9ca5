"""Resizing of images in memory, once before training."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from lightning_gen.memory import require_room

CHUNK = 4096  # images at a time, which limits the memory of the filter


def resized(images: Tensor, size: int) -> Tensor:
    """Resize square images with an antialiased bicubic filter.

    Args:
        images: uint8 ``(n, channels, height, width)``.
        size: New height and width in pixels.

    Returns:
        uint8 ``(n, channels, size, size)``; the same tensor if the images have that size.

    Raises:
        InputError: They do not fit into memory.
    """
    if images.shape[-2:] == (size, size):
        return images
    needed = len(images) * images.shape[1] * size**2
    require_room(needed, f"{len(images):,} images of {size} x {size} pixels", "set a smaller --data.size")
    parts = [resize(part, [size, size], InterpolationMode.BICUBIC, antialias=True) for part in images.split(CHUNK)]
    return torch.cat(parts)
