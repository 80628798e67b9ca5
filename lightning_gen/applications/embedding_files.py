"""Files of codes: of numpy, which keeps all of them, and tables for other programs."""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lightning_gen.applications.embedding import Embedding
from lightning_gen.errors import InputError
from lightning_gen.outputs import ARRAY, Kind, check_product, writing
from lightning_gen.terminal import printable

ARCHIVE = Kind("archive of numpy", ".npz", re.compile(rb"PK\x03\x04"))
TABLE = Kind("table of codes", ".csv", re.compile(rb"filenames,embedding_0"))
NAMES = Kind("list of names", ".txt", re.compile(b""))
NO_CLASS = -1
"""The label of a sample without a class in a table, whose readers expect a whole number."""
ROWS = 4096
"""Rows of a table that are turned into text at a time."""


def write_archive(embedding: Embedding, target: Path) -> None:
    """Write ``codes``, ``names`` and ``card``; ``labels``, ``classes`` and ``dimensions`` where there are some.

    It holds no Python objects, so that ``numpy.load`` reads it with ``allow_pickle=False``.
    """
    arrays = {
        "codes": embedding.codes,
        "names": np.array(embedding.names, dtype=np.str_),
        "card": np.array(embedding.card_json),
    }
    if embedding.labels is not None:
        arrays["labels"] = embedding.labels
    if embedding.classes is not None:
        arrays["classes"] = np.array(embedding.classes, dtype=np.str_)
    if embedding.dimensions is not None:
        arrays["dimensions"] = embedding.dimensions
    with writing(target) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def write_table(embedding: Embedding, target: Path) -> None:
    """Write ``filenames, embedding_0, ..., labels`` in UTF-8, the columns that lightly writes and reads."""
    labels = np.full(len(embedding), NO_CLASS) if embedding.labels is None else embedding.labels
    with writing(target) as file:
        rows = csv.writer(text_of(file), lineterminator="\n")
        rows.writerow(["filenames", *(f"embedding_{index}" for index in range(embedding.codes.shape[1])), "labels"])
        for start in range(0, len(embedding), ROWS):
            part = slice(start, start + ROWS)
            numbers = embedding.codes[part].astype(np.str_)  # as few digits as give the same float32 again
            for name, code, label in zip(embedding.names[part], numbers, labels[part], strict=True):
                rows.writerow([name, *code, label])


def write_array(embedding: Embedding, target: Path) -> None:
    """Write the codes, and the names to a file beside them, a line each; line breaks in names are escaped."""
    with writing(target) as file:
        np.save(file, embedding.codes)
    with writing(names_beside(target)) as file:
        text_of(file).writelines(printable(name).replace("\n", "\\n") + "\n" for name in embedding.names)


def text_of(file: BinaryIO) -> codecs.StreamWriter:
    """A binary file as one of text in UTF-8; bytes of file names that are no text are escaped."""
    return codecs.getwriter("utf-8")(file, "backslashreplace")


def names_beside(target: Path) -> Path:
    """The file of the names of an array of codes."""
    return target.with_suffix(".names.txt")


@dataclass(frozen=True)
class Format:
    """A kind of file for codes.

    Attributes:
        kind: The kind.
        write: Writes an embedding to a file.
        further: The files that are written beside it.
    """

    kind: Kind
    write: Callable[[Embedding, Path], None]
    further: Callable[[Path], tuple[Path, ...]] = lambda target: ()


FORMATS = {
    each.kind.ending: each
    for each in (
        Format(ARCHIVE, write_archive),
        Format(TABLE, write_table),
        Format(ARRAY, write_array, lambda target: (names_beside(target),)),
    )
}
"""The kinds of files for codes by their suffix."""


def format_of(target: Path) -> Format:
    """The kind of a file by its suffix.

    Raises:
        InputError: It is none of `FORMATS`.
    """
    found = FORMATS.get(target.suffix)
    if found is None:
        parquet = ", and for parquet pandas.read_csv(FILE).to_parquet(...) of a .csv file"
        raise InputError(
            f"--out {target} has an unknown ending: give a name that ends in {', '.join(FORMATS)}{parquet}"
        )
    return found


def check_files(target: Path, overwrite: bool) -> None:
    """Check the files of an embedding before it is made; see `lightning_gen.outputs.check_product`.

    Raises:
        InputError: The suffix is none of `FORMATS`, a file exists and may not be replaced, or it cannot be written.
    """
    chosen = format_of(target)
    check_product(target, chosen.kind, overwrite)
    for file in chosen.further(target):
        check_product(file, NAMES, overwrite)


def written_files(target: Path) -> Iterator[Path]:
    """The files that `write` writes."""
    yield target
    yield from format_of(target).further(target)


def write(embedding: Embedding, target: Path) -> None:
    """Write codes; each file is written atomically.

    Args:
        embedding: The codes.
        target: A file that ends in one of `FORMATS`: ``.npz`` holds codes, names, labels, classes and card, ``.csv``
            names, codes and labels, ``.npy`` the codes, with a file of the names beside it.

    Raises:
        InputError: The suffix is another one, or a file cannot be written.
    """
    format_of(target).write(embedding, target)
