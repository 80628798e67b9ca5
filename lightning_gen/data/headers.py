"""What an image file says of itself before its pixels are decoded."""

from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from lightning_gen.data.decoder import formats
from lightning_gen.files import opened

GREY, COLOUR, PALETTE, DEEP, OTHER = "grey", "rgb", "palette", "16_bit", "other"
"""Kinds of pixels; those of 16 bits are grey or coloured, the others are CMYK, floats and the like."""
KINDS = {"1": GREY, "L": GREY, "LA": GREY, "La": GREY, "RGB": COLOUR, "RGBA": COLOUR, "P": PALETTE, "PA": PALETTE}
"""The kinds of Pillow's modes of 1 to 8 bits."""
TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""


class Header(NamedTuple):
    """The header of an image file.

    Attributes:
        width: Pixels, upright.
        height: Pixels, upright.
        kind: `GREY`, `COLOUR`, `PALETTE`, `DEEP` or `OTHER`.
        grey: Whether the file holds no colours: one channel of 1 to 16 bits, with or without transparency.
        alpha: Whether it has an alpha channel or a transparent colour.
        animated: Whether it holds several frames, of which the first is decoded.
    """

    width: int
    height: int
    kind: str
    grey: bool
    alpha: bool
    animated: bool

    @property
    def aspect(self) -> float:
        """The long side / the short side, at least 1."""
        return max(self.width, self.height) / min(self.width, self.height)

    @property
    def short_side(self) -> int:
        """The short side in pixels."""
        return min(self.width, self.height)


def read_header(path: Path) -> Header | None:
    """The header of an image file; None if it cannot be read. The pixels are not decoded."""
    try:
        with opened(path) as file, Image.open(file, formats=formats()) as image:
            width, height = image.size
            if isinstance(image, TiffImageFile):  # whose size is upright in some versions of Pillow
                width, height = (image.tag_v2[tag] for tag in (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength))
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}  # PNG would decode all
            if exif.get(ExifTags.Base.Orientation) in TURNED:
                width, height = height, width
            deep = image.mode.startswith("I") or ";16" in str(image.tile)  # Pillow opens 16-bit colours as RGB
            kind = DEEP if deep else KINDS.get(image.mode, OTHER)
            grey = image.mode.startswith("I") or kind == GREY
            animated = getattr(image, "is_animated", False)
            return Header(width, height, kind, grey, bool(image.has_transparency_data), animated)
    except Exception:  # of broken files, as in the decoder, which gives the reason
        return None
