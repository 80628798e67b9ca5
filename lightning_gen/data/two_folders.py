"""What data sets of two sides, sources and targets, have in common: their folders, shapes, crops and cache."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_gen.data.base import DataModule, Splits, at_least, check_fractions
from lightning_gen.data.cache import DecodedImages, OnError, decode
from lightning_gen.data.decoder import EXTENSIONS, MODES
from lightning_gen.data.sides import Sides, sides_of
from lightning_gen.data.views import Framing
from lightning_gen.errors import InputError


class TwoSidedFolder(DataModule):
    """Sources and targets in folders; see `PairedFolder` and `UnpairedFolder`, which have the same arguments."""

    halves: ClassVar[bool]
    """Whether a file may hold both sides, one beside the other."""

    def __init__(
        self,
        folder: str | None = None,
        source: str | None = None,
        target: str | None = None,
        size: int | tuple[int, int] = 64,
        load_size: int | tuple[int, int] | None = None,
        channels: int = 3,
        target_channels: int | None = None,
        reverse: bool = False,
        nearest_source: bool = False,
        nearest_target: bool = False,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
        cache_dir: str | None = None,
        on_error: OnError = "raise",
        mirror: bool = False,
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        at_least(1, "size", min(height, width))
        whole = size if load_size is None else load_size
        load_height, load_width = (whole, whole) if isinstance(whole, int) else whole
        if load_height < height or load_width < width:
            raise InputError(
                f"crops of --data.size {size} cannot be cut from images of --data.load_size {load_size}: set it to "
                "the size or more"
            )
        for name, each in (("channels", channels), ("target_channels", target_channels or channels)):
            if each not in MODES:
                raise InputError(f"images cannot have {each} channels: set --data.{name} to 1, 3 or 4")
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(channels, height, width),
            num_classes=None,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers,
            mirror=mirror,
        )
        self.target_shape = (target_channels or channels, height, width)
        self.framing = Framing((load_height, load_width), (height, width), mirror)
        self.folder = folder
        self.source = source
        self.target = target
        self.size = size
        self.load_size = load_size
        self.channels = channels
        self.target_channels = target_channels
        self.reverse = reverse
        self.nearest_source = nearest_source
        self.nearest_target = nearest_target
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.cache_dir = cache_dir
        self.on_error = on_error
        self.reasons: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}

    @property
    def skipped(self) -> list[str]:
        """Names of the images that were left out, after ``setup``."""
        return list(self.reasons)

    @property
    def flips(self) -> bool:
        """No: mirror images are among the crops."""
        return False

    @cached_property
    def sides(self) -> Sides:
        """The sources and the targets by their folders.

        Raises:
            InputError: See `sides_of`.
        """
        return self._both()

    def _both(self) -> Sides:
        found = sides_of(self.folder, self.source, self.target, self.halves)
        return Sides(*reversed(found)) if self.reverse else found

    def prepare_data(self) -> None:
        """Decode the images, unless they are in the cache."""
        self._decoded()

    def sample_names(self, split: str) -> list[str]:
        """Paths of the sources of a split relative to their folder, in its order; after ``setup``."""
        return list(self._names[split])

    def contents(self) -> list[str]:
        """Sizes of the splits, and where both sides were found."""
        lines = [f"{len(self.val_set):,} for validation, {len(self.test_set):,} for test"]
        source, target = self.sides
        if source.half is not None:
            lines.append(f"each file in {source.root} was cut in two, of which the {HALVES[source.half]} is the source")
        else:
            lines.append(f"source such as {source.pictures[0].name}, target such as {target.pictures[0].name}")
        return lines

    def _decoded(self) -> tuple[DecodedImages, DecodedImages]:
        """The pixels of both sides; what cannot be decoded is in `reasons`."""
        shapes = ((self.channels, *self.framing.whole), (self.target_shape[0], *self.framing.whole))  # type: ignore[index]
        found = []
        for side, shape, nearest in zip(self.sides, shapes, (self.nearest_source, self.nearest_target), strict=True):
            names = [each.name for each in side.pictures]
            lossy = next((name for name in names if nearest and name.lower().endswith(EXTENSIONS["JPEG"])), None)
            if lossy is not None:
                rank_zero_warn(
                    f"maps of labels such as {lossy} are JPEG, whose compression makes colours that are no label: save "
                    "them as PNG"
                )
            images = decode(
                side.root,
                names,
                shape,
                half=side.half,
                nearest=nearest,
                on_error=self.on_error,
                cache_dir=self.cache_dir,
            )
            new = {name: reason for name, reason in images.skipped.items() if name not in self.reasons}
            if new:
                (first, reason), *_ = new.items()
                rank_zero_warn(
                    f"left out {len(new)} of {len(names)} images that cannot be decoded, such as {first} ({reason})"
                )
            self.reasons |= new
            found.append(images)
        return found[0], found[1]

    @staticmethod
    def _named(parts: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        return zip(Splits._fields, parts, strict=True)


HALVES = ("left half", "right half")
