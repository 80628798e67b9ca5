"""Samples of all classes in sub-folders, as training data for a classifier."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.data.cache import progress
from lightning_gen.data.class_folders import class_folders
from lightning_gen.data.layout import Layout
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.outputs import filling
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import WITH_CLASSES, Classes
from lightning_gen.training.sharding import Draw, NumberedSamples


def folders_of(medium: Medium, classes: Classes) -> tuple[str, ...]:
    """The names of the sub-folders of classes, in the order of their indices.

    A model may know more classes than its training data had; these alone have names, and are drawn.

    Raises:
        InputError: There are no classes, or samples have no files of their own.
    """
    if classes.count is None:
        raise InputError(
            "--per_class draws samples of each class and this model was trained without classes: give --n, or train "
            f"{WITH_CLASSES}"
        )
    if medium.single is None:
        raise InputError(
            f"--per_class writes a file for each sample and {medium.noun} go into one file: give --n and --labels, and "
            f"--out a {' or '.join(kind.ending for kind in medium.collections)} file"
        )
    classes.indices(list(range(classes.count)))  # each can be drawn
    return class_folders(classes.count, classes.names)


def write_class_folders(
    module: GenerativeModule,
    per_class: int,
    target: Path,
    seed: int = 0,
    draw: Draw | None = None,
    classes: Classes | None = None,
) -> tuple[str, ...]:
    """Write as many samples of each class into a sub-folder that has its name.

    `ImageFolder` and torchvision's class of that name read them as classes. Classes are drawn one after another in
    batches with a seed each, of which one is in memory at a time. The folder gets its name when it is complete.

    Args:
        module: A model of images.
        per_class: Samples of each class, at least 1.
        target: The folder, which is missing or empty.
        seed: The same seed draws the same samples.
        draw: Draws samples of given classes; None for the model's `sample`.
        classes: The classes that it draws; None for those of the model.

    Returns:
        The names of the sub-folders, in the order of the classes.

    Raises:
        InputError: There are no classes or no images, a sample is not finite, or a file cannot be written.
    """
    medium = module.medium
    folders = folders_of(medium, classes or module.known_classes)
    labels = torch.arange(len(folders)).repeat_interleave(per_class)
    samples = NumberedSamples(draw or module.sample, len(labels), seed, labels)
    count = 0
    with filling(target) as folder:
        for x in progress(samples, len(samples), "drawing batches of samples", calm=True):
            for one in x.split(1):
                label, index = divmod(count, per_class)
                medium.write_single(one, folder / folders[label] / medium.name_of(index))
                count += 1
    return folders


def classes_by_folder(
    names: Sequence[str], known: tuple[str, ...] | None
) -> tuple[Tensor | None, tuple[str, ...] | None]:
    """The classes of pictures by their sub-folders.

    Args:
        names: Relative paths.
        known: The names of the model's classes, whose indices are taken if all sub-folders are named as they are, or
            as `class_folders` names them.

    Returns:
        Class indices and the names of the classes; None for both if some picture is in no sub-folder.
    """
    try:
        labels = [place.label for place in Layout.of(names, "the folder").places]
    except InputError:  # pictures beside folders of splits
        return None, None
    own = sorted({label for label in labels if label is not None})
    if None in labels or not own:
        return None, None
    folders = classes = tuple(own)
    if known is not None:
        for names_of_folders in (known, class_folders(len(known), known)):
            if set(own) <= set(names_of_folders):
                folders, classes = names_of_folders, known
                break
    index = {name: number for number, name in enumerate(folders)}
    return torch.tensor([index[label] for label in labels if label is not None]), classes
