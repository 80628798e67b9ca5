"""Samples beside those with the nearest codes."""

from pathlib import PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_gen.applications.embedding import Embedding
from lightning_gen.applications.inputs import Inputs
from lightning_gen.errors import InputError
from lightning_gen.media.rows import class_name, font_of, with_names
from lightning_gen.records import Batch

SHOWN = 10
"""Number of samples whose neighbours are shown."""
SMALLEST = 8
"""Font size with which it is asked whether a name can be written."""
LINE, WHITE = 8, 255
"""Width in pixels and colour of the line between samples and their neighbours."""


def check_neighbours(inputs: Inputs, count: int) -> None:
    """Check that neighbours can be shown.

    Raises:
        InputError: The samples have no pictures, or are too few.
    """
    medium = inputs.trained.medium
    if not medium.tiled:
        raise InputError(
            f"neighbours are shown as pictures and the model is of {medium.noun}: leave --neighbours out, and search "
            "--out by sklearn.neighbors.NearestNeighbors"
        )
    if count >= len(inputs):
        raise InputError(
            f"--neighbours {count} needs more than {count} samples and these are {len(inputs)}: give at most "
            f"{len(inputs) - 1}"
        )


def nearest(codes: NDArray[np.float32], rows: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """The samples with the nearest codes in Euclidean distance, nearest first, ``(rows, count)``.

    Args:
        codes: ``(n, d)``.
        rows: The places of the samples whose neighbours are searched; none is a neighbour of itself, but its copy is.
        count: Number of neighbours, below n.
    """
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(codes)
    around = found.kneighbors(codes[rows], return_distance=False)
    others = [near[near != row][:count] for near, row in zip(around, rows, strict=True)]
    return np.array(others, dtype=np.int64).reshape(len(rows), count)


def neighbour_sheet(embedding: Embedding, inputs: Inputs, count: int, shown: int = SHOWN) -> Tensor:
    """A sheet of samples, evenly spaced among all, each with its nearest neighbours at its right.

    Args:
        embedding: The codes.
        inputs: The samples that they are of.
        count: Number of neighbours.
        shown: Number of samples.

    Returns:
        uint8 ``(1 or 3, height, width)``.

    Raises:
        InputError: The samples have no pictures, or are too few.
    """
    check_neighbours(inputs, count)
    rows = np.unique(np.linspace(0, len(embedding) - 1, shown).round().astype(int))
    table = np.concatenate([rows[:, None], nearest(embedding.codes, rows, count)], axis=1)
    medium = inputs.trained.medium
    batch = Batch.of(inputs.samples.__getitems__(table.ravel().tolist()), to_model=medium.to_model)
    sheet = medium.preview(batch.x, columns=count + 1)
    cell = sheet.shape[2] // (count + 1)
    line = torch.full((sheet.shape[0], sheet.shape[1], LINE), WHITE, dtype=sheet.dtype)
    sheet = torch.cat([sheet[..., :cell], line, sheet[..., cell:]], dim=2)
    return with_names(sheet, [title(embedding, int(row)) for row in rows])


def title(embedding: Embedding, row: int) -> str:
    """The class of a sample, or else the name of its file without folder and ending; its place if no font has these."""
    if embedding.labels is not None:
        name = class_name(int(embedding.labels[row]), embedding.classes)
    else:
        name = PurePosixPath(embedding.names[row]).stem
    return name if font_of(name, SMALLEST) else str(row)
