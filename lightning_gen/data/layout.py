"""What the sub-folders that pictures lie in say of them: their class, and the split that they belong to."""

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
"""Names of sub-folders that are splits, in small or capital letters, and what the splits are called here."""
NAMED = 8
"""Classes that are listed by name."""


class Place(NamedTuple):
    """Where a picture lies.

    Attributes:
        split: The split whose folder it is in; "train" where there are no such folders.
        label: Name of its class; None where it lies in no sub-folder of its split.
    """

    split: str
    label: str | None


@dataclass(frozen=True)
class Layout:
    """Where all pictures of a folder lie.

    Attributes:
        places: The place of each picture.
    """

    places: Sequence[Place]

    @classmethod
    def of(cls, names: Sequence[str], folder: str) -> "Layout":
        """Read the layout off the paths of the pictures.

        The sub-folders of the first level are splits where one for training stands beside one for validation or test.

        Args:
            names: Paths relative to the folder, with ``/``.
            folder: The folder, for the message.

        Raises:
            InputError: There are splits, and pictures beside them.
        """
        parts = [name.split("/") for name in names]
        splits = [FOLDERS.get(first.lower()) if rest else None for first, *rest in parts]
        if not ("train" in splits and {"val", "test"} & set(splits)):
            return cls([Place("train", first if rest else None) for first, *rest in parts])
        if None in splits:
            beside = "/".join(parts[splits.index(None)][:2])
            raise InputError(
                f"{folder} holds splits, the folders train and val or test, and other pictures beside them such as "
                f"{beside}: move these into one of the splits, or out of the folder"
            )
        return cls([Place(FOLDERS[first.lower()], rest[0] if rest[1:] else None) for first, *rest in parts])

    @cached_property
    def folders(self) -> set[str]:
        """The splits that have pictures of their own, "train" among them."""
        return {place.split for place in self.places}

    @cached_property
    def unlabelled(self) -> set[str]:
        """Those of them in which some picture lies in no class's sub-folder."""
        return {place.split for place in self.places if place.label is None}

    def source(self, split: str) -> str:
        """The split whose folder the pictures of a split come from: its own, or "train"."""
        return split if split in self.folders else "train"

    def has_labels(self, split: str) -> bool:
        """Whether the pictures of a split have classes."""
        return bool(self.classes) and self.source(split) not in self.unlabelled

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes, sorted; none where some picture to train on has no class."""
        if "train" in self.unlabelled:
            return []
        return sorted({place.label for place in self.places if place.label and place.split not in self.unlabelled})


def listed(counts: Counter[str]) -> str:
    """Classes and how many samples each has: ``"2 classes: cat 40, dog 38"``, the first few of many."""
    named = [f"{name if name.isprintable() else ascii(name)} {count:,}" for name, count in counts.items()]
    more = [f"and {len(named) - NAMED} more"] if len(named) > NAMED else []
    return f"{len(named)} classes: {', '.join([*named[:NAMED], *more])}"
