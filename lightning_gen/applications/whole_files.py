"""People's own files of any size, such as sounds and volumes, as samples for a trained model: read in windows."""

from collections.abc import Sequence
from operator import lt
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.class_folders import classes_by_folder
from lightning_gen.applications.inputs import REMEDY, Inputs, Whole
from lightning_gen.applications.trained import Trained
from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.cache import OnError, progress, unreadable
from lightning_gen.data.listing import below_one_folder, list_files
from lightning_gen.errors import InputError
from lightning_gen.media.windows import Windows
from lightning_gen.records import Shape


def of_files(trained: Trained, paths: Sequence[Path], on_error: OnError, overlap: float) -> Inputs:
    """Samples that are windows of files, consecutive ones of each file.

    A window is named after its file and its first place, as in ``speech.wav@4096``; that of a file with one window
    after the file alone.

    Args:
        trained: A model of a medium with `Medium.files`.
        paths: Files, and folders of files.
        on_error: What happens if files cannot be read.
        overlap: The least share of a window that the next one covers too.

    Raises:
        InputError: A file is of another kind, a folder has none, or some cannot be read.
    """
    medium, shape = trained.medium, tuple(trained.module.data_shape)
    for path in paths:
        if path.is_file() and not path.name.lower().endswith(medium.files):
            raise InputError(
                f"{path} holds no {medium.noun} by its name: give files that end in {', '.join(medium.files)}"
            )
    root, names = below_one_folder(paths, lambda folder: list_files(folder, medium.files, "file", "give").names)
    found, failed = read_all(trained, root, names)
    if failed and (on_error == "raise" or not found):
        if len(names) == 1:
            raise InputError(failed[names[0]])
        raise unreadable(root, failed, len(names), "files", REMEDY)
    wholes = tuple(
        Whole(name, Windows(tuple(x.shape[1:]), shape[1:], overlap), root / name) for name, x in found.items()
    )
    cut = [whole.windows.cut(x) for whole, x in zip(wholes, found.values(), strict=True)]
    every = [name for whole in wholes for name in names_of(whole)]
    of_file, classes = classes_by_folder(list(found), trained.module.class_names)
    counts = torch.tensor([len(each) for each in cut])
    labels = None if of_file is None else of_file.repeat_interleave(counts)
    return Inputs(
        every,
        ArrayDataset(torch.cat(cut), labels),
        labels,
        classes,
        trained,
        notes(wholes, failed, len(every), medium.noun, shape),
        wholes,
    )


def read_all(trained: Trained, root: Path, names: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The stored values ``(channels, *sides)`` of files by their names, and why others cannot be read."""
    channels = trained.module.data_shape[0]
    found, failed = {}, {}
    for name in progress(names, len(names), "reading files", calm=True):
        try:
            x = trained.medium.read_file(root / name)
        except InputError as error:
            failed[name] = str(error)
            continue
        if len(x) == channels:
            found[name] = x
        else:
            failed[name] = f"{root / name} has {len(x)} channels and the model was trained on {channels}"
    return found, failed


def names_of(whole: Whole) -> list[str]:
    """The names of the windows of a file."""
    if len(whole.windows) == 1:
        return [whole.name]
    return [f"{whole.name}@{','.join(map(str, start))}" for start in whole.windows.starts]


def notes(wholes: Sequence[Whole], failed: dict[str, str], count: int, noun: str, shape: Shape) -> tuple[str, ...]:
    """What was done to files: sentences."""
    sides = " x ".join(map(str, shape[1:]))
    short = sum(any(map(lt, whole.windows.sides, shape[1:])) for whole in wholes)
    files = "file was" if len(wholes) == 1 else "files were"
    found = [f"{len(wholes):,} {files} read as {count:,} {noun} of {sides}"] if count > len(wholes) else []
    if short:
        found.append(f"shorter than {sides} and padded with their last value: {short:,} of {len(wholes):,}")
    if failed:
        found.append(f"left out as they cannot be read: {len(failed):,}, such as {next(iter(failed))}")
    return tuple(found)
