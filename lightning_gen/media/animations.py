"""Animations of images in files: APNG and GIF, written by Pillow, that are played for exactly the time asked for."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from lightning_gen.errors import InputError
from lightning_gen.outputs import PNG, Kind, writing
from lightning_gen.ranges import Range

APNG = Kind("animated PNG image", ".apng", PNG.start)
GIF = Kind("GIF image", ".gif", re.compile(rb"GIF8[79]a"))

FORMATS = {APNG.ending: ("PNG", 1), GIF.ending: ("GIF", 10)}
"""Pillow's format of each ending, and the unit of its durations in milliseconds."""
FPS = Range("from 1 to 50", low=1, high=50)
"""Frames per second: browsers play GIF frames of less than 20 ms more slowly."""
LONGEST = 60.0
"""Maximum length in seconds; equal frames are merged into one, whose duration the formats bound by 65.5 seconds."""


def durations(count: int, fps: float, unit: int) -> list[int]:
    """Durations of frames in milliseconds, multiples of `unit`, none of which ends by more than half a unit too late.

    Pillow rounds each duration down, so that 33 ms in a GIF would be 30 and the whole a tenth too short.

    >>> durations(3, fps=30, unit=10)
    [30, 40, 30]
    """
    ends = [round(1000 * frame / fps / unit) * unit for frame in range(count + 1)]
    return [after - before for before, after in pairwise(ends)]


def check_animation(count: int, fps: float) -> None:
    """Check that an animation can be written.

    Raises:
        InputError: It would be too long, or the number of frames per second is out of range.
    """
    if fps not in FPS:
        raise InputError(f"--fps must be {FPS.words}, not {fps}")
    if count / fps > LONGEST:
        raise InputError(
            f"{count:,} frames at {fps:g} a second take {count / fps:,.0f} seconds and an animation may take "
            f"{LONGEST:.0f}: give fewer --steps or more --fps, or --out a folder for the frames"
        )


def save_animation(images: Sequence[Tensor], path: Path, fps: float) -> Path:
    """Write images as an animation that repeats for ever.

    Equal frames that follow each other are one frame in the file, of their whole duration. A GIF has 256 colours a
    frame; APNG keeps all.

    Args:
        images: uint8 ``(1 or 3, height, width)`` each, of one size.
        path: A file that ends in .apng or .gif.
        fps: Frames per second, from 1 to 50.

    Raises:
        InputError: It would be too long, or cannot be written.
    """
    check_animation(len(images), fps)
    name, unit = FORMATS[path.suffix]
    first, *others = drawn(images)
    with writing(path) as file:
        first.save(
            file,
            name,
            save_all=True,
            append_images=others,
            duration=durations(len(images), fps, unit),
            loop=0,
        )
    return path


def drawn(images: Sequence[Tensor]) -> Iterator[Image.Image]:
    """The images as those of Pillow."""
    return (to_pil_image(image) for image in images)
