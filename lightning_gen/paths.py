"""Paths as users write them, with ``~`` for the home folder, and checks that they are on this machine."""

import os
from pathlib import Path

from lightning_gen.errors import InputError


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ``~`` replaced by the home folder.

    Raises:
        InputError: It is empty, there is no home folder, or no path can have these characters.
    """
    if not os.fspath(path):
        raise InputError("a path is empty: give one, or leave out the option that it belongs to")
    if "\0" in os.fspath(path):
        raise InputError(f"{path} holds a character that no path can have: give another path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path} is in a home folder and there is none: set HOME, or give a path without ~") from error


def written(path: str) -> Path:
    """The path of a file or folder to write, with ``~`` replaced by the home folder.

    Raises:
        InputError: It is a URL, or there is no home folder.
    """
    if "://" in path:
        raise InputError(f"{path} is a URL: give a path on this machine")
    return expanded(path)


def local(path: str) -> str:
    """A path on this machine, with ``~`` replaced by the home folder; the type of options.

    Raises:
        InputError: Lightning or TensorBoard would read it as a URL.
    """
    found = os.fspath(expanded(path))
    if path.startswith("http") or "://" in path or "::" in path:
        raise InputError(f"{path} would be read as a URL: give a path on this machine that begins otherwise")
    return unicode(found, path)


def run_name(name: str) -> str:
    """The name of a run, which may contain folders, such as ``vae/first``; the type of an option.

    Raises:
        InputError: It is empty, or outside of the folder of all runs.
    """
    if not name.strip():
        raise InputError("--name must not be empty: give the run's folder a name")
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        raise InputError(f"--name {name} leads out of the folder of all runs: choose that with --runs_dir")
    if "::" in name or max(len(os.fsencode(part)) for part in parts) > 255:
        raise InputError(f"--name {name[:40]} cannot be the name of a folder: give a shorter one, without '::'")
    if "\0" in name:
        raise InputError(f"--name {name} holds a character that no folder can have: give another name")
    return unicode(name, f"--name {name}")


def unicode(path: str, called: str) -> str:
    """A path that is text in Unicode, as YAML and TensorBoard need it.

    Args:
        path: The path; Python writes bytes in it that are no text as characters that cannot be encoded.
        called: What it is called in messages.

    Raises:
        InputError: It is not.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{called} is not written in Unicode: give a name or a folder that is") from error
    return path
