"""Draw from a trained model."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.modules import GenerativeModule
from lightning_gen.pictures import displayable, picture, save, to_uint8
from lightning_gen.records import Shape


def sample(
    checkpoint: str,
    n: int = 64,
    out: str = "samples.png",
    seed: int = 0,
    labels: int | list[int] | None = None,
) -> None:
    """Draw samples from a trained model; the checkpoint alone is needed.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt.
        n: Samples to draw.
        out: A file ending in .png for one picture of all, in .npy for an array; anything else is a folder of PNG files.
        seed: The same seed draws the same samples.
        labels: Class or classes to draw, for models with classes.

    Raises:
        InputError: The checkpoint cannot be read, or the model cannot draw what is asked.
    """
    target = Path(out)
    module = GenerativeModule.load_from_checkpoint(checkpoint)
    check_target(target, module.data_shape)
    generator = torch.Generator().manual_seed(seed)
    samples = module.sample(n, labels=torch.as_tensor(labels) if labels is not None else None, generator=generator)
    replaced = target.is_file() or (target.is_dir() and any(target.iterdir()))
    write(samples, target)
    print(f"{n} samples in {target}" + (" (files of the same name were replaced)" if replaced else ""))


def check_target(target: Path, shape: Shape) -> None:
    """Check that samples can be written where a user wants them.

    Raises:
        InputError: The file's ending is unknown, or points are to be written as a folder of pictures.
    """
    if target.suffix not in (".png", ".npy", ""):
        raise InputError(f"--out {target} ends in {target.suffix}: give a .png or .npy file, or a folder")
    if not target.suffix and len(shape) != 3:
        raise InputError("points are no pictures: give --out a .npy file, or a .png file for a map of them")


def write(samples: Tensor, target: Path) -> None:
    """Write samples ``(n, *shape)`` as one picture, as an array, or as a folder of pictures; see `sample`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".png":
        save(picture(samples), target)
    elif target.suffix == ".npy":
        np.save(target, (to_uint8(samples) if samples.ndim == 4 else samples).numpy())
    else:
        for index, image in enumerate(displayable(to_uint8(samples))):
            save(image, target / f"{index:06d}.png")
