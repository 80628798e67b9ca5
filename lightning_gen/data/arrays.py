"""Arrays in files of numpy and torch, read without running code in them."""

import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_gen import system
from lightning_gen.contents import NUMPY, ZIP, content_of, start_of
from lightning_gen.errors import InputError
from lightning_gen.memory import require_room

NAMES = ("x", "labels")
"""The arrays of a file that are read."""
LISTED = 8
"""Number of other names that a message lists."""
SAVE = "save arrays alone, with numpy.save(path, x) or torch.save({'x': x, 'labels': labels}, path)"
CODE = "holds Python objects, which are refused because they could run code"
DAMAGES = (
    *(ValueError, TypeError, EOFError, RuntimeError, OverflowError, RecursionError, MemoryError, SyntaxError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""Errors of numpy and torch about files that are truncated or damaged."""


class Unfit(Exception):
    """A file holds no arrays that can be read; the text says what is wrong with it."""


def read_arrays(path: Path, option: str = "path") -> dict[str, np.ndarray]:
    """Open a ``.npy``, ``.npz`` or ``.pt`` file without running code in it.

    Args:
        path: The file.
        option: The argument that names it, for messages.

    Returns:
        The arrays by name: ``x``, and ``labels`` if the file has them; memory-mapped if the format allows it.

    Raises:
        InputError: The file is missing, cannot be read, is damaged, is something else, holds Python objects, lacks
            ``x``, or does not fit into memory.
    """
    readers = {".npy": _read_npy, ".npz": _read_npz, ".pt": _read_pt}
    if not path.exists():
        raise InputError(f"there is no file {path}: set --data.{option} to a .npy, .npz or .pt file that exists")
    if path.suffix not in readers:
        raise InputError(
            f"{path} is of an unknown kind: save it with numpy.save, numpy.savez or torch.save (.npy, .npz, .pt)"
        )
    try:
        return readers[path.suffix](path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(system.explanation(error) or f"{path} is damaged ({error}): {SAVE}") from error
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} {CODE}: {SAVE}") from error
    except (*DAMAGES, Unfit) as error:
        problem = str(error) if isinstance(error, Unfit) else f"is truncated or damaged ({path.stat().st_size:,} bytes)"
        raise InputError(f"{path} {problem}: {SAVE}") from error


def _check_start(path: Path, expected: bytes) -> None:
    """Check that a file begins as its kind does.

    Raises:
        Unfit: It holds something else.
    """
    if not start_of(path).startswith(expected):
        raise Unfit(f"holds {content_of(path)}, not what its ending {path.suffix} says")


def _check_names(path: Path, names: list[str]) -> None:
    """Check that a file of several arrays has samples.

    Raises:
        InputError: It has none.
    """
    if "x" not in names:
        listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
        raise InputError(f"{path} holds {listed or 'nothing'}: name the samples x, and class indices labels")


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    _check_start(path, NUMPY)
    try:
        return {"x": np.lib.format.open_memmap(path, mode="r")}
    except ValueError as error:
        raise Unfit(CODE) if "Python objects" in str(error) else error from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    _check_start(path, ZIP)
    with zipfile.ZipFile(path) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
    _check_names(path, [name.removesuffix(".npy") for name in sizes])
    total = sum(sizes.get(f"{name}.npy", 0) for name in NAMES)
    require_room(
        total, f"{path}, unpacked,", "save the samples with numpy.save, to be read from the disk batch by batch"
    )
    with np.load(path, allow_pickle=False) as file:
        try:
            arrays = {name: file[name] for name in NAMES if name in file.files}
        except ValueError as error:
            raise Unfit(CODE) if "allow_pickle" in str(error) else error from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise Unfit("holds other files than arrays of numpy")
    return arrays


def _read_pt(path: Path) -> dict[str, np.ndarray]:
    _check_start(path, ZIP)
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if isinstance(content, Tensor):
        return {"x": _as_numpy(content, path)}
    if not isinstance(content, Mapping):
        raise Unfit(f"holds a {type(content).__name__}, neither a tensor nor a dict of tensors")
    _check_names(path, [str(name) for name in content])
    return {name: _as_numpy(content[name], path) for name in NAMES if name in content}


def _as_numpy(tensor: object, path: Path) -> np.ndarray:
    if not isinstance(tensor, Tensor):
        raise Unfit(f"holds something of the class {type(tensor).__name__} where a tensor belongs")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise Unfit("holds a sparse or quantized tensor, not a dense one")
    if tensor.nbytes > path.stat().st_size:
        raise Unfit("holds a tensor that repeats its values, not a contiguous one")
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
