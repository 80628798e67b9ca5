"""The command ``sample``: samples of a trained model."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lightning_gen.applications.class_folders import folders_of, write_class_folders
from lightning_gen.applications.trained import Trained
from lightning_gen.commands.samplers import check_classes_drawn, chosen_sampler, classes_drawn, default_sampler
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.inference import Inference, Pace
from lightning_gen.media import Medium
from lightning_gen.media.rows import ROWS, Rows, class_name, rows_of
from lightning_gen.memory import available
from lightning_gen.outputs import PNG, check_new_folder, check_place
from lightning_gen.paths import written
from lightning_gen.records import Shape
from lightning_gen.samplers import FITTED
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import Classes
from lightning_gen.training.overhead import keep_memory

COPIES = 3
"""Maximum number of copies of the samples in memory at a time, between the decoder and the file."""
COUNT = 64
"""Number of samples, if none is given."""


def sample(
    checkpoint: str,
    n: int | None = None,
    out: str = "samples.png",
    seed: int = 0,
    labels: int | list[int | str] | str | None = None,
    truncation: float | None = None,
    standing_batches: int = 0,
    sampler: str | None = None,
    sampler_options: dict[str, Any] | None = None,
    data: DataModule | None = None,
    per_class: int | None = None,
    device: str = "cpu",
    precision: str = "32-true",
    compile: bool = False,
) -> None:
    """Draw samples from a trained model; only the checkpoint is needed.

    A sampler that is used for the first time is fitted to the codes of the training data and stored in the checkpoint.

    Args:
        checkpoint: A checkpoint, such as runs/dcgan/checkpoints/last.ckpt, or the folder of its run, runs/dcgan.
        n: Number of samples; 64 if left out.
        out: A file ending in .png for one image of all samples, in .npy for an array; else a folder for PNG files.
        seed: The same seed draws the same samples.
        labels: Class or classes to draw, by number or name, such as 3, cats or '[cats, dogs]', for models with classes
            and for rectified_flow of data with classes; at random if left out. A .png file has one row for each class,
            of the first ten if left out.
        truncation: Maximum absolute value of a latent's coordinates, for GANs: below 2, better but less varied samples.
        standing_batches: Batches over which BatchNorm's statistics are measured again before drawing, for GANs.
        sampler: Distribution of an autoencoder's codes: prior, gmm, flow or rectified_flow. The others than the prior
            are fitted to its codes, so that models without a prior can draw samples too: rectified_flow is for maps of
            codes, in minutes; stopped by Ctrl-C, it goes on at the next call. If left out, the one that
            the run fitted by fit --sampler, else the prior, or where that draws no shapes or is missing, what the
            checkpoint holds of rectified_flow for maps and gmm for vectors.
        sampler_options: Options of the sampler, such as --sampler_options.updates 20000 for a longer fit of
            rectified_flow. A sampler of the checkpoint that was fitted with others is fitted again.
        data: The data whose codes a sampler is fitted to; the training data if left out. Its options alone, such as
            --data.folder, change those of the training data.
        per_class: Number of samples of each class, in place of --n and --labels, for images of models with classes:
            --out is a new folder with a sub-folder for each class, on which ImageFolder trains a classifier or a model.
        device: Where the networks run, such as cpu or cuda; auto is a GPU if there is one. Another device draws the
            same latents, and samples that differ in the last digits.
        precision: Precision of the networks: 32-true, bf16-mixed, or 16-mixed on a GPU.
        compile: Whether torch compiles the networks, which takes seconds to a minute before the first sample, and a C++
            compiler on a CPU; for many samples.

    Raises:
        InputError: The checkpoint cannot be read, or the model cannot draw these samples.
    """
    target = written(out)
    check_seed(seed)
    if per_class is not None:
        check_alone(per_class, n, labels, target)
    n = COUNT if n is None else n
    trained = Trained.open(checkpoint, device)
    inference = Inference(trained.device, precision, compile)
    if inference.device.type == "cpu":
        keep_memory()
    module, medium = trained.module, trained.medium
    if per_class is None:
        replaced = check_target(target, medium, n, trained.described_data)
        check_memory(module.data_shape, medium, n, target)
    check_draw(module, n, labels, truncation, standing_batches)
    if data is not None and sampler not in FITTED:
        raise InputError(
            f"--data are what a sampler is fitted to: add --sampler with {' or '.join(FITTED)}, or leave --data out"
        )
    if sampler is None:
        sampler = default_sampler(module, sampler_options)
    classes = classes_drawn(trained, sampler, data, sampler_options)
    if labels is not None or per_class is not None:
        check_classes_drawn(module, sampler, classes)
    if per_class is not None:
        check_class_folders(target, trained, classes)
    asked = None if labels is None else classes.indices(labels).tolist()
    explain_numbers(labels, classes.names or ())
    rows = rows_in(target, medium, classes, n, asked)
    wanted = asked if rows is None else rows.labels
    given = {"truncation": truncation, "sampler": chosen_sampler(trained, sampler, data, sampler_options)}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    generator = torch.Generator().manual_seed(seed)
    if standing_batches:
        module.recalibrate(standing_batches, generator=torch.Generator().manual_seed(seed))
    draw = partial(inference.run, module.sample, **options)
    if compile:
        start = time.perf_counter()
        inference.compile(module.applied_networks.values())
        draw(2, generator=torch.Generator().manual_seed(seed))  # of one sample torch would compile no other number
        say(f"compiled in {time.perf_counter() - start:.1f} s", sys.stderr)
    if per_class is not None:
        folders = write_class_folders(module, per_class, target, seed, draw, classes)
        say(f"{per_class * len(folders)} samples, {per_class} of each of {len(folders)} classes, in {target}")
        return
    pace = Pace()
    with pace.timed(n):
        samples = draw(n, labels=wanted, generator=generator)
    say(f"{pace.rate:,.0f} samples a second on {inference}", sys.stderr)
    if rows is None or len(set(rows.labels.tolist())) == 1:
        medium.write(samples, target)
    else:
        medium.write(samples, target, rows.columns, rows.names)
    of = "" if asked is None else f" of {', '.join(class_name(each, classes.names) for each in asked)}"
    if rows is not None and asked is None and len(classes.drawn) > ROWS:
        of = f" of the first {ROWS} of {classes.count} classes"
    say(f"{n} samples{of} in {target}" + (" (files of the same name were replaced)" if replaced else ""))


def explain_numbers(labels: int | list[int | str] | str | None, names: Sequence[str]) -> None:
    """Say which class a number is where it is also the name of another class."""
    for label in labels if isinstance(labels, list) else [labels]:
        if isinstance(label, int) and str(label) in names and names.index(str(label)) != label:
            say(
                f"--labels {label} counts the classes from 0 and is '{names[label]}': the class '{label}' is "
                f"--labels {names.index(str(label))}",
                sys.stderr,
            )


def rows_in(target: Path, medium: Medium, classes: Classes, n: int, asked: list[int] | None) -> Rows | None:
    """The rows of the image of samples that have classes, a class each; None for other samples and files."""
    if target.suffix != PNG.ending or not medium.tiled or classes.count is None:
        return None
    return rows_of(asked or classes.drawn[:ROWS], n, classes.names)


def check_draw(
    module: GenerativeModule,
    n: int,
    labels: int | list[int | str] | str | None,
    truncation: float | None,
    standing_batches: int,
) -> None:
    """Check the options before anything is drawn.

    Raises:
        InputError: A count is out of range, the list of classes is empty, or the model does not take an option.
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
    """Check that the samples fit in memory.

    Raises:
        InputError: They do not.
    """
    enlarged = medium.preview_values(shape) if target.suffix == PNG.ending else 0
    each, free = COPIES * (4 * torch.Size(shape).numel() + enlarged), available()
    if n * each > free:
        raise InputError(
            f"{n:,} samples of shape {tuple(shape)} take about {n * each / 1e9:,.1f} GB of memory and there are "
            f"{free / 1e9:,.1f} GB: draw at most {free // each:,} at a time with --n, each time with another --seed"
        )


def check_alone(per_class: int, n: int | None, labels: int | list[int | str] | str | None, target: Path) -> None:
    """Check the options beside ``--per_class``.

    Raises:
        InputError: It is below 1, or another option says how many samples of which class, or names a file.
    """
    if per_class < 1:
        raise InputError(f"--per_class must be at least 1, not {per_class}")
    beside = [name for name, value in (("--n", n), ("--labels", labels)) if value is not None]
    if beside:
        raise InputError(
            f"--per_class says how many samples are drawn, of every class: leave {' and '.join(beside)} out"
        )
    if target.suffix:
        raise InputError(
            f"--per_class writes a folder with a sub-folder for each class, and {target} is the name of a file: give "
            f"--out a folder, such as {target.with_suffix('')}"
        )


def check_class_folders(target: Path, trained: Trained, classes: Classes) -> None:
    """Check that there are classes, and that a folder for them can be made.

    Raises:
        InputError: There are none, or the folder holds files or lies in the training data.
    """
    folders_of(trained.medium, classes)
    check_new_folder(target)
    for place in places_of(trained.described_data):
        if place in (target.resolve(), *target.resolve().parents):
            raise InputError(
                f"{target} lies in the data that the model was trained on, {place}, and would become part of them: "
                "give another --out"
            )


def check_target(target: Path, medium: Medium, n: int, data: Mapping[str, Any]) -> list[Path]:
    """Check that samples can be written to a file or folder.

    Args:
        target: The file or folder.
        medium: The kind of samples.
        n: Number of samples.
        data: The description of the training data.

    Returns:
        The files that are replaced.

    Raises:
        InputError: The file's ending is unknown, samples of this kind cannot be written to a folder, or a file that
            would be replaced is of another kind or belongs to the training data.
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
    """Check that a file that would be replaced is not in the training data of the model.

    Raises:
        InputError: It is.
    """
    for place in places_of(data) if file.exists() else ():
        if place in (file.resolve(), *file.resolve().parents):
            raise InputError(f"{file} is part of the data that the model was trained on, {place}: give another --out")


def places_of(data: Mapping[str, Any]) -> list[Path]:
    """The files and folders that a description of data names."""
    return [Path(value).resolve() for value in data.values() if isinstance(value, str) and os.path.exists(value)]
