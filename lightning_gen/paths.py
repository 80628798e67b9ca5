"""Paths as users write them: with ``~`` for the home folder, and on this machine."""

import os
from pathlib import Path

from lightning_gen.errors import InputError


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with the home folder in the place of ``~``.

    Raises:
        InputError: There is no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} is below a home folder and there is none: set HOME, or give a path of its own"
        ) from error


def written(path: str) -> Path:
    """The place of a file or folder that a user asks for, with the home folder in the place of ``~``.

    Raises:
        InputError: It is an address, or there is no home folder.
    """
    if "://" in path:
        raise InputError(f"{path} is an address: give a path on this machine")
    return expanded(path)


def local(path: str) -> str:
    """A path on this machine, with the home folder in the place of ``~``: a type of options.

    Raises:
        InputError: It would be taken for an address, by Lightning or by TensorBoard.
    """
    found = os.fspath(expanded(path))
    if path.startswith("http") or "://" in path or "::" in path:
        raise InputError(f"{path} would be taken for an address: give a path on this machine that begins otherwise")
    return found


def run_name(name: str) -> str:
    """The name of a run, which may have folders in it, such as ``vae/first``: a type of options.

    Raises:
        InputError: It is empty or leads out of the folder of all runs.
    """
    if not name.strip():
        raise InputError("--name must not be empty: give the run's folder a name")
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        raise InputError(f"--name {name} leads out of the folder of all runs: choose that with --runs_dir")
    if "::" in name or max(len(os.fsencode(part)) for part in parts) > 255:
        raise InputError(f"--name {name[:40]} cannot be the name of a folder: give a shorter one, without '::'")
    return name
