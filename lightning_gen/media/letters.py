"""Letters: lines of text, one-hot in models."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_gen.alphabet import END, SIGNS, UNKNOWN, one_hot, within_line
from lightning_gen.errors import InputError
from lightning_gen.media.base import ErrorMeasure, Medium
from lightning_gen.media.edits import character_errors
from lightning_gen.media.text_page import code_block, page
from lightning_gen.outputs import ARRAY, TEXT, Kind, writing
from lightning_gen.records import Shape

PRINTABLE = "".join(map(chr, range(32, 127)))
"""The printable letters of ASCII, the space first."""
UNKNOWN_LETTER = "\N{REPLACEMENT CHARACTER}"
"""How an unknown letter is written."""
MOST_LETTERS = 256 - SIGNS
LISTED = 8
"""Unknown letters that are named."""
CHARACTER_ERROR = ErrorMeasure(
    "character_error",
    "edit distance over the letters of the true line, mean over lines",
    "lower is better",
    {
        "of": "the likeliest letter at each place, up to the first END",
        "edits": "insertions, deletions and replacements, 1 each",
        "empty_lines": "count as one letter",
    },
    lambda x, output: character_errors(indices(output), indices(x)).double(),
)


@dataclass(frozen=True)
class Letters(Medium):
    """Lines of text ``(letters, length)``, stored as uint8 indices ``(length,)``; model values are one-hot.

    Channel 0 is END, which also fills a line after its last letter, channel 1 any letter that the alphabet does not
    have, written as U+FFFD, and the others are the alphabet in its order. A line that fills all of its length has no
    END. What stands after the first END is no text and never stored.

    Attributes:
        alphabet: The letters, each once; none is a control sign or U+FFFD. At most 254.
        length: Places in a line.

    Raises:
        InputError: The alphabet or the length is no such one.
    """

    noun: ClassVar[str] = "lines"
    values: ClassVar[str] = "letters"
    unit: ClassVar[str] = "one-hot letters"
    error_unit: ClassVar[str] = "of one-hot letters"
    compared_as: ClassVar[str] = "probabilities of letters, and for the character error the likeliest"
    dimensions: ClassVar[int] = 1
    bounded: ClassVar[bool] = False
    collections: ClassVar[tuple[Kind, ...]] = (TEXT, ARRAY)

    alphabet: str = PRINTABLE
    length: int = 64

    def __post_init__(self) -> None:
        twice = [letter for letter, count in Counter(self.alphabet).items() if count > 1]
        unfit = [letter for letter in self.alphabet if not letter.isprintable() or letter == UNKNOWN_LETTER]
        if twice or unfit or not 1 <= len(self.alphabet) <= MOST_LETTERS:
            raise InputError(
                f"an alphabet has 1 to {MOST_LETTERS} printable letters, each once, and not {UNKNOWN_LETTER!r}; this "
                f"one has {len(self.alphabet)}: leave out {', '.join(map(repr, [*twice, *unfit])) or 'some'}"
            )
        if self.length < 1:
            raise InputError(f"a line of letters needs a length of at least 1, not {self.length}")

    @property
    def shape(self) -> Shape:
        """Shape of the model values of a line, ``(letters, length)``."""
        return len(self.alphabet) + SIGNS, self.length

    # values ----------------------------------------------------------------------------------------------------------

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """One-hot letters ``(n, letters, length)`` of indices ``(n, length)``; floats are only cast.

        Raises:
            InputError: The values are no indices of the alphabet.
        """
        if stored.is_floating_point():
            return stored.to(dtype)
        if stored.dtype is not torch.uint8:
            raise InputError(f"letters of type {stored.dtype} are not understood: give indices of letters as uint8")
        return one_hot(stored, len(self.alphabet) + SIGNS).to(dtype)

    def to_stored(self, x: Tensor) -> Tensor:
        """The likeliest letter at each place, and END after the first one: uint8 ``(n, length)``."""
        return indices(x).to(torch.uint8).cpu()

    @property
    def errors(self) -> tuple[ErrorMeasure, ...]:
        """The character error of the likeliest letters."""
        return (CHARACTER_ERROR,)

    # text ------------------------------------------------------------------------------------------------------------

    def stored_of(self, lines: Sequence[str], length: int | None = None) -> Tensor:
        """Indices of the letters of lines, uint8 ``(n, length)``; unknown letters are UNKNOWN.

        Args:
            lines: Text without line breaks.
            length: Places in a line; None for that of the medium.

        Raises:
            InputError: A line is longer.
        """
        length = length or self.length
        stored = torch.full((len(lines), length), END, dtype=torch.uint8)
        for row, line in zip(stored, lines, strict=True):
            if len(line) > length:
                raise InputError(
                    f"the line {line[:40]!r} ... has {len(line)} letters and a line holds {length}: cut it into shorter"
                    " ones"
                )
            row[: len(line)] = torch.tensor([self._places.get(letter, UNKNOWN) for letter in line], dtype=torch.uint8)
        return stored

    def lines_of(self, stored: Tensor) -> list[str]:
        """The lines of indices ``(n, length)``, each up to its first END."""
        signs = "\0" + UNKNOWN_LETTER + self.alphabet
        return ["".join(signs[index] for index in row).partition("\0")[0] for row in stored.tolist()]

    def unknown(self, lines: Sequence[str]) -> Counter[str]:
        """How often letters that the alphabet does not have occur in lines."""
        counts = Counter("".join(lines))
        return Counter({letter: count for letter, count in counts.items() if letter not in self._places})

    def remark(self, lines: Sequence[str]) -> str | None:
        """A sentence that names the letters of lines that the alphabet does not have; None if it has all."""
        if not (unknown := self.unknown(lines)):
            return None
        named = ", ".join(f"{letter!r} ({count:,})" for letter, count in unknown.most_common(LISTED))
        others = " and others" if len(unknown) > LISTED else ""
        return f"letters that the alphabet does not have are read as one sign: {named}{others}"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {letter: index for index, letter in enumerate(self.alphabet, SIGNS)}

    # previews --------------------------------------------------------------------------------------------------------

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Lines of text below each other, with a gap after each `columns` of them; see `page`."""
        return page(self.lines_of(self.to_stored(samples)), columns)

    def log(self, board: Any, tag: str, samples: Tensor, picture: Tensor, step: int) -> None:
        """Write the preview, and the lines as text."""
        super().log(board, tag, samples, picture, step)
        board.add_text(tag, code_block(self.lines_of(self.to_stored(samples))), step)

    # files -----------------------------------------------------------------------------------------------------------

    def write_collection(self, samples: Tensor, target: Path) -> None:
        """Write a line of text for each sample to a .txt file in UTF-8, or indices to a .npy file.

        Raises:
            InputError: The suffix is another one, or the file cannot be written.
        """
        if target.suffix != TEXT.ending:
            super().write_collection(samples, target)
            return
        with writing(target) as file:
            file.write("".join(f"{line}\n" for line in self.lines_of(self.to_stored(samples))).encode())

    def read_collection(self, source: Path) -> Tensor:
        """Read the lines of a .txt file, those that are too long cut at spaces into several; or indices in .npy.

        Raises:
            InputError: The suffix is another one, or the file is missing, damaged or no text in UTF-8.
        """
        if source.suffix != TEXT.ending:
            stored = super().read_collection(source)
            if not stored.is_floating_point() and stored.numel() and int(stored.max()) >= self.shape[0]:
                raise InputError(
                    f"{source} has the letter {int(stored.max())} and the alphabet ends at {self.shape[0] - 1}: give "
                    "lines that were written with the same alphabet"
                )
            return stored
        return self.stored_of([part for line in read_lines(source) for part in cut(line, self.length)])

    def remarks(self, source: Path) -> tuple[str, ...]:
        """How many lines of a .txt file were cut, and the letters that the alphabet does not have."""
        if source.suffix != TEXT.ending:
            return ()
        lines = read_lines(source)
        parts = [cut(line, self.length) for line in lines if len(line) > self.length]
        found = [self.remark(lines)]
        if parts:
            many = f"{len(parts):,} of {len(lines):,} lines have more than {self.length} letters"
            found.append(f"{many} and were cut at spaces into {sum(map(len, parts)):,}")
        return tuple(sentence for sentence in found if sentence is not None)


def indices(x: Tensor) -> Tensor:
    """The likeliest letters of ``(n, letters, length)``, int64 ``(n, length)``, and END after the first one."""
    found = x.detach().argmax(1)
    return torch.where(within_line(found), found, END)


def cut(line: str, length: int) -> list[str]:
    """A line, or its parts of at most a length, cut at spaces where there are some."""
    if len(line) <= length:
        return [line]
    return textwrap.wrap(line, length, break_on_hyphens=False, replace_whitespace=False, expand_tabs=False) or [""]


def read_lines(path: Path) -> list[str]:
    """The lines of a file of text, without their breaks; see `read_text`."""
    lines = read_text(path).split("\n")
    return lines[:-1] if not lines[-1] else lines


def read_text(path: Path) -> str:
    """Read a file of text in UTF-8, with or without a byte order mark; line breaks become line feeds.

    Raises:
        InputError: It is missing or cannot be read, or it is not in UTF-8 or holds a NUL, as no text does.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8, at byte {error.start}: save it as UTF-8, such as by iconv -f latin1 -t utf-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): give a file of text") from error
    if "\0" in text:
        raise InputError(f"{path} is no text, as it holds a NUL: give a file of text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
