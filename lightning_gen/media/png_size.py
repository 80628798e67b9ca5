"""The size of pictures as PNG files: a measure of how simple they are."""

from io import BytesIO

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image


def png_bits(images: Tensor) -> Tensor:
    """The sizes of pictures as PNG files of their own, with Pillow's best compression.

    Args:
        images: uint8 ``(n, 1, 3 or 4, height, width)``, on the CPU.

    Returns:
        Bits, float64 ``(n,)``.
    """
    sizes = []
    for image in images:
        file = BytesIO()
        to_pil_image(image).save(file, "PNG", optimize=True)
        sizes.append(8 * file.tell())
    return torch.tensor(sizes, dtype=torch.float64)
