"""Checks of a run's folder before anything is built or written, so that no run overwrites another."""

import os
import shlex
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from lightning_gen.callbacks.run import CONFIG
from lightning_gen.cli import recipes
from lightning_gen.errors import InputError
from lightning_gen.files import LOCK, require_free
from lightning_gen.system import explaining

FOLDERS = ("checkpoints", "samples")
"""The folders in that of a run."""
FILES = (CONFIG, LOCK, "checkpoints/last.ckpt", "checkpoints/best.ckpt")
"""The files that a run writes and replaces."""


def check_folder(runs_dir: str, name: str, ckpt_path: str | None, resumes: bool, model: str) -> None:
    """Refuse to overwrite a run that is not being resumed, or one that another process trains.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name.
        ckpt_path: The checkpoint to start from.
        resumes: Whether ``--ckpt_path last`` was given; a run that stopped before its first state starts anew.
        model: Import path of the class that is trained.

    Raises:
        InputError: The folder holds a run, or another process trains there.
    """
    folder = Path(runs_dir, name)
    check_place(folder)
    for inside in FOLDERS:
        check_place(folder / inside)
    for file in (folder / inside for inside in FILES):
        if file.exists() and not file.is_file():
            raise InputError(f"{file} is no file, and the run writes one there: remove it, or give another --name")
    require_free(folder)
    config, states = folder / CONFIG, checkpoints_in(folder)
    if ckpt_path is not None and folder.resolve() in Path(ckpt_path).resolve().parents:
        return
    if resumes and config.is_file() and not states:
        check_same_model(config, model, another_name(runs_dir, name))
    elif config.exists() or states:
        raise InputError(
            f"{folder} already holds a run: resume it by adding --ckpt_path {last_or(states)}, or give the new run "
            f"another name with {another_name(runs_dir, name)}"
        )


def another_name(runs_dir: str, name: str) -> str:
    """The option that gives a run a name like its own that no run has, quoted for the shell."""
    free = next(other for number in count(2) if not Path(runs_dir, other := f"{name}-{number}").exists())
    return f"--name {shlex.quote(free)}"


def check_place(folder: Path) -> None:
    """Check that a folder exists or can be created.

    Raises:
        InputError: It or a folder above it is a file, or may not be written to.
    """
    remedy = "give another --runs_dir or --name"
    with explaining(remedy):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists() or path.is_symlink())
        if not there.is_dir():
            kind = "a file" if there.exists() else "a link that leads nowhere"
            raise InputError(f"{there} is {kind}, not a folder for runs: {remedy}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"the folder {there} may not be written to: {remedy}")


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run, by name."""
    return sorted((folder / "checkpoints").glob("*.ckpt"))


def last_or(states: Sequence[Path]) -> str:
    """The ``--ckpt_path`` that resumes a run: ``last``, or the quoted path of another state if that one is missing."""
    return "last" if not states or any(state.name == "last.ckpt" for state in states) else shlex.quote(str(states[-1]))


def check_same_model(config: Path, model: str, other: str) -> None:
    """Check that a run that starts anew trains the class of module that the configuration in its folder names.

    Args:
        config: The configuration.
        model: Import path of the class.
        other: The option that gives the run another name.

    Raises:
        InputError: It trains another class.
    """
    ours = model.rsplit(".")[-1]
    theirs = str((recipes.load(config).get("model") or {}).get("class_path", ours)).rsplit(".")[-1]
    if ours != theirs:
        raise InputError(
            f"{config.parent} is a run of {theirs} and this is {ours}: leave out --config to resume that run as it "
            f"is, or give the new run another name with {other}"
        )


def runs_in(runs_dir: Path) -> list[str]:
    """The names of the runs in a folder."""
    return sorted(path.parent.name for path in runs_dir.glob(f"*/{CONFIG}"))
