"""The files of a kind in a folder and its sub-folders."""

import difflib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lightning_gen.errors import InputError
from lightning_gen.terminal import printable

KINDS = 8
"""The number of extensions of other files that are listed."""


class Listing(NamedTuple):
    """The files in a folder and its sub-folders.

    Attributes:
        names: Paths of the files that were looked for, relative to the folder, sorted, with ``/``.
        others: Paths of the other files, likewise.
    """

    names: list[str]
    others: list[str]

    @property
    def counts(self) -> str:
        """The number of other files by extension, the most frequent first: ``"12 .heic, 1 without extension"``."""
        kinds = Counter(Path(name).suffix.lower() or "without extension" for name in self.others).most_common()
        shown = [f"{count:,} {printable(kind)}" for kind, count in kinds[:KINDS]]
        rest = sum(count for _, count in kinds[KINDS:])
        return ", ".join([*shown, f"{rest:,} of {len(kinds) - KINDS} more extensions"] if rest else shown)


def list_files(folder: Path, endings: tuple[str, ...], noun: str, name_it: str = "set --data.folder to") -> Listing:
    """List the files of a kind in a folder and its sub-folders, by their endings in lower or upper case.

    Links are followed; a folder or a file that several links point to is listed once, by its own name if that is in the
    folder. Hidden files are ignored.

    Args:
        folder: The folder.
        endings: The endings of the files, in lower case.
        noun: What such a file is, in the singular: "image".
        name_it: How another folder is named, for messages: "set --data.folder to".

    Raises:
        InputError: The folder is missing, cannot be read, or has no such file.
    """
    if not folder.is_dir():
        raise _no_folder(folder, noun, name_it)
    files = sorted(_visible_files(folder))
    found = [name for name in files if name.lower().endswith(endings)]
    listing = Listing(list(_once(folder, found)), sorted(set(files) - set(found)))
    if not found:
        others = f"only {len(files)} other files such as {files[0]}" if files else "no file at all"
        raise InputError(
            f"there is no {noun} in {folder}, {others}: {name_it} a folder with files that end in {', '.join(endings)}"
        )
    return listing


def below_one_folder(paths: Sequence[Path], names_in: Callable[[Path], list[str]]) -> tuple[Path, list[str]]:
    """The folder that all given files are in, and their paths relative to it, each once.

    Args:
        paths: Files, and folders in whose place are the files in them.
        names_in: Lists the files in a folder, relative to it, and raises `InputError` where there are none.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], names_in(paths[0])
    files = [file for path in paths for file in ([path / name for name in names_in(path)] if path.is_dir() else [path])]
    absolute = [Path(os.path.abspath(file)) for file in files]
    root = Path(os.path.commonpath([file.parent for file in absolute]))
    return root, list(dict.fromkeys(file.relative_to(root).as_posix() for file in absolute))


def _visible_files(folder: Path) -> Iterator[str]:
    seen = {folder.resolve()}  # links may form cycles
    for directory, subfolders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        here = Path(directory)
        places = {name: (here / name).resolve() for name in sorted(subfolders) if not name.startswith(".")}
        subfolders[:] = [name for name, place in places.items() if place not in seen]
        seen.update(places.values())
        yield from ((here / name).relative_to(folder).as_posix() for name in files if not name.startswith("."))


def _once(folder: Path, names: list[str]) -> Iterator[str]:
    """Leave out links to files that are in the list by their own names or by an earlier link."""
    links = {name: os.path.realpath(folder / name) for name in names if os.path.islink(folder / name)}
    if not links:
        yield from names
        return
    real = cache(os.path.realpath)  # of folders, of which there are fewer than files
    seen = {os.path.join(real((folder / name).parent), name.rpartition("/")[2]) for name in names if name not in links}
    for name in names:
        place = links.get(name)
        if place not in seen:
            yield name
        if place is not None:
            seen.add(place)


def _unreadable(error: OSError) -> None:
    raise InputError(f"the folder {error.filename} cannot be read ({error.strerror}): allow it, or remove it")


def _no_folder(folder: Path, noun: str, name_it: str) -> InputError:
    if folder.exists():
        return InputError(f"{folder} is a file: {name_it} the folder that your {noun}s are in")
    parent = folder.absolute().parent
    beside = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f" (did you mean {folder.parent / near[0]}?)" if near else ""
    return InputError(f"there is no folder {folder}{hint}: {name_it} the folder that your {noun}s are in")
