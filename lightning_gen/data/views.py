"""Views of samples: what training reads of each sample in an epoch, such as its mirror image or a random crop.

Which view it is depends on the seed, the epoch and the number of the sample alone. So no draw is part of a checkpoint,
and neither a resumed run nor another number of devices draws others.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """The views that a data set has of each of its `samples`, by which it is read in training.

    Number ``i + samples · (view + count · partner)`` of the data set is a view of sample i beside a partner. View 0 of
    mirrored images is the image itself.

    Attributes:
        count: Views of each sample, of which one is drawn in every epoch.
        partners: Samples of another, smaller set, one of which is read beside each sample. They come in rounds: in each
            round every one once, in a new order; rounds do not end with epochs.
    """

    count: int = 1
    partners: int = 1


@dataclass(frozen=True)
class Framing:
    """The crops, and their mirror images, of images that were decoded larger than they are read.

    Attributes:
        whole: Height and width of the decoded images.
        size: Height and width of a crop.
        mirror: Whether crops may be flipped horizontally.
    """

    whole: tuple[int, int]
    size: tuple[int, int]
    mirror: bool = False

    @property
    def count(self) -> int:
        """The number of different crops of one image, mirror images included."""
        return (1 + self.mirror) * self._rows * self._columns

    @property
    def centre(self) -> int:
        """The crop of the centre, not flipped."""
        return (1 + self.mirror) * ((self._rows - 1) // 2 * self._columns + (self._columns - 1) // 2)

    @property
    def _rows(self) -> int:
        return self.whole[0] - self.size[0] + 1

    @property
    def _columns(self) -> int:
        return self.whole[1] - self.size[1] + 1

    def of(self, x: Tensor, crops: list[int]) -> Tensor:
        """One crop, ``(n, channels, *size)``, of each of the images ``(n, channels, *whole)``."""
        places, flips = zip(*(divmod(crop, 1 + self.mirror) for crop in crops), strict=True) if crops else ((), ())
        if self.size != self.whole:
            corners = [divmod(place, self._columns) for place in places]
            height, width = self.size
            parts = [image[:, t : t + height, w : w + width] for image, (t, w) in zip(x, corners, strict=True)]
            x = torch.stack(parts) if parts else x[..., :height, :width]
        return flipped(x, torch.tensor(flips, dtype=torch.bool)[:, None, None, None]) if any(flips) else x


def flipped(x: Tensor, which: Tensor) -> Tensor:
    """Flip some of the images ``(n, channels, height, width)`` horizontally, by a mask ``(n, 1, 1, 1)``."""
    return torch.where(which, x.flip(-1), x)
