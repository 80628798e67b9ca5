"""What every medium says and does."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.files import read_array, save, save_array
from lightning_gen.outputs import ARRAY, PNG, Kind
from lightning_gen.records import Shape, floats


class Medium(ABC):
    """What a sample is, for all that must know it: data, figures, pictures in TensorBoard and files.

    A subclass is a frozen dataclass whose fields are plain data, such as the rate of a sound, so that a checkpoint
    keeps it as ``{class_path, init_args}``. *Stored* values are those of a file or of memory, often integers; models
    see floats.

    Attributes:
        noun: What samples are called, in the plural.
        values: What the numbers of a sample are called, in the plural.
        unit: What the numbers are measured in, as models see them.
        error_unit: What a squared error is of, behind "mean squared error".
        compared_as: What samples and their reconstructions are compared as.
        dimensions: Number of spatial dimensions of a sample ``(channels, *sides)``: 0 for points ``(numbers,)``, 1 for
            signals, 2 for images, 3 for volumes.
        bounded: Whether numbers lie in [-1, 1].
        step: Width of a stored value in the units of the models: 2 / 256 for 8 bits; None where values are no such
            steps of a scale.
        error_scale: What turns a squared error of the models' numbers into one in `error_unit`.
        tiled: Whether a preview shows each sample in a cell of its own, so that a row may be a class.
        single: The kind of file that holds one sample; None where a sample has no file of its own.
        collections: The kinds of files that hold many samples, and give them back when they are read.
    """

    noun: ClassVar[str]
    values: ClassVar[str]
    unit: ClassVar[str]
    error_unit: ClassVar[str]
    compared_as: ClassVar[str]
    dimensions: ClassVar[int]
    bounded: ClassVar[bool]
    step: ClassVar[float | None] = None
    error_scale: ClassVar[float] = 1.0
    tiled: ClassVar[bool] = True
    single: ClassVar[Kind | None] = None
    collections: ClassVar[tuple[Kind, ...]] = (ARRAY,)

    # values ----------------------------------------------------------------------------------------------------------

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Stored values as models see them; floats are taken for such values and only cast.

        uint8 from 0 to 255 becomes [-1, 1]; a medium of other stored values says what they become.

        Args:
            stored: ``(n, *shape)``.
            dtype: The type of the result.

        Raises:
            InputError: The values are of a type that is not understood.
        """
        return floats(stored, dtype)

    @abstractmethod
    def to_stored(self, x: Tensor) -> Tensor:
        """The models' values ``(n, *shape)`` as they are stored, on the CPU; what cannot be stored is clipped."""

    def comparable(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and their reconstructions, both ``(n, *shape)``, as errors between them are measured."""
        return x, output

    # pictures --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Draw samples as one picture that a person looks at.

        Args:
            samples: ``(n, *shape)``, as models see them.
            columns: Samples in a row, where each has a cell of its own; None for a square.

        Returns:
            uint8, ``(1 or 3, height, width)``.
        """

    def preview_values(self, shape: Shape) -> int:
        """Numbers that a preview takes for each sample of a shape; 0 where it does not grow with their number."""
        return 0

    # files -----------------------------------------------------------------------------------------------------------

    @property
    def endings(self) -> tuple[str, ...]:
        """What names of files that `write` writes may end in; ``.png`` is the preview of all samples."""
        return PNG.ending, *(kind.ending for kind in self.collections)

    def kind_of(self, target: Path) -> Kind | None:
        """The kind of file that `write` writes to a place, or of each file in a folder; None where it writes none."""
        if not target.suffix:
            return self.single
        return next((kind for kind in (PNG, *self.collections) if kind.ending == target.suffix), None)

    def name_of(self, index: int) -> str:
        """What the file of a sample is called in a folder.

        Raises:
            InputError: A sample has no file of its own.
        """
        if self.single is None:
            raise InputError(
                f"{self.noun} have no files of their own: write all of them to one file that ends in "
                f"{' or '.join(self.endings)}"
            )
        return f"{index:06d}{self.single.ending}"

    def write(self, samples: Tensor, target: Path, columns: int | None = None) -> None:
        """Write samples, each file whole or not at all; folders are made.

        Args:
            samples: ``(n, *shape)``, as models see them.
            target: A file that ends in .png for one picture of all, in the ending of one of `collections` for all
                samples as they are stored, or a folder, in which each sample gets a file.
            columns: Samples in a row of the picture of all; None for a square.

        Raises:
            InputError: The ending is none of these, samples have no files of their own, or a file cannot be written.
        """
        if target.suffix == PNG.ending:
            save(self.preview(samples, columns), target)
        elif target.suffix:
            self.write_collection(samples, target)
        else:
            for index in range(len(samples)):
                self.write_single(samples[index : index + 1], target / self.name_of(index))

    def read(self, source: Path) -> Tensor:
        """Read what `write` has written, stored values ``(n, *shape)``.

        Args:
            source: A file of one of `collections`, a file of one sample, or a folder of those, taken by their names.

        Raises:
            InputError: There is no such file, it cannot be read, or a folder holds none or unlike ones.
        """
        if not source.is_dir():
            single = self.single is not None and source.suffix == self.single.ending
            return self.read_single(source) if single else self.read_collection(source)
        ending = Path(self.name_of(0)).suffix
        samples = [self.read_single(path) for path in sorted(source.glob(f"*{ending}"))]
        if len({sample.shape for sample in samples}) != 1:
            found = "no" if not samples else "unlike"
            raise InputError(f"the folder {source} holds {found} {self.noun}: give one with files of one shape")
        return torch.cat(samples)

    def write_collection(self, samples: Tensor, target: Path) -> None:
        """Write samples ``(n, *shape)`` to one file, as they are stored.

        Raises:
            InputError: It ends in none of `collections`, or cannot be written.
        """
        self._check_collection(target)
        save_array(self.to_stored(samples), target)

    def read_collection(self, source: Path) -> Tensor:
        """Read samples from one file, stored values ``(n, *shape)``.

        Raises:
            InputError: It ends in none of `collections`, is missing or is damaged.
        """
        self._check_collection(source)
        return read_array(source)

    def _check_collection(self, path: Path) -> None:
        endings = [kind.ending for kind in self.collections]
        if path.suffix not in endings:
            raise InputError(f"{path} is no file of {self.noun}: give a name that ends in {' or '.join(endings)}")

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one sample ``(1, *shape)`` to a file of its own; a medium with such files says how."""
        raise NotImplementedError

    def read_single(self, source: Path) -> Tensor:
        """Read the file of one sample, stored values ``(1, *shape)``; a medium with such files says how."""
        raise NotImplementedError
