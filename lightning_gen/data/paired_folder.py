"""A folder of pairs of images as a data set: the source and the target of a translation."""

from collections.abc import Sequence
from functools import cached_property

import torch
from lightning.pytorch.utilities import rank_zero_warn

from lightning_gen.data.base import ArrayDataset, Splits
from lightning_gen.data.cache import LISTED, read_ahead
from lightning_gen.data.headers import Header, read_header
from lightning_gen.data.loader import Samples
from lightning_gen.data.pairs import PairedViews, Pairs
from lightning_gen.data.sides import Picture, Sides, by_stem, without_partner
from lightning_gen.data.sorted_files import rows_of_splits
from lightning_gen.data.two_folders import TwoSidedFolder
from lightning_gen.errors import InputError


class PairedFolder(TwoSidedFolder):
    """Pairs of images, a source and the target that belongs to it, decoded once into a cache outside of the folder.

    One folder has both sides in one of these layouts, with or without splits:

    - each file holds both, the source left and the target right, in the folder itself or in ``train``, ``val``,
      ``test``;
    - folders ``A`` and ``B`` (or ``source`` and ``target``, ``label`` and ``img``), above or below these splits;
    - ``trainA``, ``trainB``, ``testA``, ``testB`` (or ``train_label``, ``train_img`` ...).

    Or the sides are two folders, `source` and `target`. The images of a pair have the same path below the folders of
    its side and split, but for the extension, and the same size after EXIF turning. A split without a folder is split
    off the training pairs. In training one random crop, and one coin for its mirror image, holds for both images of a
    pair; elsewhere the crop is that of the centre.

    Attributes:
        folder: Path of a folder with both sides.
        source: Path of a folder of sources, if `folder` is not given.
        target: Path of a folder of targets likewise.
        size: Side of the square images in pixels, or ``(height, width)``.
        load_size: The same before cropping, at least `size`; None for `size`, so that nothing is cropped off.
        channels: Channels of the sources: 1, 3 or 4.
        target_channels: Channels of the targets; None for `channels`.
        reverse: Whether sources and targets change places.
        nearest_source: Whether sources are resized by picking pixels: for maps of labels, whose colours mean something.
        nearest_target: The same for targets.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the training pairs for the validation split, in [0, 1). Ignored if it has a folder.
        test_fraction: Fraction for the test split, likewise.
        seed: Seed of the splits, the order of the training samples and their crops.
        num_workers: Processes that load batches.
        cache_dir: Folder of the cache; None: ``$XDG_CACHE_HOME/lightning_gen`` or ``~/.cache/lightning_gen``.
        on_error: What happens to images without a partner, of other sizes than their partners, or that cannot be
            decoded: "raise" raises an error that names them; "skip" leaves their pairs out and warns.
        mirror: Whether training pairs are flipped horizontally with probability 1/2, anew in each epoch.
        reasons: The images that were left out, each with the reason, after ``setup``.

    Raises:
        InputError: An argument is out of range. Later: the layout is none of these, a folder has no image, or images
            have no partner, another size than it, or cannot be decoded.
    """

    halves = True

    @cached_property
    def sides(self) -> Sides:
        """Both sides, with the same pairs in the same order; those left out are in `reasons`."""
        found = self._both()
        if found.source.half is not None:
            return found
        reasons = dict(without_partner(found.source, found.target, "target"))
        reasons |= without_partner(found.target, found.source, "source")
        self._leave_out(reasons, "images have no partner of the same name on the other side", found)
        at = by_stem(found.target)
        pairs = [
            (one, found.target.pictures[at[one.split, one.stem]])
            for one in found.source.pictures
            if (one.split, one.stem) in at
        ]
        if not pairs:
            raise InputError(
                f"no image in {found.source.root} has a partner of the same name in {found.target.root}: give pairs "
                "the same name on both sides, or train on them unpaired with --data UnpairedFolder"
            )
        unequal = self._unequal(pairs, found)
        self._leave_out(unequal, "pairs have images of different sizes", found)
        kept = [pair for pair in pairs if pair[0].name not in unequal]
        if not kept:
            raise InputError(f"all pairs in {found.source.root} have images of different sizes: crop them equally")
        return Sides(
            found.source._replace(pictures=[one for one, _ in kept]),
            found.target._replace(pictures=[other for _, other in kept]),
        )

    def _unequal(self, pairs: Sequence[tuple[Picture, Picture]], sides: Sides) -> dict[str, str]:
        """The names of sources whose targets have other sizes, with both sizes."""
        paths = [side.root / each.name for side, each in ((s, e) for p in pairs for s, e in zip(sides, p, strict=True))]
        headers: list[Header | None] = list(read_ahead(read_header, paths))
        found = {}
        for (one, other), a, b in zip(pairs, headers[::2], headers[1::2], strict=True):
            if a is not None and b is not None and (a.width, a.height) != (b.width, b.height):
                found[one.name] = f"{a.width} x {a.height}, and {other.name} has {b.width} x {b.height}"
        return found

    def _leave_out(self, reasons: dict[str, str], what: str, sides: Sides) -> None:
        if not reasons:
            return
        listed = ", ".join(f"{name} ({reason})" for name, reason in [*reasons.items()][:LISTED])
        more = f" and {len(reasons) - LISTED:,} more" if len(reasons) > LISTED else ""
        message = f"{len(reasons):,} {what}: {listed}{more}"
        if self.on_error == "raise":
            raise InputError(f"{message}: repair or remove them, or leave them out with --data.on_error skip")
        rank_zero_warn(f"left out: {message}")
        self.reasons |= reasons

    def splits(self) -> Splits:
        """Map the cache and split it; a pair of which one image cannot be decoded is left out."""
        source, target = self._decoded()
        rows = [dict(zip(each.indices, range(len(each.indices)), strict=True)) for each in (source, target)]
        kept = [index for index in range(len(self.sides.source.pictures)) if all(index in each for each in rows)]
        pictures = [self.sides.source.pictures[index] for index in kept]
        if not any(each.split == "train" for each in pictures):
            raise InputError(f"no training pair in {self.sides.source.root} can be decoded: look at them")
        of_source, of_target = (torch.tensor([each[index] for index in kept]) for each in rows)
        dealt = rows_of_splits(
            [each.split for each in pictures],
            self.sides.source.folders,
            self.val_fraction,
            self.test_fraction,
            self.seed,
        )
        self._names = {split: [pictures[row].name for row in part.tolist()] for split, part in self._named(dealt)}
        return Splits(
            *(
                Pairs(
                    ArrayDataset(source.pixels, rows=of_source[part]),
                    ArrayDataset(target.pixels, rows=of_target[part]),
                    self.framing,
                )
                for part in dealt
            )
        )

    def in_training(self, samples: Samples) -> Samples:
        """The training pairs, of which a crop is drawn in each epoch."""
        assert isinstance(samples, Pairs)
        return PairedViews(samples)
