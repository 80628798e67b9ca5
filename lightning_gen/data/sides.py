"""The two sides of a translation, its sources and its targets, by the folders that their images are in."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lightning_gen.data.folder import list_images
from lightning_gen.data.layout import FOLDERS
from lightning_gen.errors import InputError
from lightning_gen.paths import expanded

SOURCES = ("a", "label", "labels", "source")
"""Names of folders of sources, in lower or upper case."""
TARGETS = ("b", "img", "images", "target")
"""Names of folders of targets, likewise."""
JOINED = re.compile(rf"({'|'.join(FOLDERS)})[-_]?({'|'.join(SOURCES + TARGETS)})", re.IGNORECASE)
"""Names such as ``trainA`` and ``test_label``."""


class Picture(NamedTuple):
    """An image of one side.

    Attributes:
        name: Its path relative to the root of its side.
        split: "train", "val" or "test", by its folder; "train" if the splits have no folders.
        stem: Its path below the folders of its split and its side, without the extension.
    """

    name: str
    split: str
    stem: str


class Side(NamedTuple):
    """The images of one side.

    Attributes:
        root: The folder that contains them.
        pictures: The images, sorted by name.
        half: 0 or 1 if they are the left or the right halves of the files; None if they are whole files.
    """

    root: Path
    pictures: list[Picture]
    half: int | None = None

    @property
    def folders(self) -> set[str]:
        """The splits that have a folder of their own; "train" always has."""
        return {picture.split for picture in self.pictures}


class Sides(NamedTuple):
    """Both sides."""

    source: Side
    target: Side


class Place(NamedTuple):
    """What the folders of an image say: its split, its side (0 or 1), each None if they do not, and its stem."""

    split: str | None
    side: int | None
    stem: str


def place(name: str, sided: bool = True) -> Place:
    """Read the folders in the path of an image; `sided` says whether some may be folders of a side.

    >>> place("trainA/x/1.jpg")
    Place(split='train', side=0, stem='x/1')
    """
    parts = name.split("/")
    split: str | None = None
    side: int | None = None
    while len(parts) > 1:
        first = parts[0].lower()
        joined = JOINED.fullmatch(first)
        if split is None and first in FOLDERS:
            split = FOLDERS[first]
        elif sided and side is None and first in SOURCES + TARGETS:
            side = int(first in TARGETS)
        elif sided and split is None and side is None and joined:
            split, side = FOLDERS[joined[1]], int(joined[2] in TARGETS)
        else:
            break
        parts.pop(0)
    return Place(split, side, PurePosixPath("/".join(parts)).with_suffix("").as_posix())


def sides_of(folder: str | None, source: str | None, target: str | None, halves: bool) -> Sides:
    """Find both sides in one folder, or in two.

    Args:
        folder: A folder with both sides, or None.
        source: A folder of sources, or None.
        target: A folder of targets, or None.
        halves: Whether a folder without folders of sides has files with a source left and a target right.

    Raises:
        InputError: Neither one folder nor two are given, a folder is missing or has no image, images are in no folder
            of a side or of a split, or a side has none for training.
    """
    if (folder is None) == (source is None and target is None) or (source is None) != (target is None):
        raise InputError(
            "the images are in one folder or in two: give --data.folder alone, or --data.source and --data.target"
        )
    if source is not None and target is not None:
        return Sides(_whole(source, "set --data.source to"), _whole(target, "set --data.target to"))
    assert folder is not None
    root = expanded(folder)
    names = list_images(root).names
    places = [place(name) for name in names]
    found = {each.side for each in places}
    if found == {None}:
        if not halves:
            raise InputError(
                f"{folder} has no folders of two domains: name them A and B or trainA and trainB, or give two folders, "
                "--data.source and --data.target"
            )
        return Sides(*(Side(root, _pictures(names, places, folder), half) for half in (0, 1)))
    if not {0, 1} <= found:
        lone = next(name for name, each in zip(names, places, strict=True) if each.side is not None)
        raise InputError(
            f"{folder} has no folder of {'sources' if 0 not in found else 'targets'} beside that of {lone}: name the "
            "folders A and B, or trainA and trainB, or give two folders, --data.source and --data.target"
        )
    if None in found:
        beside = next(name for name, each in zip(names, places, strict=True) if each.side is None)
        raise InputError(
            f"{folder} has folders of sources and of targets, and other images beside them such as {beside}: move "
            "these into one of the folders, or away"
        )
    parts = []
    for side in (0, 1):
        own = [(name, each) for name, each in zip(names, places, strict=True) if each.side == side]
        parts.append(Side(root, _pictures([name for name, _ in own], [each for _, each in own], folder)))
    return Sides(*parts)


def _whole(folder: str, name_it: str) -> Side:
    root = expanded(folder)
    names = list_images(root, name_it).names
    return Side(root, _pictures(names, [place(name, sided=False) for name in names], folder))


def _pictures(names: Sequence[str], places: Sequence[Place], folder: str) -> list[Picture]:
    splits = {each.split for each in places}
    if splits != {None} and None in splits:
        beside = next(name for name, each in zip(names, places, strict=True) if each.split is None)
        raise InputError(
            f"{folder} holds splits and other images beside them such as {beside}: move these into one of the splits, "
            "or out of the folder"
        )
    if splits != {None} and "train" not in splits:
        raise InputError(
            f"{folder} has images for {' and '.join(sorted(filter(None, splits)))} and none for training: name the "
            "folder of these train, or trainA"
        )
    return [Picture(name, each.split or "train", each.stem) for name, each in zip(names, places, strict=True)]


def by_stem(side: Side) -> dict[tuple[str, str], int]:
    """The index of each image by its split and stem.

    Raises:
        InputError: Two have the same.
    """
    keys = [(each.split, each.stem) for each in side.pictures]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        both = [each.name for each in side.pictures if (each.split, each.stem) == twice[0]]
        raise InputError(
            f"{' and '.join(both[:2])} in {side.root} have the same name but for the extension, so it is not known "
            "which belongs to the other side: remove one of them"
        )
    return {key: index for index, key in enumerate(keys)}


def without_partner(one: Side, other: Side, what: str) -> Iterator[tuple[str, str]]:
    """The names of images of one side without a partner on the other, each with the reason."""
    keys = by_stem(other)
    for picture in one.pictures:
        if (picture.split, picture.stem) not in keys:
            yield picture.name, f"it has no {what}"
