"""Images and their mirror images."""

from dataclasses import replace

import numpy as np
import torch

from lightning_gen.data.readable import Samples
from lightning_gen.data.views import Views, flipped
from lightning_gen.records import Batch


class Mirrored:
    """Images, and after them their mirror images: number ``count + i`` is image i, flipped horizontally.

    Args:
        samples: The images, ``(channels, height, width)`` each; a target of that many dimensions is flipped with them.
    """

    views = Views(2)

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return 2 * len(self.samples)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([range(len(self))[index]]).map(lambda each: each[0])

    def __getitems__(self, indices: list[int]) -> Batch:
        flips, rows = np.divmod(np.asarray(indices, dtype=np.int64), len(self.samples))
        batch = self.samples.__getitems__(rows.tolist())
        turned = torch.from_numpy(flips.astype(bool))[:, None, None, None]
        target = batch.target
        if target is not None and target.dim() == batch.x.dim():
            target = flipped(target, turned)
        return replace(batch, x=flipped(batch.x, turned), target=target)
