"""Images: 8-bit pixels in memory and in files, [-1, 1] in models, a grid of them as a picture."""

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
"""Smaller images are enlarged to about so many pixels a side."""


@dataclass(frozen=True)
class Images(Medium):
    """Images ``(channels, height, width)``, stored as uint8 and seen by models as floats in [-1, 1]."""

    noun: ClassVar[str] = "images"
    values: ClassVar[str] = "pixels"
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
        """Draw a grid of images; see `image_grid`."""
        return image_grid(samples, columns)

    def preview_values(self, shape: Shape) -> int:
        """Those of an image that is enlarged."""
        return shape[0] * CELL * CELL

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one image ``(1, channels, height, width)`` as PNG, with the channels that a screen can show."""
        save(displayable(to_uint8(sample))[0], target, lasting=False)

    def read_single(self, source: Path) -> Tensor:
        """Read a PNG file, uint8 ``(1, channels, height, width)``.

        Raises:
            InputError: There is no such file, or it is no PNG picture.
        """
        return load(source)[None]


def to_uint8(images: Tensor) -> Tensor:
    """Round images from [-1, 1] to 0..255, values outside clipped."""
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def displayable(images: Tensor) -> Tensor:
    """The channels that a screen can show: grey as it is, otherwise red, green and blue, or the first channel."""
    channels = images.shape[1]
    return images if channels in (1, 3) else images[:, :3] if channels > 3 else images[:, :1]


def image_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """A grid of images, small ones enlarged without smoothing; see `Medium.preview`."""
    pixels = displayable(to_uint8(images))
    factor = max(1, CELL // max(pixels.shape[-2:]))
    pixels = interpolate(pixels, scale_factor=factor, mode="nearest")
    grid = make_grid(pixels, nrow=columns or math.ceil(math.sqrt(len(pixels))), padding=2, pad_value=32)
    return grid[:1] if pixels.shape[1] == 1 else grid
