"""Shifts in time and space that come around."""

import torch
from torch import Tensor

from lightning_gen.augmentations.base import Augmentation
from lightning_gen.ranges import SHARE, require


class Shift(Augmentation):
    """Shifts each sample by a random number of places along each side; what leaves at one end enters at the other.

    It is for series, sounds and images that are periodic, or whose ends do not matter: the seam is a jump where the
    ends differ. As the `input_transform` of an autoencoder it makes of windows at fixed places those at others.

    Args:
        share: The largest shift, to either direction, as a share of the side, from 0 to 1; 0.5 is every shift.

    Raises:
        InputError: The share is outside [0, 1].
    """

    def __init__(self, share: float = 0.5) -> None:
        super().__init__()
        require(self, "share", share, SHARE, "a share of the side")
        self.share = share

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return shifted samples ``(n, channels, *sides)``."""
        for axis in range(2, x.dim()):
            side, most = x.shape[axis], int(x.shape[axis] * self.share)
            shape = (len(x), *[1] * (x.dim() - 1))
            by = torch.randint(-most, most + 1, shape, generator=generator, device=generator.device).to(x.device)
            places = torch.arange(side, device=x.device).view(-1, *[1] * (x.dim() - 1 - axis))
            x = x.gather(axis, ((places - by) % side).expand(x.shape))
        return x
