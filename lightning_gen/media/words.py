"""Words: how often each word of a vocabulary occurs in a text, weighed in models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.base import Medium
from lightning_gen.media.letters import read_lines
from lightning_gen.media.text_page import code_block, page
from lightning_gen.outputs import ARRAY, TEXT, Kind, writing

if TYPE_CHECKING:  # it takes long to import
    from sklearn.feature_extraction.text import CountVectorizer

MOST = 255
"""A word that occurs more often in a text counts so many times."""
SHOWN = 12
"""Words of a text that are shown."""


@dataclass(frozen=True)
class Words(Medium):
    """Texts as counts of words ``(words,)``, stored as uint8; model values are weighed and of Euclidean length 1.

    With the weights of scikit-learn's ``TfidfTransformer`` model values are tf-idf; a text without any word of the
    vocabulary is 0.

    Attributes:
        words: The vocabulary, in lower case.
        weights: A factor for the count of each word.

    Raises:
        InputError: There is no word, or another number of weights.
    """

    noun: ClassVar[str] = "texts"
    values: ClassVar[str] = "counts"
    unit: ClassVar[str] = "weighed counts of words"
    error_unit: ClassVar[str] = "of weighed counts of words"
    compared_as: ClassVar[str] = "weighed counts as they are"
    dimensions: ClassVar[int] = 0
    bounded: ClassVar[bool] = False
    collections: ClassVar[tuple[Kind, ...]] = (TEXT, ARRAY)

    words: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("words", "weights"):  # lists, as plain data in files are, become tuples
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.words or len(self.words) != len(self.weights):
            raise InputError(
                f"counts of words need a vocabulary and a weight for each word, not {len(self.words)} words and "
                f"{len(self.weights)} weights"
            )

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Weighed counts of length 1, ``(n, words)``, of counts; floats are only cast."""
        if stored.is_floating_point():
            return stored.to(dtype)
        weighed = stored.float() * torch.tensor(self.weights, device=stored.device)
        return torch.nn.functional.normalize(weighed).to(dtype)

    def to_stored(self, x: Tensor) -> Tensor:
        """The weighed counts as they are: the length of a text cannot be told from them."""
        return x.detach().cpu()

    def counted(self, texts: Sequence[str]) -> Tensor:
        """The counts of the words of texts, uint8 ``(n, words)``."""
        counts = counter(self.words).transform(texts)
        counts.data.clip(0, MOST, out=counts.data)
        return torch.from_numpy(counts.astype("uint8").toarray())  # few words of many: small until here

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """The heaviest words of each text, a line each; see `page`."""
        return page(self.lines_of(samples), columns)

    def log(self, board: Any, tag: str, samples: Tensor, picture: Tensor, step: int) -> None:
        """Write the preview, and the words as text."""
        super().log(board, tag, samples, picture, step)
        board.add_text(tag, code_block(self.lines_of(samples)), step)

    def lines_of(self, samples: Tensor) -> list[str]:
        """The heaviest words of each of the model values ``(n, words)``."""
        return [" ".join(self.heaviest(row)) for row in samples.detach().float().cpu()]

    def heaviest(self, row: Tensor) -> list[str]:
        """The words of the largest model values of one text, heaviest first; words that do not occur are left out."""
        values, places = row.topk(min(SHOWN, len(row)))
        return [self.words[place] for place, value in zip(places.tolist(), values.tolist(), strict=True) if value > 0]

    def write_collection(self, samples: Tensor, target: Path) -> None:
        """Write the heaviest words of each text to a line of a .txt file, or weighed counts to a .npy file.

        Raises:
            InputError: The suffix is another one, or the file cannot be written.
        """
        if target.suffix != TEXT.ending:
            super().write_collection(samples, target)
            return
        with writing(target) as file:
            file.write("".join(f"{line}\n" for line in self.lines_of(samples)).encode())

    def read_collection(self, source: Path) -> Tensor:
        """Count the words in each line of a .txt file, or read a .npy file.

        Raises:
            InputError: The suffix is another one, or the file is missing, damaged or no text in UTF-8.
        """
        return self.counted(read_lines(source)) if source.suffix == TEXT.ending else super().read_collection(source)

    def remarks(self, source: Path) -> tuple[str, ...]:
        """How many lines of a .txt file have no word of the vocabulary."""
        if source.suffix != TEXT.ending:
            return ()
        counts = self.read_collection(source)
        without = int((counts == 0).all(1).sum())
        remark = f"{without:,} of {len(counts):,} lines have no word that the model knows, and are 0"
        return (remark,) if without else ()


def counter(vocabulary: Sequence[str] | None = None, **options: int) -> "CountVectorizer":
    """What counts words, runs of two or more letters or digits in lower case; common English words are left out."""
    from sklearn.feature_extraction.text import CountVectorizer  # here: it takes long to import

    return CountVectorizer(vocabulary=vocabulary, stop_words="english", **options)
