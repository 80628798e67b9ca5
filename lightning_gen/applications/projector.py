"""Codes in TensorBoard's projector, which shows them in three dimensions with their pictures."""

import os
import shutil
import tempfile
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch

from lightning_gen.applications.embedding import Embedding
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.thumbnails import has_thumbnails, thumbnails
from lightning_gen.errors import InputError
from lightning_gen.media.rows import class_name
from lightning_gen.outputs import check_product
from lightning_gen.system import may_be_full
from lightning_gen.terminal import printable

SHEET = 4096
"""Maximum side in pixels of the sheet of all thumbnails: browsers show up to 8,192, and torch makes it in float64."""
LARGEST, SMALLEST = 64, 8
"""The range of the side of a thumbnail in pixels."""
CONFIG = "projector_config.pbtxt"
"""The file by which TensorBoard finds the codes."""


def side_of(count: int, shape: tuple[int, ...]) -> int:
    """Side of the thumbnails of so many samples of a shape, which fit on a square sheet, in pixels.

    Raises:
        InputError: They are too many.
    """
    rows = ceil(sqrt(count))
    if SHEET // rows < SMALLEST:
        raise InputError(
            f"the projector shows at most {(SHEET // SMALLEST) ** 2:,} samples and these are {count:,}: give fewer, or "
            "leave --projector out"
        )
    return min(LARGEST, max(shape[-2:]), SHEET // rows)


def check_projector(target: Path, overwrite: bool) -> None:
    """Check the folder for the projector.

    Raises:
        InputError: It holds files and may not be changed, holds something else than codes for the projector, or it
            cannot be written.
    """
    check_product(target, None, overwrite)
    if target.is_dir() and any(target.iterdir()) and not (target / CONFIG).exists():
        raise InputError(f"{target} holds other files than codes for the projector: give another --projector")


def write_projector(embedding: Embedding, inputs: Inputs, target: Path) -> None:
    """Write codes, names, classes and thumbnails to a folder that ``tensorboard --logdir FOLDER`` shows.

    Args:
        embedding: The codes.
        inputs: The samples that they are of.
        target: The folder; codes for the projector that it holds are replaced.

    Raises:
        InputError: The samples are too many, or the folder cannot be written.
    """
    sheet = None
    if has_thumbnails(inputs):
        side = side_of(len(embedding), inputs.trained.module.data_shape)
        sheet = thumbnails(inputs, range(len(embedding)), side).float() / 255
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}", dir=target.parent) as made:
            write_events(embedding, sheet, made)
            target.mkdir(exist_ok=True)
            for part in sorted(Path(made).iterdir()):
                replace(part, target / part.name)
    except OSError as error:
        room = "free some disk space or " if may_be_full(error) else ""
        raise InputError(
            f"{target} could not be written ({error.strerror or error}): {room}give another --projector"
        ) from error


def write_events(embedding: Embedding, sheet: torch.Tensor | None, folder: str) -> None:
    """Write the files of the projector by torch."""
    from torch.utils.tensorboard import SummaryWriter

    names = [cell(name) for name in embedding.names]
    metadata: list[Any] = names  # a table of one column has no header: TensorBoard would count it as a sample
    if embedding.labels is not None:
        classes = [cell(class_name(label, embedding.classes)) for label in embedding.labels.tolist()]
        metadata = [list(row) for row in zip(names, classes, strict=True)]
    header = None if embedding.labels is None else ["name", "class"]
    with SummaryWriter(folder) as writer:
        writer.add_embedding(
            torch.from_numpy(embedding.codes), metadata=metadata, metadata_header=header, label_img=sheet, tag="codes"
        )


def cell(text: str) -> str:
    """A text as a cell of a table whose columns are separated by tabs."""
    return printable(text).replace("\n", "\\n")


def replace(part: Path, target: Path) -> None:
    """Move a file or folder into the place of another one."""
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(part, target)
