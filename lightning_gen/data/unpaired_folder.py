"""Two folders of unrelated images, two domains, as a data set: sources and targets that are no pairs."""

import torch
from torch import Tensor

from lightning_gen.data.base import ArrayDataset, Splits
from lightning_gen.data.cache import DecodedImages
from lightning_gen.data.loader import Samples
from lightning_gen.data.pairs import Pairs, UnpairedViews
from lightning_gen.data.sides import Side
from lightning_gen.data.sorted_files import rows_of_splits
from lightning_gen.data.two_folders import TwoSidedFolder
from lightning_gen.errors import InputError


class UnpairedFolder(TwoSidedFolder):
    """Images of two domains, which need not be equally many, decoded once into a cache outside of the folder.

    The domains are found as by `PairedFolder`, except in files that hold both. An epoch has as many samples as the
    larger domain; the images of the smaller one come in rounds, each image once per round in a new order, and rounds
    do not end with epochs. In training each image is cropped, and mirrored, by a draw of its own.

    In the validation and in the test split sample i is the i-th image of either domain, of the smaller one from the
    start again. But if a split has a folder in both domains and all of its images have a partner of the same name,
    these are pairs there, so that a translation can be compared with its answer.

    The attributes are those of `PairedFolder`; fractions are taken of each domain.

    Raises:
        InputError: As by `PairedFolder`, but no image needs a partner.
    """

    halves = False
    paired = False

    def splits(self) -> Splits:
        """Map the cache and split each domain."""
        sources, targets = (self._dealt(side, images) for side, images in zip(self.sides, self._decoded(), strict=True))
        names, datasets = [], []
        for split, (source, of_source), (target, of_target) in zip(Splits._fields, sources, targets, strict=True):
            if split != "train" and all(split in side.folders for side in self.sides):
                stems = [self._stems(side, part) for side, part in zip(self.sides, (of_source, of_target), strict=True)]
                if sorted(stems[0]) == sorted(stems[1]) and len(set(stems[0])) == len(stems[0]):
                    order = [stems[1].index(stem) for stem in stems[0]]
                    target = ArrayDataset(target.x, rows=target.rows[order])  # type: ignore[index]
            pairs = Pairs(source, target, self.framing)
            names.append([self.sides.source.pictures[of_source[i % len(source)]].name for i in range(len(pairs))])
            datasets.append(pairs)
        self._names = dict(zip(Splits._fields, names, strict=True))
        return Splits(*datasets)

    def _stems(self, side: Side, indices: list[int]) -> list[str]:
        return [side.pictures[index].stem for index in indices]

    def _dealt(self, side: Side, images: DecodedImages) -> list[tuple[ArrayDataset, list[int]]]:
        """The images of each split of one domain, and their indices in the side."""
        splits = [side.pictures[index].split for index in images.indices]
        if "train" not in splits:
            raise InputError(f"no training image in {side.root} can be decoded: look at them, or name another folder")
        parts: list[Tensor] = rows_of_splits(splits, side.folders, self.val_fraction, self.test_fraction, self.seed)
        indices = torch.tensor(images.indices)
        return [(ArrayDataset(images.pixels, rows=part), indices[part].tolist()) for part in parts]

    def in_training(self, samples: Samples) -> Samples:
        """The training images, of which crops and a partner are drawn."""
        assert isinstance(samples, Pairs)
        return UnpairedViews(samples)
