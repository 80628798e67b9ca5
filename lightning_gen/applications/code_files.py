"""Codes of samples in .npz files, from which the model gives the samples back to the bit."""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePath
from typing import BinaryIO, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from lightning_gen.applications.products import ArrayRows
from lightning_gen.applications.trained import Trained
from lightning_gen.checkpoint.samplers import weights_key
from lightning_gen.data.arrays import DAMAGES
from lightning_gen.errors import InputError
from lightning_gen.outputs import Kind, writing

CODES = Kind("file of arrays", ".npz", re.compile(rb"PK\x03\x04"))
MEMBER = "codes.npy"
"""The entry of the archive that holds the codes."""
SHOWN = 8
"""Number of characters of a key in messages."""

WriteCodes: TypeAlias = Callable[[Tensor, Tensor | None], None]
"""Writes the next codes ``(n, *latent_shape)``, with their classes ``(n,)`` or None."""


@dataclass(frozen=True, eq=False)
class StoredCodes:
    """The codes in a file.

    Attributes:
        codes: float32, ``(n, *latent_shape)``.
        names: The name of each.
        labels: Class indices ``(n,)``, or None.
    """

    codes: Tensor
    names: list[str]
    labels: Tensor | None


@contextmanager
def code_file(target: Path, names: Sequence[str], trained: Trained) -> Iterator[WriteCodes]:
    """A .npz file of codes, float32, with their names, their classes and a key of the weights.

    Args:
        target: The file; it is there when all codes are written.
        names: The names of all codes.
        trained: The model that they belong to.
    """
    classes: list[Tensor] = []
    with writing(target) as file, zipfile.ZipFile(file, "w") as archive:
        with archive.open(MEMBER, "w", force_zip64=True) as entry:
            rows = ArrayRows(cast(BinaryIO, entry), len(names))

            def write(codes: Tensor, labels: Tensor | None) -> None:
                rows.write(codes.float().cpu().numpy())
                classes.extend([] if labels is None else [labels.cpu()])

            yield write
        others = {"names": np.array(names), "weights": np.array(weights_key(trained.module))}
        if classes:
            others["labels"] = torch.cat(classes).numpy()
        for name, values in others.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(cast(BinaryIO, entry), values, allow_pickle=False)


def holds_codes(path: Path) -> bool:
    """Whether a file is an archive of numpy with codes and without samples."""
    if path.suffix != CODES.ending or not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return MEMBER in names and "x.npy" not in names


def read_codes(path: Path, trained: Trained) -> StoredCodes:
    """The codes in a file that `code_file` wrote, or in one of ``codes`` and, if it likes, ``names`` and ``labels``.

    Raises:
        InputError: The file is damaged or incomplete, was written with other weights, or its codes are none of the
            model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ("codes", "names", "labels", "weights") if name in file.files}
    except (*DAMAGES, OSError) as error:
        raise InputError(f"{path} is damaged and its codes cannot be read: write it again with --codes") from error
    codes, wanted = found["codes"], tuple(trained.module.latent_shape)
    if codes.shape[1:] == (prod(wanted),):  # flattened, channels first, as `embed` writes maps
        codes = codes.reshape(-1, *wanted)
    if codes.dtype.kind != "f" or codes.shape[1:] != wanted or not len(codes):
        raise InputError(
            f"{path} has codes of shape {codes.shape} and type {codes.dtype}, and the model reads floats of shape "
            f"(n, {', '.join(map(str, wanted))}): give the model that wrote it"
        )
    written, own = str(found.get("weights", "")), weights_key(trained.module)
    if written and written != own:
        raise InputError(
            f"{path} was written with other weights ({written[:SHOWN]}) than {trained.path} has ({own[:SHOWN]}): give "
            "the checkpoint that wrote it"
        )
    labels = torch.from_numpy(found["labels"]).long() if "labels" in found else None
    known = trained.module.num_classes
    if known is not None and (
        labels is None or not len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < known
    ):
        raise InputError(f"{path} has no labels from 0 to {known - 1}, which the model needs: write it with --codes")
    names = [str(name) for name in found.get("names", [f"{index:06d}" for index in range(len(codes))])]
    if any(PurePath(name).is_absolute() or ".." in PurePath(name).parts for name in names) or len(set(names)) < len(
        names
    ):
        raise InputError(f"{path} has names that cannot be those of files in a folder: write it with --codes")
    if len(names) != len(codes) or (labels is not None and len(labels) != len(codes)):
        raise InputError(f"{path} has {len(codes)} codes and not as many names and labels: write it with --codes")
    return StoredCodes(torch.from_numpy(codes).float(), names, None if known is None else labels)
