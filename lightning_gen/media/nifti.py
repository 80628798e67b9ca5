"""Volumes in NIfTI files, read and written with nibabel, which the extra ``volumes`` installs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.outputs import writing


@dataclass(frozen=True)
class Grid:
    """Values on a grid in space.

    Attributes:
        values: ``(*sides)`` or ``(channels, *sides)``.
        spacing: Distances of neighbouring places along the three axes.
    """

    values: Tensor
    spacing: tuple[float, ...]


def nibabel() -> Any:
    """The package.

    Raises:
        InputError: It is not installed.
    """
    try:
        import nibabel as package
    except ImportError as error:
        raise InputError(
            'NIfTI files need nibabel, which is not installed: pip install "lightning_gen[volumes]", or give .npy files'
        ) from error
    return package


def read_nifti(path: Path) -> Grid:
    """Read the values of a NIfTI file, scaled as its header says, float32, in the order of its axes.

    A fourth axis of one volume is left out.

    Raises:
        InputError: nibabel is not installed, or the file is missing, damaged or of several volumes.
    """
    package = nibabel()
    try:
        image = package.load(path)
        sides = image.shape[:3] if set(image.shape[3:]) <= {1} else image.shape
        values = np.asarray(image.dataobj, dtype=np.float32) if len(sides) == 3 else None
        spacing = tuple(float(each) for each in image.header.get_zooms()[:3])
    except Exception as error:  # nibabel raises any error on damaged files, from EOFError to zlib's
        raise InputError(f"{path} cannot be read as NIfTI ({error}): give an intact .nii or .nii.gz file") from error
    if values is None or 0 in sides:
        shape = " x ".join(map(str, image.shape))
        raise InputError(
            f"{path} has the sides {shape} and a volume has three: cut a series of volumes into files of one each"
        )
    return Grid(torch.from_numpy(values.reshape(sides)), spacing)


def affine_of(path: Path) -> np.ndarray:
    """The map ``(4, 4)`` of places in the array of a NIfTI file to millimetres in space.

    Raises:
        InputError: nibabel is not installed, or the file is missing or damaged.
    """
    package = nibabel()
    try:
        return np.asarray(package.load(path).affine)
    except Exception as error:  # as in `read_nifti`
        raise InputError(f"{path} cannot be read as NIfTI ({error}): give an intact .nii or .nii.gz file") from error


def write_nifti(grid: Grid, path: Path, affine: np.ndarray | None = None) -> None:
    """Write values ``(1, *sides)`` as float32; the file is compressed if its name ends in ``.gz``.

    Args:
        grid: The values and their spacing.
        path: The file.
        affine: The map of places in the array to millimetres in space, see `affine_of`; None for one that the spacing
            implies: from the origin to the right, to the front and up.

    Raises:
        InputError: nibabel is not installed, or the file cannot be written.
    """
    package = nibabel()
    place = np.diag([*grid.spacing, 1.0]) if affine is None else affine
    image = package.Nifti1Image(grid.values[0].numpy().astype(np.float32), place)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    with writing(path) as file:
        file.write(compressed(content) if path.suffix == ".gz" else content)


def compressed(content: bytes) -> bytes:
    """Bytes as a gzip file that is the same whenever it is written."""
    import gzip

    return gzip.compress(content, mtime=0)
