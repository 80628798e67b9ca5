"""Pictures in folders and files as samples for a trained model, decoded as in training."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lightning_gen.applications.class_folders import classes_by_folder
from lightning_gen.applications.inputs import ARRAYS, REMEDY, Inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.cache import OnError, broken, decode, progress
from lightning_gen.data.decoder import MODES, extensions, read_image, reason
from lightning_gen.data.folder import list_images
from lightning_gen.data.headers import read_header
from lightning_gen.data.listing import below_one_folder
from lightning_gen.errors import InputError
from lightning_gen.records import Shape

READ_SIZES = 1000
"""Number of files of which the sizes are read, to say what is done to them."""


def of_pictures(trained: Trained, paths: Sequence[Path], on_error: OnError) -> Inputs:
    """Pictures in folders and files.

    Raises:
        InputError: The model is of no pictures, a folder has none, or some are broken.
    """
    shape = tuple(trained.module.data_shape)
    if trained.medium.dimensions != 2 or len(shape) != 3 or shape[0] not in MODES:
        raise InputError(
            f"the model was trained on {trained.medium.noun} of shape {shape}, which picture files do not hold: give "
            "an array of that shape in an .npy file"
        )
    for path in paths:
        if path.is_file() and not path.name.lower().endswith(extensions()):
            raise InputError(
                f"{path} is no picture and no array by its name: give files that end in {', '.join(extensions())}, or "
                f"in {', '.join(ARRAYS)}"
            )
    root, names = below_one_folder(paths, lambda folder: list_images(folder, "give").names)
    pad = bool(trained.described_data.get("pad", False))
    kept, pixels, notes = decoded(root, names, shape, pad, on_error, any(path.is_dir() for path in paths))
    labels, classes = classes_by_folder(kept, trained.module.class_names)
    notes = (*notes, *changes(root, kept, shape, pad))
    return Inputs(kept, ArrayDataset(pixels, labels), labels, classes, trained, notes)


def decoded(
    root: Path, names: Sequence[str], shape: Shape, pad: bool, on_error: OnError, cached: bool
) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    """Decode pictures: those of folders once, into the cache, and single files into memory.

    Returns:
        The names of those that can be decoded, their pixels uint8 ``(n, *shape)``, and sentences for the user.

    Raises:
        InputError: Some cannot be decoded and `on_error` is "raise", or none can.
    """
    if cached:
        images = decode(root, names, shape, pad=pad, on_error=on_error, remedy=REMEDY)
        kept, skipped, pixels = [names[index] for index in images.indices], images.skipped, images.pixels
    else:
        found, skipped = {}, {}
        for name in progress(names, len(names), "decoding images", calm=True):
            try:
                found[name] = read_image(root / name, shape, pad)
            except Exception as error:  # any of Pillow's decoders' on a broken file
                skipped[name] = reason(error)
        if skipped and (on_error == "raise" or not found):
            raise broken(root, skipped, len(names), REMEDY)
        kept, pixels = list(found), np.stack(list(found.values()))
    first = next(iter(skipped), None)
    left = f"left out {len(skipped)} of {len(names)} pictures that cannot be decoded, such as {first}"
    return kept, pixels, (left,) if skipped else ()


def changes(root: Path, names: Sequence[str], shape: Shape, pad: bool) -> Iterator[str]:
    """Sentences about pictures of other sizes and kinds than the model's, and what was done to them."""
    read = names[:READ_SIZES]
    headers = [header for name in read if (header := read_header(root / name)) is not None]
    channels, height, width = shape
    of = f"of the first {len(read):,}" if len(read) < len(names) else f"of {len(names):,}"
    other = [header for header in headers if (header.width, header.height) != (width, height)]
    if other:
        sizes = Counter((header.width, header.height) for header in other)
        (common, _), *_ = sizes.most_common(1)
        uneven = sum(header.width * height != header.height * width for header in other)
        done = "padded" if pad else "cropped at the centre"
        cut = f", and {uneven:,} were {done}" if uneven else ""
        yield (
            f"{len(other):,} {of} pictures have other sizes than {width} x {height}, such as "
            f"{common[0]} x {common[1]}: "
            f"they were resized{cut}, as in training"
        )
    if channels == 1 and (coloured := sum(not header.grey for header in headers)):
        yield f"{coloured:,} {of} pictures are in colour and the model is of grey ones: they were converted to grey"
