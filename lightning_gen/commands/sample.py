"""Draw from a trained model."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lightning_gen.commands.samplers import chosen_sampler
from lightning_gen.commands.trained import Trained
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.media.rows import ROWS, rows_of
from lightning_gen.outputs import PNG, check_place
from lightning_gen.paths import written
from lightning_gen.records import Shape
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule

COPIES = 3
"""How often samples are in memory at once at most, on their way from the decoder to a file."""


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
    target = written(out)
    trained = Trained.open(checkpoint)
    module, medium = trained.module, trained.medium
    replaced = check_target(target, medium, n, trained.described_data)
    asked = [labels] if isinstance(labels, int) else labels
    check_draw(module, n, asked, truncation, standing_batches)
    check_memory(module.data_shape, medium, n, target)
    wanted, columns = None if asked is None else torch.tensor(asked), None
    if target.suffix == PNG.ending and medium.tiled and module.num_classes is not None:
        wanted, columns = rows_of(asked or range(min(module.num_classes, ROWS)), n)
    given = {"truncation": truncation, "sampler": chosen_sampler(trained, sampler)}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    generator = torch.Generator().manual_seed(seed)
    if standing_batches:
        module.recalibrate(standing_batches, generator=torch.Generator().manual_seed(seed))
    samples = module.sample(n, labels=wanted, generator=generator, **options)
    medium.write(samples, target, None if wanted is None or len(set(wanted.tolist())) == 1 else columns)
    say(f"{n} samples in {target}" + (" (files of the same name were replaced)" if replaced else ""))


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
    truncates, recalibrates = "truncation" in module.sample_options, module.recalibrates
    if (truncation is not None and not truncates) or (standing_batches and not recalibrates):
        raise InputError("--truncation and --standing_batches are for GANs: leave them out")


def check_memory(shape: Shape, medium: Medium, n: int, target: Path) -> None:
    """Check that as many samples can be held in memory as are to be drawn.

    Raises:
        InputError: They cannot.
    """
    enlarged = medium.preview_values(shape) if target.suffix == PNG.ending else 0
    each, free = COPIES * (4 * torch.Size(shape).numel() + enlarged), memory()
    if n * each > free:
        raise InputError(
            f"{n:,} samples of shape {tuple(shape)} take about {n * each / 1e9:,.1f} GB of memory and there are "
            f"{free / 1e9:,.1f} GB: draw at most {free // each:,} at a time with --n, each time with another --seed"
        )


def memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_target(target: Path, medium: Medium, n: int, data: Mapping[str, Any]) -> list[Path]:
    """Check that samples can be written where a user wants them.

    Args:
        target: The file or folder.
        medium: What a sample is.
        n: How many samples.
        data: The description of the data that the model was trained on.

    Returns:
        The files that will be replaced.

    Raises:
        InputError: The file's ending is unknown, samples without files of their own are to be written as a folder of
            these, or what would be replaced is of another kind or belongs to those data.
    """
    kind, places = medium.kind_of(target), f"a {' or '.join(medium.endings)} file"
    places += ", or a folder" if medium.single is not None else ""
    if kind is None:
        found = f"ends in {target.suffix}" if target.suffix else f"would be a folder and {medium.noun} go into one file"
        raise InputError(f"--out {target} {found}: give {places}")
    if target.suffix:
        files = [target]
    elif target.exists() and not target.is_dir():
        raise InputError(f"--out {target} is a file and would be a folder: give {places}")
    else:
        present = sorted(target.glob(f"[0-9]*{kind.ending}"))
        files = [path for path in present if path.stem.isdecimal() and int(path.stem) < n] or [
            target / medium.name_of(0)
        ]
    for file in files:
        check_place(file, kind)
        check_data(file, data)
    return [file for file in files if file.exists()]


def check_data(file: Path, data: Mapping[str, Any]) -> None:
    """Check that a file to be replaced is no part of the data that a model was trained on.

    Raises:
        InputError: It is.
    """
    places = [Path(value).resolve() for value in data.values() if isinstance(value, str) and os.path.exists(value)]
    for place in places if file.exists() else ():
        if place in (file.resolve(), *file.resolve().parents):
            raise InputError(f"{file} is part of the data that the model was trained on, {place}: give another --out")
