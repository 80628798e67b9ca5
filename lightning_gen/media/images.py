"""Images: 8-bit pixels in memory and in files, [-1, 1] in models, and a grid as the preview."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid

from lightning_gen.media.base import Medium
from lightning_gen.media.files import load, save
from lightning_gen.outputs import PNG, Kind
from lightning_gen.records import Shape

CELL = 64
"""Smaller images are enlarged to about this side in pixels."""


@dataclass(frozen=True)
class Images(Medium):
    """Images ``(channels, height, width)``, stored as uint8; model values are floats in [-1, 1]."""

    noun: ClassVar[str] = "images"
    values: ClassVar[str] = "pixels"
    place: ClassVar[str] = "pixel"
    unit: ClassVar[str] = "pixels in [-1, 1]"
    error_unit: ClassVar[str] = "of pixels in [0, 1]"
    compared_as: ClassVar[str] = "pixels in [0, 1], reconstructions clipped"
    dimensions: ClassVar[int] = 2
    bounded: ClassVar[bool] = True
    step: ClassVar[float | None] = 2 / 256
    error_scale: ClassVar[float] = 1 / 4
    single: ClassVar[Kind | None] = PNG

    def to_stored(self, x: Tensor) -> Tensor:
        """Pixels from 0 to 255; see `to_uint8`."""
        return to_uint8(x)

    def comparable(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Both as pixels in [0, 1], reconstructions clipped."""
        return (x + 1) / 2, ((output + 1) / 2).clamp(0, 1)

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot a grid of images; see `image_grid`."""
        return image_grid(samples, columns)

    def preview_values(self, shape: Shape) -> int:
        """The numbers of an enlarged image."""
        return shape[0] * CELL * CELL

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one image ``(1, channels, height, width)`` as PNG, with its displayable channels."""
        save(displayable(to_uint8(sample))[0], target, lasting=False)

    def read_single(self, source: Path) -> Tensor:
        """Read a PNG file, uint8 ``(1, channels, height, width)``.

        Raises:
            InputError: The file is missing, or it is not a PNG image.
        """
        return load(source)[None]


def to_uint8(images: Tensor) -> Tensor:
    """Round images from [-1, 1] to 0..255 and clip values outside."""
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def displayable(images: Tensor) -> Tensor:
    """The displayable channels: grey or RGB as it is, the first 3 of more channels, the first of 2."""
    channels = images.shape[1]
    return images if channels in (1, 3) else images[:, :3] if channels > 3 else images[:, :1]


def image_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """A grid of images, small ones enlarged by repeating pixels; see `Medium.preview`."""
    pixels = displayable(to_uint8(images))
    factor = max(1, CELL // max(pixels.shape[-2:]))
    pixels = interpolate(pixels, scale_factor=factor, mode="nearest")
    grid = make_grid(pixels, nrow=columns or math.ceil(math.sqrt(len(pixels))), padding=2, pad_value=32)
    return grid[:1] if pixels.shape[1] == 1 else grid
