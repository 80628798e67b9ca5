"""A page of text: the preview of media whose samples are lines."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from lightning_gen.media.rows import SMALLEST, font_of, fonts_of

SIZE = SMALLEST + 3
"""Size of the font in pixels."""
LEADING, MARGIN = 15, 4
"""Height of a line, and the border around the page, in pixels."""


def page(lines: Sequence[str], columns: int | None = None) -> Tensor:
    """Lines of text below each other, black on white.

    Args:
        lines: The lines.
        columns: Lines in a group, such as a line and its reconstruction, before a gap; None for no gaps.

    Returns:
        uint8 ``(1, height, width)``.
    """
    font = font_of("".join(lines), SIZE) or fonts_of(SIZE)[0]
    gap = LEADING // 2 if columns is not None and columns < len(lines) else 0
    groups = -(-len(lines) // (columns or len(lines)))
    width = round(max((font.getlength(line) for line in lines), default=0)) + 2 * MARGIN
    image = Image.new("L", (width, LEADING * len(lines) + gap * (groups - 1) + 2 * MARGIN), 255)
    draw = ImageDraw.Draw(image)
    for index, line in enumerate(lines):
        top = MARGIN + LEADING * index + gap * (index // (columns or len(lines)))
        draw.text((MARGIN, top), line, fill=0, font=font)
    return pil_to_tensor(image).to(torch.uint8)


def code_block(lines: Sequence[str]) -> str:
    """Lines as a code block of Markdown, which keeps their spaces."""
    return "\n".join(f"    {line}" for line in lines)
