"""Entries that are added to a checkpoint file after its run wrote it, such as fitted samplers and tables."""

import os
from pathlib import Path
from typing import Any

import torch

from lightning_gen.checkpoint.files import read
from lightning_gen.errors import InputError
from lightning_gen.files import replacing


class NotAdded(InputError):
    """The entries are not in the file; the file is as it was.

    Attributes:
        overtaken: Whether the run has written the file meanwhile.
    """

    def __init__(self, message: str, overtaken: bool) -> None:
        super().__init__(message)
        self.overtaken = overtaken


def add(entries: dict[str, Any], stored: dict[str, Any], path: str, only_new: bool = False) -> None:
    """Add entries to those of a module's progress in a checkpoint file, unless its run has written the file meanwhile.

    Args:
        entries: Plain data and tensors by name, as in `GenerativeModule.progress`.
        stored: The content of the checkpoint that they were fitted to.
        path: The file; a link stays a link.
        only_new: Whether an entry of the same name that another process added meanwhile stays, as an error.

    Raises:
        NotAdded: They were not added.
    """
    target = Path(path).resolve()
    meanwhile = NotAdded(f"{path} was rewritten by its run meanwhile", overtaken=True)
    try:
        before = identity(target)
        latest = read(path)
        if not same_state(latest, stored):
            raise meanwhile
        before_them, now = (each.get("lightning_gen", {}) for each in (stored, latest))
        if only_new and any(name in now and name not in before_them for name in entries):
            raise NotAdded(f"{path} got {', '.join(entries)} of another process meanwhile", overtaken=True)
        latest["lightning_gen"] = {**now, **entries}
        with replacing(target) as file:
            torch.save(latest, file)
            file.flush()
            os.fsync(file.fileno())
            if identity(target) != before:  # checked last: its run may have written it meanwhile
                raise meanwhile
    except NotAdded:
        raise
    except (InputError, OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as a RuntimeError
        raise NotAdded(str(error), overtaken=False) from error


def identity(path: Path) -> tuple[int, ...]:
    """Numbers of a file of which one changes when it is replaced or written to."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two checkpoints have the same weights and the same count of images."""
    counts = [each.get("lightning_gen", {}).get("images_seen") for each in (one, other)]
    first, second = one["state_dict"], other["state_dict"]
    same = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return same and counts[0] == counts[1]
