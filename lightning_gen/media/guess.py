"""The medium of samples of which only the shape is known."""

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium
from lightning_gen.media.images import Images
from lightning_gen.media.points import Points
from lightning_gen.records import Shape

BY_RANK: dict[int, Medium] = {1: Points(), 3: Images()}
"""Media by the number of dimensions of a sample."""


def medium_of(shape: Shape) -> Medium:
    """The medium of data that do not state one, such as a plain DataLoader.

    Args:
        shape: Shape of one sample: ``(channels, height, width)`` are images in [-1, 1], ``(dimensions,)`` points.

    Raises:
        InputError: The shape is that of neither.
    """
    if len(shape) not in BY_RANK:
        raise InputError(
            f"samples of shape {tuple(shape)} may be of any kind: set `medium` of your DataModule or of the module, such "
            "as module.medium = Points(); lightning_gen.media has Images, for pixels in [-1, 1], and Points, for any "
            "numbers, and Medium is the base of your own"
        )
    return BY_RANK[len(shape)]


def preview(samples: Tensor, columns: int | None = None) -> Tensor:
    """Plot samples of which only the shape is known as one image; see `medium_of` and `Medium.preview`.

    Args:
        samples: Images ``(n, channels, height, width)`` in [-1, 1], or points ``(n, dimensions)``.
        columns: Images in a row; None for a square.

    Returns:
        uint8, ``(1 or 3, height, width)``.

    Raises:
        InputError: The samples are neither images nor points.
    """
    return medium_of(samples.shape[1:]).preview(samples, columns)
