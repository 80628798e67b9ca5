"""Scatter plots: points in the colours of their classes, or small pictures in their places."""

import colorsys
import textwrap
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lightning_gen.media.rows import class_name, font_of, fonts_of, shortened

SIDE, MARGIN = 1000, 24
"""Side of the square of the points in pixels, and the free border in it."""
TEXT, LEGEND = 16, 220
"""Size of the font, and width of the legend, in pixels."""
FINE = 2
"""Points are drawn as many times larger and made smaller again, which smooths their edges."""
RADII = ((300, 6.0), (3000, 4.0))
"""Radius of a point in pixels up to a number of points."""
SMALLEST_RADIUS = 2.5
LISTED = 40
"""Maximum number of classes in the legend."""
PAPER, INK, FRAME, PLAIN = (255, 255, 255), (40, 40, 40), (200, 200, 200), (31, 119, 180)
"""Colours of the background, the text, the border, and points without a class."""
SPREAD = 0.618034
"""Step between the hues of classes that follow each other, a part of the circle that no number of steps closes."""


def scatter(
    points: NDArray[np.floating], labels: NDArray[np.integer] | None, classes: Sequence[str] | None, caption: str
) -> Tensor:
    """Plot points, each in the colour of its class; both axes have the same scale, and the second points up.

    Args:
        points: ``(n, 2)``.
        labels: Class indices ``(n,)``; None for one colour.
        classes: Names of the classes; None for their numbers.
        caption: Text below.

    Returns:
        uint8 ``(3, height, width)``.
    """
    at = places(points) * FINE
    canvas = Image.new("RGB", (SIDE * FINE, SIDE * FINE), PAPER)
    draw = ImageDraw.Draw(canvas)
    present = [] if labels is None else np.unique(labels).tolist()
    colours = {label: colour(number) for number, label in enumerate(present)}
    radius = FINE * next((radius for most, radius in RADII if len(points) <= most), SMALLEST_RADIUS)
    for index in np.random.default_rng(0).permutation(len(points)):  # no class covers all others
        x, y = at[index]
        fill = PLAIN if labels is None else colours[int(labels[index])]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, PAPER)
    plot = canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return finished(plot, caption, {class_name(label, classes): colours[label] for label in present})


def scattered(points: NDArray[np.floating], pictures: Tensor, caption: str) -> Tensor:
    """Plot small pictures in the places of points; one that would cover another is a point.

    Args:
        points: ``(n, 2)``.
        pictures: uint8 ``(n, 3, side, side)``.
        caption: Text below.

    Returns:
        uint8 ``(3, height, width)``.
    """
    side = pictures.shape[-1]
    border = MARGIN + side // 2
    at = places(points, border)
    plot = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(plot)
    shown = apart(at, side)
    for x, y in at[~shown]:
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), FRAME)
    for index in np.flatnonzero(shown):
        x, y = corner(at[index], side)
        plot.paste(Image.fromarray(pictures[index].permute(1, 2, 0).numpy()), (x, y))
    left = f" {int((~shown).sum()):,} of {len(points):,} are grey points, where a picture would cover another."
    return finished(plot, caption + (left if not shown.all() else ""), {})


def places(points: NDArray[np.floating], border: int = MARGIN) -> NDArray[np.float64]:
    """Where points are in the plot, in pixels from its upper left corner, ``(n, 2)``."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / extent * (SIDE - 2 * border)
    return scaled * [1, -1] + SIDE / 2


def corner(place: NDArray[np.float64], side: int) -> tuple[int, int]:
    """The upper left corner of a picture whose middle is at a place."""
    x, y = (int(each) for each in np.round(place - side / 2))
    return x, y


def apart(at: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    """Which squares around places are shown so that none covers another: those that come first."""
    taken = np.zeros((SIDE, SIDE), bool)
    shown = np.zeros(len(at), bool)
    for index, place in enumerate(at):
        x, y = corner(place, side)
        square = taken[y : y + side, x : x + side]
        if not square.any():
            shown[index] = square[:] = True
    return shown


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a class: hues far apart, and every second one darker."""
    red, green, blue = colorsys.hsv_to_rgb(number * SPREAD % 1, 0.75, 0.65 if number % 2 else 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def finished(plot: Image.Image, caption: str, legend: dict[str, tuple[int, int, int]]) -> Tensor:
    """A plot with a frame, a legend of names and their colours at its right, and a caption below."""
    width = SIDE + (LEGEND if legend else 0)
    font = lettering(caption)
    letters = int((width - 3 * MARGIN) / font.getlength(caption) * len(caption))
    lines = textwrap.wrap(caption, letters)
    canvas = Image.new("RGB", (width, SIDE + (len(lines) + 1) * round(1.5 * TEXT)), PAPER)
    canvas.paste(plot, (0, 0))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=FRAME)
    for row, line in enumerate(lines):
        draw.text((MARGIN, SIDE + (0.5 + 1.5 * row) * TEXT), line, INK, font)
    step = round(1.5 * TEXT)
    for row, (name, fill) in enumerate(list(legend.items())[:LISTED]):
        top = MARGIN + row * step
        draw.ellipse((SIDE + 12, top + 3, SIDE + 12 + 12, top + 15), fill)
        font = lettering(name)
        draw.text((SIDE + 34, top), shortened(name, font, LEGEND - 44), INK, font)
    if len(legend) > LISTED:
        more = f"and {len(legend) - LISTED} more"
        draw.text((SIDE + 34, MARGIN + LISTED * step), more, INK, lettering(more))
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def lettering(text: str) -> ImageFont.FreeTypeFont:
    """A font for a text, which has all its characters if one of this machine does."""
    return font_of(text, TEXT) or fonts_of(TEXT)[0]
