"""Images are brought to their size once, before training."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

CHUNK = 4096  # images at a time, which bounds the memory that the filter needs


def resized(images: Tensor, size: int) -> Tensor:
    """Resize square images by an antialiased bicubic filter.

    Args:
        images: uint8 ``(n, channels, height, width)``.
        size: Height and width to come, in pixels.

    Returns:
        uint8 ``(n, channels, size, size)``; the images themselves where they have that size.
    """
    if images.shape[-2:] == (size, size):
        return images
    parts = [resize(part, [size, size], InterpolationMode.BICUBIC, antialias=True) for part in images.split(CHUNK)]
    return torch.cat(parts)
