"""Draw from a trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError
from lightning_gen.modules import Autoencoder, GANModule, GenerativeModule
from lightning_gen.pictures import ROWS, displayable, picture, rows_of, save, to_uint8
from lightning_gen.recipes import suggest
from lightning_gen.records import Shape
from lightning_gen.samplers import SAMPLERS, LatentSampler
from lightning_gen.verbs.evaluate import check_shape, stored_data


def sample(
    checkpoint: str,
    n: int = 64,
    out: str = "samples.png",
    seed: int = 0,
    labels: int | list[int] | None = None,
    truncation: float | None = None,
    standing_batches: int = 0,
    sampler: str | None = None,
) -> None:
    """Draw samples from a trained model; the checkpoint alone is needed.

    A sampler that is asked for the first time is fitted to the codes of the training data, and kept in the checkpoint.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt.
        n: Samples to draw.
        out: A file ending in .png for one picture of all, in .npy for an array; anything else is a folder of PNG files.
        seed: The same seed draws the same samples.
        labels: Class or classes to draw, such as 3 or '[0, 1]', for models with classes; at random if left out. A
            picture has one row a class, the first ten if left out.
        truncation: Largest absolute value of a latent's coordinate, for GANs: below 2, better samples of less variety.
        standing_batches: Batches over which BatchNorm's statistics are measured anew before drawing, for GANs.
        sampler: What an autoencoder's codes are drawn from: prior, gmm or flow; its prior if left out. The last two are
            densities fitted to its codes, so that models without a prior can draw too.

    Raises:
        InputError: The checkpoint cannot be read, or the model cannot draw what is asked.
    """
    target = Path(out)
    stored = checkpoints.read(checkpoint)
    module = checkpoints.restore(GenerativeModule, stored, checkpoint)  # type: ignore[type-abstract]
    check_target(target, module.data_shape)
    asked = [labels] if isinstance(labels, int) else labels
    check_draw(module, n, asked, truncation, standing_batches)
    check_sampler(module, sampler)
    wanted, columns = None if asked is None else torch.tensor(asked), None
    if target.suffix == ".png" and len(module.data_shape) == 3 and module.num_classes is not None:
        wanted, columns = rows_of(asked or range(min(module.num_classes, ROWS)), n)
    options: dict[str, Any] = {} if truncation is None else {"truncation": truncation}
    kind = SAMPLERS[sampler or "prior"]
    if kind is not None and isinstance(module, Autoencoder):
        options["sampler"] = module.fitted_sampler(kind) or fit(module, kind, stored, checkpoint)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(module, GANModule):
        module.standing_statistics(standing_batches, generator=torch.Generator().manual_seed(seed))
    samples = module.sample(n, labels=wanted, generator=generator, **options)
    replaced = target.is_file() or (target.is_dir() and any(target.iterdir()))
    write(samples, target, None if wanted is None or len(set(wanted.tolist())) == 1 else columns)
    print(f"{n} samples in {target}" + (" (files of the same name were replaced)" if replaced else ""))


def check_draw(
    module: GenerativeModule, n: int, labels: list[int] | None, truncation: float | None, standing_batches: int
) -> None:
    """Check what can be checked before anything is drawn.

    Raises:
        InputError: A count is out of range, there is no class to draw, or an option is not for this kind of model.
    """
    if n < 1:
        raise InputError(f"the number of samples must be at least 1, not {n}")
    if standing_batches < 0:
        raise InputError(f"--standing_batches must be 0 or more, not {standing_batches}")
    if labels == []:
        raise InputError("--labels is empty: give a class or several, such as '[0, 1]', or leave it out")
    if not isinstance(module, GANModule) and (truncation is not None or standing_batches):
        raise InputError("--truncation and --standing_batches are for GANs: leave them out")


def check_sampler(module: GenerativeModule, name: str | None) -> None:
    """Check that there is such a sampler and that the model has codes to draw.

    Raises:
        InputError: There is not, or it has none.
    """
    if name is not None and name not in SAMPLERS:
        choices = ", ".join(SAMPLERS)
        raise InputError(f"there is no sampler '{name}'{suggest(name, SAMPLERS)}: the samplers are {choices}")
    if name is not None and not isinstance(module, Autoencoder):
        raise InputError("--sampler is for autoencoders, a GAN draws its latents from its own prior: leave it out")


def fit(module: Autoencoder, kind: type[LatentSampler], stored: dict[str, Any], path: str) -> LatentSampler:
    """Fit a sampler to the codes of the data that a checkpoint names, and write the checkpoint anew with it.

    Args:
        module: The model of the checkpoint.
        kind: The sampler.
        stored: The content of the checkpoint.
        path: The file.

    Raises:
        InputError: The data are not named, are gone or are of another shape, or the sampler does not fit the codes.
    """
    data = stored_data(stored, path)
    check_shape(module, data)
    print(f"fitting {kind.__name__} to the codes of the training split of {type(data).__name__}", flush=True)
    sampler = module.fit_sampler(kind(), data)
    if checkpoints.read(path).get("lightning_gen", {}).get("images_seen") != module.images_seen:
        print(f"{path} was written anew by its run meanwhile: the sampler is not kept there", flush=True)
        return sampler
    stored["lightning_gen"] = {**stored.get("lightning_gen", {}), "samplers": module.progress()["samplers"]}
    try:
        checkpoints.WholeCheckpointIO().save_checkpoint(stored, path)
        print(f"it is kept in {path}, so the next call needs no data", flush=True)
    except InputError as error:
        print(f"it will be fitted again at the next call: {error}", flush=True)
    return sampler


def check_target(target: Path, shape: Shape) -> None:
    """Check that samples can be written where a user wants them.

    Raises:
        InputError: The file's ending is unknown, or points are to be written as a folder of pictures.
    """
    if target.suffix not in (".png", ".npy", ""):
        raise InputError(f"--out {target} ends in {target.suffix}: give a .png or .npy file, or a folder")
    if not target.suffix and len(shape) != 3:
        raise InputError("points are no pictures: give --out a .npy file, or a .png file for a map of them")


def write(samples: Tensor, target: Path, columns: int | None = None) -> None:
    """Write samples ``(n, *shape)`` as one picture, as an array, or as a folder of pictures; see `sample`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".png":
        save(picture(samples, columns), target)
    elif target.suffix == ".npy":
        np.save(target, (to_uint8(samples) if samples.ndim == 4 else samples).numpy())
    else:
        for index, image in enumerate(displayable(to_uint8(samples))):
            save(image, target / f"{index:06d}.png")
