"""The data that a checkpoint names: its files are read, but nothing is written or downloaded because of it."""

import os
from collections.abc import Iterator, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Literal, get_origin

from lightning_gen.data.cache import default_cache_dir
from lightning_gen.reflection import argument_hints, imported

CACHE, DOWNLOAD = "cache_dir", "download"
"""Arguments for where to write and whether to download; their values in a checkpoint are ignored."""

PLACES = ("data_dir", "file", "folder", "labels_path", "path", "root", "source", "target")
"""Arguments for files and folders that are read."""


def found(described: Any, path: str | os.PathLike[str]) -> Any:
    """A description of data whose files and folders are found from another folder than that of the training.

    A relative path is one from the folder in which the command runs. If nothing is there, it is looked for in the
    folders above the checkpoint, one of which is the folder in which the training ran, unless the run was moved.

    Args:
        described: The data in a checkpoint: constructor arguments and ``_class_path``.
        path: The checkpoint, or the configuration of its run.
    """
    if isinstance(described, list):
        return [found(item, path) for item in described]
    if not isinstance(described, Mapping):
        return described
    return {
        key: place(value, path) if key in PLACES and isinstance(value, str) else found(value, path)
        for key, value in described.items()
    }


def place(given: str, path: str | os.PathLike[str]) -> str:
    """A path of data, from the folder above the checkpoint in which it exists if it does not exist here."""
    if os.path.isabs(given) or given.startswith("~") or not given or os.path.exists(given):
        return given
    above = (folder / given for folder in Path(path).absolute().parents[:-1])  # all but the root
    return next((os.fspath(each) for each in above if each.exists()), given)


def harmless(described: Any) -> Any:
    """A description of data without its cache folder and without downloads."""
    if isinstance(described, list):
        return [harmless(item) for item in described]
    if not isinstance(described, Mapping):
        return described
    kept = {key: harmless(value) for key, value in described.items() if key != CACHE}
    return kept | ({DOWNLOAD: False} if DOWNLOAD in kept else {})


def origin(described: Mapping[str, Any], path: str) -> str | None:
    """A line that tells where the data of a checkpoint are read, and where their cache is written.

    Args:
        described: The data in the checkpoint: constructor arguments and ``_class_path``.
        path: The checkpoint.

    Returns:
        The line; None for data without files.
    """
    arguments = {key: value for key, value in described.items() if not key.startswith("_")}
    kind = imported(described["_class_path"])
    hints = {} if kind is None else argument_hints(kind)
    usual = {} if kind is None else {name: each.default for name, each in signature(kind).parameters.items()}
    free = {
        key: value
        for key, value in harmless(arguments).items()
        if get_origin(hints.get(key)) is not Literal and (key in PLACES or value != usual.get(key))
    }
    places = [f"{name} {text!r}" for name, text in texts(free)]
    if not places:
        return None
    line = f"{path} names the data: {described['_class_path'].rpartition('.')[2]} of {', '.join(places)}"
    if CACHE in hints:
        line += f"; decoded files are stored in {default_cache_dir()}"
        own = arguments.get(CACHE)
        line += f" (--data.{CACHE} for another folder, such as {own!r})" if own else ""
    if any(value is True for value in values(arguments, DOWNLOAD)):
        line += f"; nothing is downloaded for it, unless you name the data with --data or set --data.{DOWNLOAD} true"
    return line


def texts(described: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The strings in a description, except names of classes, each with its argument."""
    if isinstance(described, str):
        yield name, described
    if isinstance(described, list):
        for item in described:
            yield from texts(item, name)
    if isinstance(described, Mapping):
        for key, value in described.items():
            if key != "class_path":
                yield from texts(value, name if key in ("init_args", "dict_kwargs") else key)


def values(described: Any, name: str) -> Iterator[Any]:
    """The values of an argument anywhere in a description."""
    if isinstance(described, Mapping):
        if name in described:
            yield described[name]
        for value in described.values():
            yield from values(value, name)
