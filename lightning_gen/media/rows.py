"""The preview of a conditional model: one class in each row, with its name beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ROWS = 10
"""The number of classes in a preview of a conditional model, if none are requested."""
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "Arial.ttf")
"""Fonts of the system for names with characters that the font in Pillow, of ASCII alone, does not have."""
GREY, WHITE = 32, 255
"""The background, that of a grid, and the text."""
LONGEST = 10
"""Maximum width of a name, as a multiple of the size of its font; longer names are cut."""
SMALLEST, LARGEST = 8, 40
"""The range of the size of the font in pixels; within it, it is a quarter of the height of a row."""
ABSENT = "\uffff"
"""A character that no font has."""


@dataclass(frozen=True)
class Rows:
    """Samples of a preview with one class in each row.

    Attributes:
        labels: The class of each sample, row by row, ``(n,)``; the last row may be shorter.
        columns: Samples in a row.
        names: The name of each row, from top to bottom, as a font of this machine can show it.
    """

    labels: Tensor
    columns: int
    names: tuple[str, ...]


def rows_of(classes: Sequence[int], count: int, names: Sequence[str] | None = None) -> Rows:
    """A preview with one class in each row.

    Args:
        classes: The classes from top to bottom.
        count: Number of samples; the last row may be shorter.
        names: Names of all classes of the model, in the order of their indices; None for their numbers.
    """
    columns = -(-count // len(classes))
    labels = torch.tensor(classes).repeat_interleave(columns)[:count]
    shown = {label: class_name(label, names) for label in classes}
    captions = [shown[label] if font_of(shown[label], SMALLEST) else str(label) for label in classes]
    return Rows(labels, columns, tuple(captions[: -(-count // columns)]))


def class_name(label: int, names: Sequence[str] | None) -> str:
    """The name of a class, or its number where it has none."""
    return names[label] if names is not None and 0 <= label < len(names) else str(label)


def with_names(image: Tensor, names: Sequence[str]) -> Tensor:
    """A preview with the name of each row on its left.

    Args:
        image: uint8 ``(1 or 3, height, width)``, rows of equal heights.
        names: Names of the rows from top to bottom; without any the image is returned as it is.

    Returns:
        uint8, of the same height and more width.
    """
    if not names:
        return image
    channels, height, _ = image.shape
    size = min(max(SMALLEST, height // len(names) // 4), LARGEST)
    common = font_of("".join(names), size)
    fonts = [common or font_of(name, size) or fonts_of(size)[0] for name in names]
    texts = [shortened(name, font, LONGEST * size) for name, font in zip(names, fonts, strict=True)]
    margin = size // 2
    width = round(max(map(ImageFont.FreeTypeFont.getlength, fonts, texts))) + 2 * margin
    canvas = Image.new("L", (width, height), GREY)
    draw = ImageDraw.Draw(canvas)
    for row, (text, font) in enumerate(zip(texts, fonts, strict=True)):
        draw.text((width - margin, (row + 0.5) * height / len(names)), text, WHITE, font, anchor="rm")
    column = torch.from_numpy(np.array(canvas)).expand(channels, height, width)
    return torch.cat([column, image], dim=2)


def shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """A text, or as many of its first characters as fit in a width with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    kept = next((end for end in range(len(text) - 1, 0, -1) if font.getlength(f"{text[:end]}...") <= width), 1)
    return f"{text[:kept]}..."


def font_of(text: str, size: int) -> ImageFont.FreeTypeFont | None:
    """The first font that has all characters of a text; None if there is none."""
    return next((font for font in fonts_of(size) if has(font, text)), None)


@cache
def fonts_of(size: int) -> list[ImageFont.FreeTypeFont]:
    """The font in Pillow, and those of `FONTS` that are installed."""
    found = [cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))]
    for name in FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return found


def has(font: ImageFont.FreeTypeFont, text: str) -> bool:
    """Whether a font has all characters of a text."""
    absent = bytes(font.getmask(ABSENT))
    return text.isprintable() and all(each.isspace() or bytes(font.getmask(each)) != absent for each in text)
