"""What a trained model is applied to: samples with names, as `read_inputs` reads them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor

from lightning_gen.applications.trained import Trained
from lightning_gen.data.cache import LISTED, progress
from lightning_gen.data.loader import Loader, Samples
from lightning_gen.errors import InputError
from lightning_gen.media.windows import Windows
from lightning_gen.records import Batch, Shape

NUMBERS = 2**22
"""Maximum number of values of the samples in a batch."""
LARGEST_BATCH = 512
"""Maximum number of samples in a batch."""
ARRAYS = (".npy", ".npz", ".pt")
"""The endings of files that hold arrays."""
REMEDY = "repair or remove {them}, or leave {them} out with --on_error skip"


@dataclass(frozen=True)
class Whole:
    """A file of any size, such as a long sound, that is read in windows of the model's size.

    Attributes:
        name: The path of the file, relative to the folder.
        windows: Where its windows lie; they are consecutive samples.
        source: The file; None where it is not there, as for what `decompress` gives back.
    """

    name: str
    windows: Windows
    source: Path | None = None


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
        wholes: The files whose windows the samples are, in their order; empty where a file is one sample.
    """

    names: Sequence[str]
    samples: Samples
    labels: Tensor | None
    classes: tuple[str, ...] | None
    trained: Trained
    notes: tuple[str, ...] = ()
    wholes: tuple[Whole, ...] = ()

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
                f"the model was trained with {known} classes and these samples have none: put the files into "
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


def product_names(names: Iterable[str], ending: str) -> list[str]:
    """Names of files that are made of inputs, one each: ``a.jpg`` and ``a.png`` do not collide.

    >>> product_names(["cats/a.jpg", "cats/a.png", "000001"], ".png")
    ['cats/a.jpg.png', 'cats/a.png', '000001.png']
    """
    kept = list(names)
    found = [name if name.endswith(ending) else name + ending for name in kept]
    return found if len(set(found)) == len(found) else [name + ending for name in kept]
