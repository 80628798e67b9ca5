"""Lines or sentences of text, as letters."""

from functools import cached_property

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.corpus import origin, read_texts, sentences
from lightning_gen.errors import InputError
from lightning_gen.media import Letters
from lightning_gen.media.letters import PRINTABLE, cut


class TextLines(DataModule):
    """Sentences, or lines, of a text file or of the .txt files below a folder, a sample each.

    Without a path they are sentences of the docstrings of the running Python and of the topics of its ``help()``, which
    no download needs; they depend on its version, which a run prints with a checksum.

    What is longer than `length` - 1 letters is cut at a space into several samples, so that each has its END. Samples
    that occur twice are taken once, so no two splits share one; a seeded permutation makes the splits. Letters that the
    alphabet does not have are read as one sign, and a run names them.

    Attributes:
        path: A text file in UTF-8, or a folder; None for the documentation of the running Python.
        length: Places in a sample, at least 2.
        by_sentence: Whether samples are sentences, with single spaces; else lines as they are.
        shortest: Fewest letters of a sample; shorter ones are left out.
        alphabet: The letters, each once; the printable ones of ASCII by default.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the samples for the validation split, in [0, 1).
        test_fraction: Fraction of the samples for the test split, in [0, 1).
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range; in ``setup``: the file is missing, empty or not in UTF-8, or no sample
            is long enough.
    """

    def __init__(
        self,
        path: str | None = None,
        length: int = 64,
        by_sentence: bool = True,
        shortest: int = 16,
        alphabet: str = PRINTABLE,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(2, "length", length)
        at_least(1, "shortest", shortest)
        check_fractions(val_fraction, test_fraction)
        medium = Letters(alphabet, length)
        super().__init__(
            shape=medium.shape, num_classes=None, batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.medium = medium
        self.path = path
        self.length = length
        self.by_sentence = by_sentence
        self.shortest = shortest
        self.alphabet = alphabet
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction

    @cached_property
    def lines(self) -> list[str]:
        """All samples as text, in the order of the source.

        Raises:
            InputError: There is none.
        """
        texts = read_texts(self.path)
        self._origin = origin(self.path, texts)
        whole = [line for text in texts for line in (sentences(text) if self.by_sentence else text.split("\n"))]
        pieces = [piece for line in whole for piece in cut(line, self.length - 1)]
        found = list(dict.fromkeys(piece for piece in pieces if len(piece) >= self.shortest))
        if not found:
            raise InputError(
                f"no line of {self.path} has {self.shortest} letters or more: lower --data.shortest, or give more text"
            )
        return found

    def splits(self) -> Splits:
        """Read the text and split it."""
        lines = self.lines
        stored = Letters(self.alphabet, self.length).stored_of(lines)
        val, test = (round(len(lines) * fraction) for fraction in (self.val_fraction, self.test_fraction))
        return Splits(*(ArrayDataset(stored, rows=part) for part in split_rows(len(lines), val, test, self.seed)))

    def contents(self) -> list[str]:
        """Where the text comes from, and the letters that the alphabet does not have."""
        found = [f"{len(self.lines):,} lines of {self._origin}"]
        if remark := Letters(self.alphabet, self.length).remark(self.lines):
            found.append(f"{remark}; --data.alphabet names the letters")
        return found
