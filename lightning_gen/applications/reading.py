"""Reads what a trained model is applied to: a split of the data that it was trained on, an array, or people's files."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.applications.inputs import ARRAYS, LARGEST_BATCH, Inputs, check_shape
from lightning_gen.applications.picture_files import of_pictures
from lightning_gen.applications.trained import Trained
from lightning_gen.applications.whole_files import of_files
from lightning_gen.data import DataModule
from lightning_gen.data.arrays import read_arrays
from lightning_gen.data.base import ArrayDataset, Splits
from lightning_gen.data.cache import OnError
from lightning_gen.data.loader import Loader, Samples
from lightning_gen.data.tensors import Tensors
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.outputs import ARRAY
from lightning_gen.paths import expanded
from lightning_gen.records import Batch


def read_inputs(
    trained: Trained, given: str | Sequence[str], on_error: OnError = "raise", overlap: float = 0.0
) -> Inputs:
    """Read what a model is applied to; pictures are decoded as in training, and long files are read in windows.

    Args:
        trained: The model.
        given: ``train``, ``val`` or ``test``, the split of the data that the checkpoint names; or a file ``.npy``,
            ``.npz`` or ``.pt`` with samples of the model's shape; or pictures: folders, which are read with their
            sub-folders, and files; or, for a model of sounds, volumes and the like, files of those. Sub-folders with
            the names of the model's classes are classes.
        on_error: What happens if files cannot be decoded: "raise" raises an error that names them all, "skip" leaves
            them out and says so.
        overlap: The least share of a window that the next one covers too, for files that are read in windows.

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
    medium = trained.medium
    lists = [kind.ending for kind in medium.collections if kind is not ARRAY]
    own = [*lists, ARRAY.ending] if lists else []
    if len(paths) == 1 and paths[0].suffix in own and paths[0].is_file():
        return of_collection(trained, paths[0])
    if lists and not {path.suffix for path in paths} & {*ARRAYS}:
        raise InputError(f"{medium.noun} are read from one file that ends in {' or '.join(lists)}: give one alone")
    arrays = [path for path in paths if path.suffix in ARRAYS and path.is_file() and not is_whole(path, medium)]
    if arrays and len(paths) > 1:
        raise InputError(f"{arrays[0]} is an array and stands beside other inputs: give one array alone")
    if arrays:
        return of_array(trained, arrays[0])
    if medium.files:
        return of_files(trained, paths, on_error, overlap)
    return of_pictures(trained, paths, on_error)


def is_whole(path: Path, medium: Medium) -> bool:
    """Whether an array is one sample of any size, without a dimension of channels, and not many samples."""
    return path.suffix in medium.files and read_arrays(path)["x"].ndim == medium.dimensions


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


def of_collection(trained: Trained, path: Path) -> Inputs:
    """The samples in a file of their medium's own kind, such as lines of text.

    Raises:
        InputError: The file is damaged or holds something else, or has no samples.
    """
    stored = trained.medium.read_collection(path)
    if not len(stored):
        raise InputError(f"{path} holds no {trained.medium.noun}: give a file with some")
    check_shape(trained, tuple(trained.medium.to_model(stored[:1]).shape[1:]), str(path))
    names = [f"{index:06d}" for index in range(len(stored))]
    return Inputs(names, ArrayDataset(stored), None, None, trained, trained.medium.remarks(path))
