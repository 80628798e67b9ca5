"""Letters: lines of text, one-hot in models."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from lightning_gen.alphabet import END, SIGNS, UNKNOWN, one_hot, within_line
from lightning_gen.errors import InputError
from lightning_gen.media.base import ErrorMeasure, Medium
from lightning_gen.media.edits import character_errors
from lightning_gen.outputs import ARRAY, TEXT, Kind, writing
from lightning_gen.records import Shape

PRINTABLE = "".join(map(chr, range(32, 127)))
"""The printable letters of ASCII, the space first."""
UNKNOWN_LETTER = "\N{REPLACEMENT CHARACTER}"
"""How an unknown letter is written."""
MARGIN = 4
"""Pixels around the lines of a preview, and between them."""
MOST_LETTERS = 256 - SIGNS
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

    @cached_property
    def _places(self) -> dict[str, int]:
        return {letter: index for index, letter in enumerate(self.alphabet, SIGNS)}

    # previews --------------------------------------------------------------------------------------------------------

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Lines of text, one below the other, with a gap before each `columns` of them, black on white."""
        font, lines = ImageFont.load_default(), self.lines_of(self.to_stored(samples))
        boxes = [font.getbbox(line or " ") for line in lines]
        width, height = int(max(box[2] for box in boxes)), int(max(box[3] for box in boxes)) + MARGIN
        image = Image.new("L", (width + 2 * MARGIN, height * len(lines) + 2 * MARGIN), 255)
        draw = ImageDraw.Draw(image)
        for index, line in enumerate(lines):
            draw.text((MARGIN, MARGIN + index * height), line, fill=0, font=font)
        return pil_to_tensor(image)

    def log(self, board: Any, tag: str, samples: Tensor, picture: Tensor, step: int) -> None:
        """Write the preview, and the lines as text."""
        super().log(board, tag, samples, picture, step)
        lines = "\n".join(f"    {line}" for line in self.lines_of(self.to_stored(samples)))  # a code block of Markdown
        board.add_text(tag, lines, step)

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
        """Read the lines of a .txt file, or the indices in a .npy file.

        Raises:
            InputError: The suffix is another one, the file is missing or damaged or no text in UTF-8, or a line is too
                long.
        """
        if source.suffix != TEXT.ending:
            return super().read_collection(source)
        lines = read_text(source).split("\n")
        return self.stored_of(lines[:-1] if not lines[-1] else lines)


def indices(x: Tensor) -> Tensor:
    """The likeliest letters of ``(n, letters, length)``, int64 ``(n, length)``, and END after the first one."""
    found = x.detach().argmax(1)
    return torch.where(within_line(found), found, END)


def read_text(path: Path) -> str:
    """Read a file of text in UTF-8, with or without a byte order mark; line breaks become line feeds.

    Raises:
        InputError: It is missing or cannot be read, or it is not in UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text in UTF-8, at byte {error.start}: save it as UTF-8, such as by iconv -f latin1 -t utf-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): give a file of text") from error
