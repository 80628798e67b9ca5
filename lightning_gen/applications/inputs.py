"""What a trained model is applied to: pictures in folders and files, arrays, or a split of the data that it was trained
on, each sample with a name.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_gen.applications.trained import Trained
from lightning_gen.data import DataModule
from lightning_gen.data.arrays import read_arrays
from lightning_gen.data.base import ArrayDataset, Splits
from lightning_gen.data.cache import LISTED, OnError, broken, decode, progress
from lightning_gen.data.class_folders import class_folders
from lightning_gen.data.decoder import MODES, extensions, read_image, reason
from lightning_gen.data.folder import list_images
from lightning_gen.data.headers import read_header
from lightning_gen.data.layout import Layout
from lightning_gen.data.loader import Loader, Samples
from lightning_gen.data.tensors import Tensors
from lightning_gen.errors import InputError
from lightning_gen.paths import expanded
from lightning_gen.records import Batch, Shape

NUMBERS = 2**22
"""Maximum number of values of the samples in a batch."""
LARGEST_BATCH = 512
"""Maximum number of samples in a batch."""
ARRAYS = (".npy", ".npz", ".pt")
"""The endings of files that hold arrays."""
READ_SIZES = 1000
"""Number of files of which the sizes are read, to say what is done to them."""
REMEDY = "repair or remove {them}, or leave {them} out with --on_error skip"


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples for a trained model, with their names.

    Attributes:
        names: The name of each sample: the path of its file relative to the folder, with ``/``, or its place in an
            array or in a split.
        samples: The samples as they are stored, in the order of the names.
        labels: Class indices ``(n,)``; None if some sample has no class.
        classes: The names of the classes; None where they have none.
        trained: The model that they are for.
        notes: What was done to them, for the user: sentences.
    """

    names: Sequence[str]
    samples: Samples
    labels: Tensor | None
    classes: tuple[str, ...] | None
    trained: Trained
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def batch_size(self) -> int:
        """Samples in a batch: always as many, so that the same samples give the same bits."""
        return batch_size(tuple(self.trained.module.data_shape))

    def batches(self, title: str = "") -> Iterator[Batch]:
        """All samples in order, as the model sees them, on its device.

        Args:
            title: Title of the lines on stderr that say how far it is, if this takes long; without one nothing is said.
        """
        to_model = self.trained.medium.to_model
        read = (Batch.of(each, to_model=to_model) for each in Loader(self.samples, self.batch_size))
        moved = (batch.to(self.trained.device) for batch in read)
        batches = -(-len(self) // self.batch_size)
        yield from progress(moved, batches, title, calm=True) if title else moved

    def require_labels(self) -> None:
        """Check that a conditional model has the classes that it needs.

        Raises:
            InputError: It is conditional, and some samples have no class that it knows.
        """
        known, names = self.trained.module.num_classes, self.trained.module.class_names
        if known is None:
            return
        if self.labels is None:
            listed = "" if names is None else f", {', '.join(names[:LISTED])}"
            raise InputError(
                f"the model was trained with {known} classes and these samples have none: put the pictures into "
                f"sub-folders with the names of the classes{listed}, or give an .npz file with x and labels"
            )
        if names is not None and self.classes is not None and self.classes != names:
            unknown = sorted(set(self.classes) - set(names))
            raise InputError(
                f"the model knows no class {', '.join(unknown[:LISTED])}: name the sub-folders as its classes are "
                f"called, {', '.join(names[:LISTED])}"
            )
        if len(self.labels) and int(self.labels.max()) >= known:
            raise InputError(
                f"the labels go up to {int(self.labels.max())} and the model was trained with {known} classes, from 0 "
                f"to {known - 1}: give the labels of its training data"
            )


def batch_size(shape: Shape) -> int:
    """Samples of a shape in a batch."""
    return max(1, min(LARGEST_BATCH, NUMBERS // prod(shape)))


def read_inputs(trained: Trained, given: str | Sequence[str], on_error: OnError = "raise") -> Inputs:
    """Read what a model is applied to; pictures are decoded as in training.

    Args:
        trained: The model.
        given: ``train``, ``val`` or ``test``, the split of the data that the checkpoint names; or a file ``.npy``,
            ``.npz`` or ``.pt`` with samples of the model's shape; or pictures: folders, which are read with their
            sub-folders, and files. Sub-folders with the names of the model's classes are classes.
        on_error: What happens if pictures cannot be decoded: "raise" raises an error that names them all, "skip" leaves
            them out and says so.

    Raises:
        InputError: Nothing is given or found, a file is missing, broken or of another kind, or the samples have another
            shape.
    """
    words = [given] if isinstance(given, str) else list(given)
    if not words:
        raise InputError("nothing is given to apply the model to: name a folder, files, or one of train, val and test")
    if (splits := [word for word in words if word in Splits._fields]) and len(words) == 1:
        return of_split(trained, splits[0])
    if splits:
        raise InputError(
            f"'{splits[0]}' is a split of the training data and stands beside others: give one of them alone, or write "
            f"./{splits[0]} for a folder of that name"
        )
    paths = [expanded(word) for word in words]
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no {path}: name a folder, files, or one of {', '.join(Splits._fields)}")
    arrays = [path for path in paths if path.suffix in ARRAYS and path.is_file()]
    if arrays and len(paths) > 1:
        raise InputError(f"{arrays[0]} is an array and stands beside other inputs: give one array alone")
    return of_array(trained, arrays[0]) if arrays else of_pictures(trained, paths, on_error)


# splits and arrays ----------------------------------------------------------------------------------------------------


def of_split(trained: Trained, split: str, data: DataModule | None = None) -> Inputs:
    """A split of the data that the checkpoint names, or of other data.

    Raises:
        InputError: The checkpoint names no data, they are not there, the split is empty, or they have no length.
    """
    data = data or trained.data()
    check_shape(trained, tuple(data.shape), type(data).__name__)
    data.setup()
    samples: Samples = getattr(data, f"{split}_set")
    names = data.sample_names(split)
    if not names:
        raise InputError(f"the {split} split of {type(data).__name__} is empty: take another one, or name files")
    labels = None if data.num_classes is None else labels_of(samples)
    return Inputs(names, samples, labels, data.classes, trained)


def labels_of(samples: Samples) -> Tensor | None:
    """The class indices of all samples ``(n,)``; None if they have none."""
    if isinstance(samples, ArrayDataset) and samples.labels is not None:
        return samples.labels if samples.rows is None else samples.labels[samples.rows]
    found = [batch.labels for batch in map(Batch.of, Loader(samples, LARGEST_BATCH))]
    labels = [each for each in found if each is not None]
    return torch.cat(labels) if labels and len(labels) == len(found) else None


def of_array(trained: Trained, path: Path) -> Inputs:
    """The samples in a file of numpy or torch.

    Raises:
        InputError: The file is damaged or holds something else, or its samples have another shape.
    """
    data = Tensors(str(path), val_fraction=0.0, test_fraction=0.0)
    check_shape(trained, tuple(data.shape), str(path))
    data.setup()  # checks the values
    arrays = read_arrays(path)
    x = arrays["x"] if arrays["x"].ndim == len(data.shape) + 1 else arrays["x"][:, None]
    names = [f"{index:06d}" for index in range(len(x))]
    samples = ArrayDataset(x, arrays.get("labels"))
    known = trained.module.class_names if samples.labels is not None else None
    return Inputs(names, samples, samples.labels, known, trained)


def check_shape(trained: Trained, shape: Shape, owner: str) -> None:
    """Check that samples have the shape that a model reads.

    Raises:
        InputError: They have not.
    """
    wanted = tuple(trained.module.data_shape)
    if shape != wanted:
        raise InputError(
            f"{owner} has samples of shape {shape} and the model was trained on {wanted}: give samples of that shape"
            + (", or picture files, which are resized" if trained.medium.dimensions == 2 else "")
        )


# pictures -------------------------------------------------------------------------------------------------------------


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
    root, names = listed(paths)
    pad = bool(trained.described_data.get("pad", False))
    kept, pixels, notes = decoded(root, names, shape, pad, on_error, any(path.is_dir() for path in paths))
    labels, classes = classes_by_folder(kept, trained.module.class_names)
    notes = (*notes, *changes(root, kept, shape, pad))
    return Inputs(kept, ArrayDataset(pixels, labels), labels, classes, trained, notes)


def listed(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    """The folder that all pictures are in, and their paths relative to it, those of a folder sorted.

    Raises:
        InputError: A folder has no pictures.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], list_images(paths[0], "give").names
    files = [
        file
        for path in paths
        for file in ([path / name for name in list_images(path, "give").names] if path.is_dir() else [path])
    ]
    absolute = [Path(os.path.abspath(file)) for file in files]
    root = Path(os.path.commonpath([file.parent for file in absolute]))
    return root, list(dict.fromkeys(file.relative_to(root).as_posix() for file in absolute))


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


def product_names(names: Iterable[str], ending: str) -> list[str]:
    """Names of files that are made of inputs, one each: ``a.jpg`` and ``a.png`` do not collide.

    >>> product_names(["cats/a.jpg", "cats/a.png", "000001"], ".png")
    ['cats/a.jpg.png', 'cats/a.png', '000001.png']
    """
    kept = list(names)
    found = [name if name.endswith(ending) else name + ending for name in kept]
    return found if len(set(found)) == len(found) else [name + ending for name in kept]
