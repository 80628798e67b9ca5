"""The base of all media."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.files import read_array, save, save_array
from lightning_gen.media.rows import with_names
from lightning_gen.outputs import ARRAY, PNG, Kind
from lightning_gen.recording import Recorded
from lightning_gen.records import Shape, floats


@dataclass(frozen=True)
class ErrorMeasure:
    """A measure of how far a reconstruction is from its sample, which one medium has.

    Attributes:
        name: Its name, with the unit if it has one, such as ``si_sdr_db``.
        meaning: What it is, in words.
        better: "lower is better" or "higher is better".
        protocol: How it is measured.
        each: Maps values as `Medium.comparable` returns them, both ``(n, *shape)``, to the measure of each pair,
            ``(n,)``; NaN for a sample that has none, which is left out and counted.
    """

    name: str
    meaning: str
    better: str
    protocol: dict[str, Any] = field(hash=False)
    each: Callable[[Tensor, Tensor], Tensor]


class Medium(Recorded, ABC):
    """What a sample is, as data, metrics, previews in TensorBoard and files need it.

    A subclass is a frozen dataclass whose fields are plain data, such as a sampling rate, so that a checkpoint stores
    it as ``{class_path, init_args}``. *Stored* values are those in files and in memory, often integers; *model* values
    are floats.

    Attributes:
        noun: The name of samples, in the plural.
        values: The name of the numbers of a sample, in the plural.
        place: The name of a place of a sample, in the singular: a pixel of an image; the sample itself if it has none.
        unit: The unit of the model values.
        error_unit: The unit of a squared error, as the end of "mean squared error".
        compared_as: The values that samples and reconstructions are compared as.
        dimensions: Number of spatial dimensions of a sample ``(channels, *sides)``: 0 for points ``(numbers,)``, 1 for
            signals, 2 for images, 3 for volumes.
        bounded: Whether model values lie in [-1, 1].
        step: Width of a quantization step in model values: 2 / 256 for 8 bits; None if values are not quantized.
        error_scale: Factor from a squared error of model values to one in `error_unit`.
        tiled: Whether a preview shows each sample in its own cell, so that a row may be a class.
        single: The kind of file for one sample; None if there is none.
        collections: The kinds of files for many samples.
        files: The endings of people's own files, which hold one sample of any size each, such as a sound of any length;
            empty if there are none, or if another reader has them, as that of pictures.
    """

    noun: ClassVar[str]
    values: ClassVar[str]
    place: ClassVar[str] = "sample"
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
    files: ClassVar[tuple[str, ...]] = ()

    # values ----------------------------------------------------------------------------------------------------------

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Convert stored values to model values: uint8 from 0 to 255 to [-1, 1]; floats are only cast.

        A medium with other stored values overrides this. `Batch.of` calls it once: a batch says whether it is scaled.

        Args:
            stored: ``(n, *shape)``.
            dtype: The type of the result.

        Raises:
            InputError: The type of the values is not supported.
        """
        return floats(stored, dtype)

    @abstractmethod
    def to_stored(self, x: Tensor) -> Tensor:
        """Convert model values ``(n, *shape)`` to stored values on the CPU; values out of range are clipped."""

    def comparable(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and reconstructions, both ``(n, *shape)``, as the values that errors are measured in."""
        return x, output

    @property
    def has_psnr(self) -> bool:
        """Whether a peak signal-to-noise ratio of comparable values is told; by default where they are bounded."""
        return self.bounded

    @property
    def errors(self) -> tuple[ErrorMeasure, ...]:
        """Measures of reconstructions beside the mean squared error, which this medium alone has."""
        return ()

    def counted(self, texts: Sequence[str]) -> Tensor:
        """The counts of the words of texts, stored values ``(n, words)``; a medium of words implements it.

        Raises:
            InputError: The samples are no counts of words.
        """
        raise InputError(
            f"the model reads {self.noun}, not counts of words: train one that does, such as by fit --config "
            "autoencoder/words"
        )

    @property
    def rounding(self) -> str:
        """What a round trip through files does to values, in words."""
        return "as they are" if self.step is None else f"rounded to {round(math.log2(2 / self.step))} bits"

    # previews --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot samples as one image.

        Args:
            samples: Model values ``(n, *shape)``.
            columns: Samples in a row, if each has its own cell; None for a square.

        Returns:
            uint8, ``(1 or 3, height, width)``.
        """

    def preview_values(self, shape: Shape) -> int:
        """Numbers of a preview for each sample of a shape; 0 if its size does not depend on the number of samples."""
        return 0

    def log(self, board: Any, tag: str, samples: Tensor, picture: Tensor, step: int) -> None:
        """Write samples to TensorBoard: their preview; a medium with more, such as a player, adds it.

        Args:
            board: ``torch.utils.tensorboard.SummaryWriter``.
            tag: The name of the preview, such as ``pictures/samples``.
            samples: Model values ``(n, *shape)``.
            picture: Their preview, uint8 ``(1 or 3, height, width)``.
            step: Images seen.
        """
        board.add_image(tag, picture, step)

    # files -----------------------------------------------------------------------------------------------------------

    @property
    def endings(self) -> tuple[str, ...]:
        """The suffixes of files that `write` can write; ``.png`` is the preview of all samples."""
        return PNG.ending, *(kind.ending for kind in self.collections)

    def kind_of(self, target: Path) -> Kind | None:
        """The kind of the file, or of the files in the folder, that `write` writes; None if it cannot."""
        if not target.suffix:
            return self.single
        return next((kind for kind in (PNG, *self.collections) if kind.ending == target.suffix), None)

    def name_of(self, index: int) -> str:
        """The name of the file of a sample in a folder.

        Raises:
            InputError: There are no files for single samples.
        """
        return f"{index:06d}{self.ending}"

    @property
    def ending(self) -> str:
        """The ending of files of single samples.

        Raises:
            InputError: There are none.
        """
        if self.single is None:
            raise InputError(
                f"{self.noun} have no files of their own: write all of them to one file that ends in "
                f"{' or '.join(self.endings)}"
            )
        return self.single.ending

    def write(self, samples: Tensor, target: Path, columns: int | None = None, names: Sequence[str] = ()) -> None:
        """Write samples; each file is written atomically and folders are made.

        Args:
            samples: Model values ``(n, *shape)``.
            target: A .png file for a preview of all samples, a file of one of `collections` for their stored values, or
                a folder for one file of each sample.
            columns: Samples in a row of the preview; None for a square.
            names: Names of the rows of the preview, which are written beside them.

        Raises:
            InputError: The suffix is another one, there are no files for single samples, or a file cannot be written.
        """
        if target.suffix == PNG.ending:
            save(with_names(self.preview(samples, columns), names), target)
        elif target.suffix:
            self.write_collection(samples, target)
        else:
            for index in range(len(samples)):
                self.write_single(samples[index : index + 1], target / self.name_of(index))

    def read(self, source: Path) -> Tensor:
        """Read the files of `write`: stored values ``(n, *shape)``.

        Args:
            source: A file of one of `collections`, a file of one sample, or a folder of those, read in the order of
                names.

        Raises:
            InputError: A file is missing or cannot be read, or the folder has no files or files of several shapes.
        """
        if not source.is_dir():
            single = self.single is not None and source.name.endswith(self.single.ending)
            return self.read_single(source) if single else self.read_collection(source)
        samples = [self.read_single(path) for path in sorted(source.glob(f"*{self.ending}"))]
        if len({sample.shape for sample in samples}) != 1:
            found = "no" if not samples else "unlike"
            raise InputError(f"the folder {source} holds {found} {self.noun}: give one with files of one shape")
        return torch.cat(samples)

    def write_collection(self, samples: Tensor, target: Path) -> None:
        """Write the stored values of samples ``(n, *shape)`` to one file.

        Raises:
            InputError: The suffix is none of `collections`, or the file cannot be written.
        """
        self._check_collection(target)
        save_array(self.to_stored(samples), target)

    def read_collection(self, source: Path) -> Tensor:
        """Read stored values ``(n, *shape)`` from one file.

        Raises:
            InputError: The suffix is none of `collections`, or the file is missing or damaged.
        """
        self._check_collection(source)
        return read_array(source)

    def remarks(self, source: Path) -> tuple[str, ...]:
        """What `read_collection` changes in a file, for the user: sentences.

        Raises:
            InputError: As `read_collection`.
        """
        return ()

    def _check_collection(self, path: Path) -> None:
        endings = [kind.ending for kind in self.collections]
        if path.suffix not in endings:
            raise InputError(f"{path} is no file of {self.noun}: give a name that ends in {' or '.join(endings)}")

    def read_file(self, path: Path) -> Tensor:
        """Read a person's own file: stored values ``(channels, *sides)`` of any size, as training reads them.

        A medium with `files` implements it.

        Raises:
            InputError: The file is missing, broken, empty or unfit; the sentence names the remedy.
        """
        raise NotImplementedError

    def write_file(self, x: Tensor, path: Path) -> None:
        """Write one sample of any size, model values ``(channels, *sides)``, to a file that ends in one of `files`.

        A medium with `files` implements it; the file is written atomically and folders are made.

        Raises:
            InputError: It cannot be written.
        """
        raise NotImplementedError

    def write_like(self, x: Tensor, path: Path, source: Path | None) -> None:
        """Write what became of a person's own file, with what that has beside its values, such as a place in space.

        Args:
            x: Model values ``(channels, *sides)``.
            path: The file, as in `write_file`.
            source: The file that they come from; None if it is not there.

        Raises:
            InputError: It cannot be written, or the source cannot be read.
        """
        self.write_file(x, path)

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one sample ``(1, *shape)`` to a file; a medium with `single` implements it."""
        raise NotImplementedError

    def read_single(self, source: Path) -> Tensor:
        """Read stored values ``(1, *shape)`` from the file of one sample; a medium with `single` implements it."""
        raise NotImplementedError
