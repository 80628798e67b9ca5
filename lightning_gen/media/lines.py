"""Plots of lines in cells, drawn with Pillow."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from lightning_gen.media.scatter import colour

WIDTH, HEIGHT = 128, 96
"""Sides of a cell in pixels."""
MARGIN = 4
"""Free border of a cell in pixels."""
FINE = 3
"""Lines are drawn as many times larger and made smaller again, which smooths them."""
PAPER, ZERO, BETWEEN = (255, 255, 255), (225, 225, 225), (32, 32, 32)
"""Colours of a cell, of the line of the value 0, and of what is between cells."""
GAP = 2
"""Pixels between cells."""
INSIDE = 0.999
"""Share of the values that are inside of their cells; the scale is the same in all cells, so that they compare."""


def line_grid(samples: Tensor, columns: int | None = None) -> Tensor:
    """Plot signals, each in a cell of its own, with a line in another colour for each channel; up is more.

    Args:
        samples: Floats ``(n, channels, length)``.
        columns: Cells in a row; None for a square.

    Returns:
        uint8 ``(3, height, width)``.
    """
    values = samples.detach().float().cpu().numpy()
    columns = columns or math.ceil(math.sqrt(len(values)))
    rows = math.ceil(len(values) / columns)
    extent = float(np.quantile(np.abs(values), INSIDE)) or 1.0
    size = (columns * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP)
    canvas = Image.new("RGB", size, BETWEEN)
    for index, each in enumerate(values):
        row, column = divmod(index, columns)
        canvas.paste(_cell(each, extent), (GAP + column * (WIDTH + GAP), GAP + row * (HEIGHT + GAP)))
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def _cell(values: NDArray[np.floating], extent: float) -> Image.Image:
    """A cell with the lines of one sample ``(channels, length)``."""
    canvas = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.line(_places(np.zeros(2), extent), ZERO, FINE)
    for channel, line in enumerate(values):
        draw.line(_places(line, extent), colour(channel), FINE + 1, joint="curve")
    return canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _places(line: NDArray[np.floating], extent: float) -> Sequence[tuple[float, float]]:
    """Where the values of a line are in a cell, in fine pixels from its upper left corner."""
    across = np.linspace(MARGIN, WIDTH - 1 - MARGIN, len(line)) * FINE
    down = ((1 - np.clip(line / extent, -1.2, 1.2)) / 2 * (HEIGHT - 1 - 2 * MARGIN) + MARGIN) * FINE
    return list(zip(across.tolist(), down.tolist(), strict=True))
