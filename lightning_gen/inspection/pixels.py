"""What the decoded pixels of images say: whether they have colours, and which are copies."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from lightning_gen.data.cache import progress
from lightning_gen.inspection.duplicates import CHECKED_SIDE, HASH_SIDE, Copies, copies

BLOCK = 2**24
"""Values that are in memory as floats at a time."""
TINT = 4.0
"""Mean difference of the largest and the smallest channel, in levels of 255, up to which an image is near-grey."""
COLOURED = 24.0
"""The same difference from which a pixel has a colour that one sees."""
COLOURED_SHARE = 0.01
"""Maximum share of such pixels in a near-grey image."""


@dataclass(frozen=True)
class Pixels:
    """What the pixels of n images say.

    Attributes:
        near_grey: Whether each image has no colour that one sees, ``(n,)``.
        copies: The copies among them.
    """

    near_grey: np.ndarray
    copies: Copies


def inspect_pixels(pixels: np.ndarray) -> Pixels:
    """Look at all images once, in their order on the disk.

    Args:
        pixels: uint8 ``(n, channels, height, width)``, of 1 or 3 channels, mapped from the disk.
    """
    step = max(1, BLOCK // pixels[0].size)
    side = min(CHECKED_SIDE, *pixels.shape[2:])
    grey, small, middle = [], [], []
    digests: list[bytes] = []
    starts = range(0, len(pixels), step)
    for start in progress(starts, len(starts), "comparing parts of the images", calm=True):
        block = np.array(pixels[start : start + step], order="C")
        digests += [hashlib.blake2b(image.data, digest_size=16).digest() for image in block]
        x = torch.from_numpy(block).float()
        tint = x.amax(1).sub_(x.amin(1)).flatten(1)
        grey.append((tint.mean(1) <= TINT) & ((tint > COLOURED).float().mean(1) <= COLOURED_SHARE))
        small.append(adaptive_avg_pool2d(x, HASH_SIDE).flatten(1))
        middle.append(adaptive_avg_pool2d(x, side).round_().to(torch.uint8).flatten(1))
    return Pixels(torch.cat(grey).numpy(), copies(digests, torch.cat(small), torch.cat(middle)))
