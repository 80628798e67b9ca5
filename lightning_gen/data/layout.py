"""The split and the class of each image by its sub-folders."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lightning_gen.errors import InputError

FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Sub-folders that are splits, in lower or upper case, and the names of the splits."""
NAMED = 8
"""The number of classes that are listed by name."""


class Place(NamedTuple):
    """The split and the class of one image.

    Attributes:
        split: The split whose folder it is in; "train" if the splits have no folders.
        label: Name of its class; None if it is in no sub-folder of its split.
    """

    split: str
    label: str | None


@dataclass(frozen=True)
class Layout:
    """The splits and classes of all images of a folder.

    Attributes:
        places: Split and class of each image.
    """

    places: Sequence[Place]

    @classmethod
    def of(cls, names: Sequence[str], folder: str, noun: str = "images") -> "Layout":
        """Infer the layout from the paths of the images.

        The sub-folders of the first level are splits if one is for training and another for validation or test.

        Args:
            names: Paths relative to the folder, with ``/``.
            folder: The folder, for the message.
            noun: What the files are, in the plural, for the message.

        Raises:
            InputError: There are images beside the splits.
        """
        parts = [name.split("/") for name in names]
        splits = [FOLDERS.get(first.lower()) if rest else None for first, *rest in parts]
        if not ("train" in splits and {"val", "test"} & set(splits)):
            return cls([Place("train", first if rest else None) for first, *rest in parts])
        if None in splits:
            beside = "/".join(parts[splits.index(None)][:2])
            raise InputError(
                f"{folder} holds splits, the folders train and val or test, and other {noun} beside them such as "
                f"{beside}: move these into one of the splits, or out of the folder"
            )
        return cls([Place(FOLDERS[first.lower()], rest[0] if rest[1:] else None) for first, *rest in parts])

    @cached_property
    def folders(self) -> set[str]:
        """The splits that have a folder of their own; "train" always has."""
        return {place.split for place in self.places}

    @cached_property
    def unlabelled(self) -> set[str]:
        """Those `folders` in which some image is in no sub-folder of a class."""
        return {place.split for place in self.places if place.label is None}

    def source(self, split: str) -> str:
        """The split whose folder has the images of a split: its own, or "train"."""
        return split if split in self.folders else "train"

    def has_labels(self, split: str) -> bool:
        """Whether the images of a split have labels."""
        return bool(self.classes) and self.source(split) not in self.unlabelled

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes, sorted; none if some training image has no class."""
        if "train" in self.unlabelled:
            return []
        return sorted({place.label for place in self.places if place.label and place.split not in self.unlabelled})


def listed(counts: Counter[str]) -> str:
    """Classes and their numbers of samples, at most `NAMED`: ``"2 classes: cat 40, dog 38"``."""
    named = [f"{name if name.isprintable() else ascii(name)} {count:,}" for name, count in counts.items()]
    more = [f"and {len(named) - NAMED} more"] if len(named) > NAMED else []
    return f"{len(named)} classes: {', '.join([*named[:NAMED], *more])}"
