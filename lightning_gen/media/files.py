"""PNG images and arrays in files, written atomically and read without running code in them."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from lightning_gen.errors import InputError
from lightning_gen.outputs import writing


def save(image: Tensor, path: Path, lasting: bool = True) -> Path:
    """Write an image, uint8 ``(1, 3 or 4, height, width)``, as PNG; folders are made.

    Args:
        image: The image.
        path: The file.
        lasting: False for one of many files; see `lightning_gen.files.replacing`.

    Raises:
        InputError: It cannot be written.
    """
    with writing(path, lasting) as file:
        to_pil_image(image).save(file, "PNG")
    return path


def load(path: Path) -> Tensor:
    """Read a PNG image, uint8 ``(channels, height, width)`` with 1 (grey), 3 (RGB) or 4 (RGBA) channels.

    Raises:
        InputError: The file is missing, or it is not a PNG image.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return pil_to_tensor(image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"the image {path} cannot be read ({error}): give a PNG file") from error


def save_array(x: Tensor, path: Path) -> None:
    """Write a tensor on the CPU as a .npy file.

    Raises:
        InputError: It cannot be written.
    """
    with writing(path) as file:
        np.save(file, x.numpy())


def read_array(path: Path) -> Tensor:
    """Read a .npy file; Python objects are refused, because they could run code.

    Raises:
        InputError: The file is missing, or it does not contain numbers.
    """
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"the array {path} cannot be read ({error}): give a file written with numpy.save") from error
