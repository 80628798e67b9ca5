"""The command ``traverse``: pictures of paths through the latents of a trained model."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.axes import ALONG, Axis, described, own_axis
from lightning_gen.applications.latents import (
    Named,
    codes_of_data,
    codes_of_prior,
    first_of_data,
    named_latents,
    of_seeds,
    seed_of,
)
from lightning_gen.applications.trained import Trained, require_no_translator
from lightning_gen.applications.traversal import (
    Traversal,
    check_room,
    frames,
    path_between,
    paths_along,
    paths_by_class,
    samples_of,
    sheet,
)
from lightning_gen.commands.output import check_apart, tell
from lightning_gen.commands.sample import check_data
from lightning_gen.commands.seeds import check_seed
from lightning_gen.data import DataModule
from lightning_gen.data.cache import OnError
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.media.animations import APNG, GIF, check_animation, save_animation
from lightning_gen.media.files import save, save_array
from lightning_gen.media.rows import class_name
from lightning_gen.outputs import ARRAY, PNG, Kind, check_product
from lightning_gen.paths import expanded, written
from lightning_gen.spelling import suggest
from lightning_gen.terminal import say

KINDS = {kind.ending: kind for kind in (PNG, APNG, GIF, ARRAY)}
"""The files that can be written, by their endings."""
ANIMATED = (APNG, GIF)
"""Those of them that are animations."""
VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".avi")
"""Endings of videos, which ffmpeg makes of frames."""
UNSAFE = re.compile(r"[^\w.-]+")
"""What a name of a folder does not have."""
ONE_END = "a path has two ends or more: give --between 1 2, or --between a.png b.png"
MOST = 100_000
"""Maximum number of samples in all rows."""


def traverse(
    checkpoint: str,
    between: list[str] | None = None,
    along: str | None = None,
    start: int | str | None = None,
    label: int | str | None = None,
    steps: int = 9,
    rows: int = 10,
    scale: float = 1.0,
    out: str = "traversal.png",
    loop: bool = False,
    fps: float = 10.0,
    data: DataModule | None = None,
    on_error: OnError = "raise",
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Draw what lies between samples of a trained model, and what its directions do.

    Latents of seeds, and for GANs of pictures, are joined by arcs where the prior is a Gaussian or a sphere, codes of
    pictures by straight lines; codes of a codebook are the nearest ones. All ends are on the path, a picture as its
    reconstruction.

    Args:
        checkpoint: A checkpoint, such as runs/vae/checkpoints/last.ckpt, or the folder of its run, runs/vae.
        between: Two or more ends of a path, one after another: seeds, such as 1 2 3, where 2 is what sample --n 1
            --seed 2 draws; or pictures, such as a.png b.png, a folder of them or an array, whose latents are searched
            for GANs, which takes seconds to minutes each.
        along: What a path through one latent follows: dimensions of the code of an autoencoder, by falling divergence
            from the prior, else variance, or the principal components of codes that are maps; directions in which
            samples change most, found without labels; classes, the mean code of each class minus that of all, or for a
            model with classes the same latent with each class; or a direction of your own, FILE.npy.
        start: The latent in the middle of such paths: a seed or a picture; if left out, the first test sample of the
            data for autoencoders and seed 0 for GANs.
        label: The class of the path by number or name, for models with classes.
        steps: Samples of a row, its ends included.
        rows: Maximum number of dimensions, directions or classes.
        scale: Factor of the range of a path along something. It is from the 5 % to the 95 % quantile of the codes of
            training data, or for GANs of the prior; for classes and for a direction of your own from minus to plus the
            whole.
        out: A file ending in .png for all samples, a row for each path, in .apng or .gif for an animation, in .npy for
            an array; else a folder for a PNG file of each sample.
        loop: Whether the path goes back to where it began.
        fps: Samples that an animation shows in a second, from 1 to 50.
        data: The data that are encoded; the training data if left out. Its options alone, such as --data.folder, change
            those of the training data.
        on_error: What happens to pictures that cannot be decoded: raise names them all, skip leaves them out.
        device: Where the model runs: auto, cpu or cuda.
        overwrite: Whether what is at --out may be replaced.

    Raises:
        InputError: The checkpoint cannot be read, the model has no such path, or the file cannot be written.
    """
    target = written(out)
    kind = check_target(target, overwrite)
    check_options(between, along, start, steps, rows, scale, data)
    if kind in ANIMATED:
        check_animation(steps, fps)
    trained = Trained.open(checkpoint, device)
    require_no_translator(trained, "latents to follow")
    module = trained.module
    if not module.medium.tiled and kind is not ARRAY:
        raise InputError(f"{module.medium.noun} have no pictures of their own: give --out a name that ends in .npy")
    check_room(steps * (rows if between is None else len(between)), module)
    chosen = None if label is None else int(module.known_classes.indices([label]))
    asked = Asked(start, chosen, steps, rows, scale, loop, on_error)
    if between is not None:
        traversal, lines = ends_joined(trained, between, asked)
    else:
        traversal, lines = followed(trained, str(along), asked, data)
    if kind in ANIMATED:
        check_animation(len(traversal.frames), fps)
    files = list(files_of(target, traversal).values()) if kind is None else [target]
    check_apart(files, [*(between or ()), *([] if start is None else [str(start)])])
    for file in files:
        check_data(file, trained.described_data)
    WRITERS[kind](module.medium, traversal, samples_of(module, traversal), target, fps)
    for line in lines:
        say(line)
    count = len(files) if kind is None else traversal.latents.shape[0] * traversal.latents.shape[1]
    say(f"{count} samples in {len(traversal.names)} {'row' if len(traversal.names) == 1 else 'rows'} in {target}")
    if kind is None:
        tell_others(files)


# checks ---------------------------------------------------------------------------------------------------------------


def check_target(target: Path, overwrite: bool) -> Kind | None:
    """The kind of the file that is written; None for a folder.

    Raises:
        InputError: Its ending is unknown, or something is there.
    """
    if target.suffix in VIDEOS:
        frames = target.with_suffix("")
        raise InputError(
            f"videos are made by ffmpeg: give --out {frames} for a folder of frames, and then run "
            f"ffmpeg -framerate 10 -i {frames}/%06d.png -pix_fmt yuv420p {target}; or give --out {frames}.apng"
        )
    if target.suffix and target.suffix not in KINDS:
        raise InputError(f"--out {target} ends in {target.suffix}: give a {', '.join(KINDS)} file, or a folder")
    kind = KINDS[target.suffix] if target.suffix else None
    check_product(target, kind, overwrite)
    return kind


def check_options(
    between: Sequence[str] | None,
    along: str | None,
    start: int | str | None,
    steps: int,
    rows: int,
    scale: float,
    data: DataModule | None,
) -> None:
    """Check the options before the model is read.

    Raises:
        InputError: Some exclude each other, or a number is out of range.
    """
    if (between is None) == (along is None):
        raise InputError(
            "give the ends of a path, such as --between 1 2, or what it follows, such as --along directions"
            + ("" if between is None else ", and not both")
        )
    if rows < 1 or not scale > 0 or scale == float("inf"):
        raise InputError(f"--rows must be at least 1 and --scale above 0, not {rows} and {scale:g}")
    if between is not None:
        check_between(between, start, steps, data)
        return
    if along not in ALONG and not str(along).endswith(".npy"):
        raise InputError(
            f"there is nothing to go along called '{along}'{suggest(str(along), ALONG)}: give {', '.join(ALONG)}, or a "
            "direction in an .npy file"
        )
    if steps < 3 or steps % 2 == 0:
        raise InputError(f"--steps must be odd and at least 3, so that the start is in the middle, not {steps}")
    check_count(steps * rows)
    check_seeds([str(start)])


def check_between(ends: Sequence[str], start: int | str | None, steps: int, data: DataModule | None) -> None:
    """Check the options of a path between ends.

    Raises:
        InputError: There is one end alone, an option is for other paths, or a number is out of range.
    """
    if len(ends) == 1 and seed_of(ends[0]) is not None:
        raise InputError(ONE_END)
    if start is not None or data is not None:
        raise InputError("--start and --data are for --along: leave them out")
    if steps < 2:
        raise InputError(f"--steps must be at least 2, both ends included, not {steps}")
    check_count(steps * len(ends))
    check_seeds(ends)


def check_count(count: int) -> None:
    """Check the number of samples.

    Raises:
        InputError: There are too many for one picture.
    """
    if count > MOST:
        raise InputError(f"{count:,} samples are more than {MOST:,}: give fewer --steps or --rows")


def check_seeds(words: Sequence[str]) -> None:
    """Check those of some words that are seeds.

    Raises:
        InputError: torch does not take one.
    """
    for seed in map(seed_of, words):
        if seed is not None:
            check_seed(seed)


def require_label(trained: Trained, label: int | None) -> None:
    """Check that the class of a path is given for a conditional model.

    Raises:
        InputError: It is not.
    """
    known = trained.module.num_classes
    if known is not None and label is None:
        example = class_name(0, trained.module.class_names)
        raise InputError(
            f"the model was trained with {known} classes: name that of the path, such as --label '{example}', or take "
            "--along classes"
        )


# paths ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What paths are asked for; the attributes are options of `traverse`.

    Attributes:
        label: The index of the class, or None.
    """

    start: int | str | None
    label: int | None
    steps: int
    rows: int
    scale: float
    loop: bool
    on_error: OnError


def ends_joined(trained: Trained, words: Sequence[str], asked: Asked) -> tuple[Traversal, list[str]]:
    """The path between ends that are named by words, and a line on its shape.

    Raises:
        InputError: The ends cannot be had, or the class of a conditional model is missing.
    """
    require_label(trained, asked.label)
    ends = told_of(named_latents(trained, words, asked.label, asked.on_error))
    if len(ends.names) < 2:
        raise InputError(ONE_END)
    check_count(asked.steps * len(ends.names))
    arc = ends.drawn and trained.module.spherical_prior
    path = path_between(trained.module, ends.latents, ends.names, asked.steps, arc, asked.label, asked.loop)
    return path, ["along an arc, as the prior lies near a sphere" if arc else "along a straight line"]


def followed(trained: Trained, along: str, asked: Asked, given: DataModule | None) -> tuple[Traversal, list[str]]:
    """The paths along something, and a line for each.

    Raises:
        InputError: The model has no such paths, or the start or the data cannot be had.
    """
    module = trained.module
    if along == "classes" and module.num_classes is not None:
        return each_class(trained, asked, given), []
    if along in ("dimensions", "classes") and not module.reconstructs:
        raise InputError(
            f"a GAN encodes no data, which --along {along} needs: take --along directions"
            + (", or train a model with classes" if along == "classes" else "")
        )
    if not module.reconstructs and given is not None:
        raise InputError("a GAN encodes no --data, its paths span its prior: leave them out")
    axis = own_axis(expanded(along), tuple(module.latent_shape), asked.scale) if along not in ALONG else None
    needs_data = module.reconstructs and (axis is None or asked.start is None)
    data = (given or trained.data()) if needs_data else None
    start, label = started(trained, asked, data)
    axes = [axis] if axis is not None else axes_of(trained, along, start, label, asked, data)
    lines = [f"start: {start.names[0]}", *described(axes)]
    return paths_along(module, start.latents[0], axes, asked.steps, label, asked.loop), lines


def axes_of(
    trained: Trained, along: str, start: Named, label: int | None, asked: Asked, data: DataModule | None
) -> list[Axis]:
    """The axes of a name through the start.

    Raises:
        InputError: The data cannot be encoded, or have no such axes.
    """
    codes = codes_of_prior(trained) if data is None else codes_of_data(trained, data)
    return ALONG[along](trained.module, start.latents[0].float().cpu(), codes, asked.rows, asked.scale, label)


def started(trained: Trained, asked: Asked, data: DataModule | None) -> tuple[Named, int | None]:
    """The latent in the middle, and its class for a conditional model.

    Raises:
        InputError: It cannot be had, or the class of a conditional model is missing.
    """
    if asked.start is None and trained.module.reconstructs:
        return first_of_data(trained, data or trained.data(), asked.label)
    require_label(trained, asked.label)
    word = "0" if asked.start is None else str(asked.start)
    start = told_of(named_latents(trained, [word], asked.label, asked.on_error))
    if len(start.names) > 1:
        raise InputError(f"{word} holds {len(start.names):,} samples and the start is one: name a file with --start")
    return start, asked.label


def each_class(trained: Trained, asked: Asked, data: DataModule | None) -> Traversal:
    """The same latents with each class of a conditional model: of seeds from the start on, or of one sample.

    Raises:
        InputError: The latents cannot be had.
    """
    module = trained.module
    seed = 0 if asked.start is None else seed_of(str(asked.start))
    if module.has_prior and seed is not None:
        start = of_seeds(trained, range(seed, seed + asked.steps))
    else:
        start, _ = started(trained, asked, data)
    classes = range(min(module.num_classes or 0, asked.rows)) if asked.label is None else [asked.label]
    return paths_by_class(start.latents, classes, [class_name(each, module.class_names) for each in classes])


def told_of(latents: Named) -> Named:
    """Latents, after saying what was done to their pictures."""
    tell(latents.notes)
    return latents


# files ----------------------------------------------------------------------------------------------------------------


def write_sheet(medium: Medium, traversal: Traversal, samples: Tensor, target: Path, fps: float) -> None:
    """Write all samples as one image."""
    save(sheet(medium, traversal, samples), target)


def write_animation(medium: Medium, traversal: Traversal, samples: Tensor, target: Path, fps: float) -> None:
    """Write the frames as an animation."""
    save_animation(list(frames(medium, traversal, samples)), target, fps)


def write_array(medium: Medium, traversal: Traversal, samples: Tensor, target: Path, fps: float) -> None:
    """Write the stored values of all samples, ``(rows, steps, *shape)``."""
    rows, steps = traversal.latents.shape[:2]
    save_array(medium.to_stored(samples).unflatten(0, (rows, steps)), target)


def write_files(medium: Medium, traversal: Traversal, samples: Tensor, target: Path, fps: float) -> None:
    """Write a file for each sample; see `files_of`."""
    for place, file in files_of(target, traversal).items():
        medium.write_single(samples[place : place + 1], file)


WRITERS: dict[Kind | None, Callable[[Medium, Traversal, Tensor, Path, float], None]] = {
    PNG: write_sheet,
    APNG: write_animation,
    GIF: write_animation,
    ARRAY: write_array,
    None: write_files,
}
"""How samples are written, by the kind of the file; None for a folder."""


def files_of(folder: Path, traversal: Traversal) -> dict[int, Path]:
    """The files of samples in a folder, by the places of the samples, in the order of frames.

    Those of one path are numbered; other rows have a folder each.
    """
    columns = enumerate(torch.stack(traversal.frames).tolist())
    if traversal.one_path:
        return {place: folder / f"{index:06d}.png" for index, (place,) in columns}
    folders = [f"{row:02d}_{UNSAFE.sub('_', name)}" for row, name in enumerate(traversal.names)]
    return {
        place: folder / row / f"{index:06d}.png"
        for index, places in columns
        for row, place in zip(folders, places, strict=True)
    }


def tell_others(written: Sequence[Path]) -> None:
    """Say how many numbered files of an earlier path lie beside those that were written."""
    own = set(written)
    others = [file for folder in {file.parent for file in own} for file in folder.glob("[0-9]*.png") if file not in own]
    if others:
        say(f"{len(others):,} files of an earlier path are left beside them, such as {min(others)}", sys.stderr)
