"""Decode an image file to an array of bytes: upright, with given channels and size."""

import warnings
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from lightning_gen.files import opened
from lightning_gen.records import Shape

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes by the number of channels."""
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that Pillow may recognize, by content and not by name; for some others it starts another program."""
EXTENSIONS = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpeg", ".jpg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "PNG": (".png",),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""The extensions, in lower case, by which image files are found, by their formats."""
OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
"""Formats that Pillow may have been built without, and its names of their decoders."""

OVERSAMPLING = 3  # fast methods may shrink an image to this many times its final size; Lanczos does the rest


class Resampling(NamedTuple):
    """How Pillow resizes.

    Attributes:
        filter: Its filter.
        gap: How far a fast method may shrink an image before the filter, in multiples of the final size; None for not.
    """

    filter: Image.Resampling
    gap: float | None


LANCZOS = Resampling(Image.Resampling.LANCZOS, OVERSAMPLING)
NEAREST = Resampling(Image.Resampling.NEAREST, None)


def read_image(
    path: Path, shape: Shape, pad: bool = False, half: int | None = None, nearest: bool = False
) -> np.ndarray:
    """Read one image as uint8 ``(channels, height, width)``.

    The EXIF orientation is applied. An animation gives its first frame. Transparency is composited over white unless
    `shape` has four channels. 16-bit grey is divided by 257, so that 65535 becomes 255. An antialiased Lanczos filter
    resizes the image.

    Args:
        path: A file of one of `FORMATS`.
        shape: ``(channels, height, width)``, with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
        pad: False fits the short side and crops the centre of the long one; True fits the long side and pads the short
            one with black (transparent black in RGBA).
        half: 0 or 1 for the left or the right half of the upright image alone, whose width must be even; None for all.
        nearest: Pick the nearest pixels instead of averaging, for maps of labels.

    Raises:
        Exception: Any error of Pillow's decoders on a broken file; `reason` describes it. A pipe or a device raises
            too, without waiting.
    """
    channels, height, width = shape
    with opened(path) as file, Image.open(file, formats=formats()) as image:
        if half is None and not nearest:  # a fraction of the size would mix both halves, or colours of labels
            image.draft(None, (OVERSAMPLING * max(height, width),) * 2)  # JPEG can be decoded at a fraction of its size
        fitting = _with_channels(_part(ImageOps.exif_transpose(image), half), channels)
    fitted = (_padded if pad else _cropped)(fitting, height, width, NEAREST if nearest else LANCZOS)
    return np.ascontiguousarray(np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1))


def read_whole(path: Path, channels: int) -> np.ndarray:
    """Read one image in its own size as uint8 ``(channels, height, width)``; otherwise as `read_image`.

    Args:
        path: A file of one of `FORMATS`.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).

    Raises:
        Exception: Any error of Pillow's decoders on a broken file, as in `read_image`.
    """
    with opened(path) as file, Image.open(file, formats=formats()) as image:
        whole = _with_channels(ImageOps.exif_transpose(image), channels)
    return np.array(whole).reshape(whole.height, whole.width, channels).transpose(2, 0, 1).copy()


@cache
def formats() -> tuple[str, ...]:
    """The `FORMATS` that this version of Pillow supports; older versions fail on names that they do not know."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@cache
def extensions() -> tuple[str, ...]:
    """The `EXTENSIONS` of the formats that this version of Pillow decodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older versions warn of decoders that they do not know
        missing = {name for name, decoder in OPTIONAL.items() if not features.check(decoder)}
    readable = [those for name, those in EXTENSIONS.items() if name in formats() and name not in missing]
    return tuple(sorted(chain.from_iterable(readable)))


def _with_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floats of an unknown range")
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.has_transparency_data and channels != 4:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(MODES[channels])


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale to 8 bits; Pillow's own conversion clips at 255. Some formats and versions store 16 bits in 32."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are integers of more than 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _part(image: Image.Image, half: int | None) -> Image.Image:
    """The left or the right half of an image, or all of it."""
    if half is None:
        return image
    if image.width % 2:
        raise ValueError(f"its width of {image.width} is odd, so it has no two halves")
    width = image.width // 2
    return image.crop((half * width, 0, (half + 1) * width, image.height))


def _cropped(image: Image.Image, height: int, width: int, how: Resampling) -> Image.Image:
    if image.width * height <= image.height * width:
        box_width, box_height = float(image.width), image.width * height / width
    else:
        box_width, box_height = image.height * width / height, float(image.height)
    # Whole pixels: a shift by half a pixel would blur an image that only needs cropping.
    left, top = round((image.width - box_width) / 2), round((image.height - box_height) / 2)
    box = (left, top, left + box_width, top + box_height)
    return image.resize((width, height), how.filter, box=box, reducing_gap=how.gap)


def _padded(image: Image.Image, height: int, width: int, how: Resampling) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    resized = image.resize(size, how.filter, reducing_gap=how.gap)
    canvas.paste(resized, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def reason(error: Exception) -> str:
    """Why an image could not be read, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more pixels than Pillow's limit of {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
