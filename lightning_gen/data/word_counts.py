"""Sentences or documents as counts of their words."""

from functools import cached_property

from lightning_gen.data.base import ArrayDataset, DataModule, Splits, at_least, check_fractions, split_rows
from lightning_gen.data.corpus import origin, read_texts, sentences
from lightning_gen.errors import InputError
from lightning_gen.media import Medium, Words
from lightning_gen.media.words import counter

FEWEST = 3
"""Fewest words of the vocabulary in a sample."""


class WordCounts(DataModule):
    """Counts of words in sentences, or in whole documents, of a text file or of the .txt files below a folder.

    Without a path the documents are the docstrings of the running Python and the topics of its ``help()``; with one,
    paragraphs, which empty lines part. The vocabulary is that of the most frequent words of the *training* split
    without common English ones, weighed by their inverse document frequency there, and travels in the checkpoint.

    Attributes:
        path: A text file in UTF-8, or a folder; None for the documentation of the running Python.
        vocabulary: Number of words; the text must have as many.
        by_sentence: Whether samples are sentences; else documents.
        batch_size: Samples per optimizer step over all devices.
        val_fraction: Fraction of the samples for the validation split, in [0, 1).
        test_fraction: Fraction of the samples for the test split, in [0, 1).
        seed: Seed of the splits and of the order of the training samples.
        num_workers: Processes that load batches.

    Raises:
        InputError: An argument is out of range; in ``setup``: the file is missing, empty or not in UTF-8, or has too
            few words.
    """

    def __init__(
        self,
        path: str | None = None,
        vocabulary: int = 2000,
        by_sentence: bool = True,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        at_least(2, "vocabulary", vocabulary)
        check_fractions(val_fraction, test_fraction)
        super().__init__(
            shape=(vocabulary,), num_classes=None, batch_size=batch_size, seed=seed, num_workers=num_workers
        )
        self.path = path
        self.vocabulary = vocabulary
        self.by_sentence = by_sentence
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction

    @property
    def medium(self) -> Medium:
        """The vocabulary with its weights; the first time this reads the text."""
        return self._medium or self._words

    @medium.setter
    def medium(self, medium: Medium | None) -> None:
        """Set it; None for the vocabulary of the text."""
        self._medium = medium

    @cached_property
    def documents(self) -> list[str]:
        """All samples as text, each once, in the order of the source."""
        texts = read_texts(self.path)
        self._origin = origin(self.path, texts)
        parts = texts if self.path is None else [part for text in texts for part in text.split("\n\n")]
        found = [each for part in parts for each in (sentences(part) if self.by_sentence else [part])]
        return list(dict.fromkeys(" ".join(each.split()) for each in found if each.strip()))

    @cached_property
    def _rows(self) -> list[list[int]]:
        count = len(self.documents)
        val, test = round(count * self.val_fraction), round(count * self.test_fraction)
        return [part.tolist() for part in split_rows(count, val, test, self.seed)]

    @cached_property
    def _words(self) -> Words:
        from sklearn.feature_extraction.text import TfidfTransformer  # here: it takes long to import

        training = [self.documents[row] for row in self._rows[0]]
        counts = counter(max_features=self.vocabulary)
        try:
            table = counts.fit_transform(training)
        except ValueError as error:
            raise InputError(f"{self.path} holds no words but common ones ({error}): give more text") from error
        words = counts.get_feature_names_out()
        if len(words) < self.vocabulary:
            raise InputError(
                f"the training split has {len(words):,} words and the vocabulary would have {self.vocabulary:,}: lower "
                f"--data.vocabulary to {len(words)} or less, or give more text"
            )
        weights = TfidfTransformer().fit(table).idf_
        return Words(tuple(map(str, words)), tuple(float(f"{weight:.6g}") for weight in weights))

    def splits(self) -> Splits:
        """Count the words; samples with fewer than three words of the vocabulary are left out."""
        stored = self._words.counted(self.documents)
        enough = (stored > 0).sum(1) >= FEWEST
        kept = [[row for row in rows if enough[row]] for rows in self._rows]
        return Splits(*(ArrayDataset(stored[rows]) for rows in kept))

    def contents(self) -> list[str]:
        """Where the text comes from."""
        what = "sentences" if self.by_sentence else "documents"
        return [f"{len(self.documents):,} {what} of {self._origin}, {self.vocabulary:,} words"]
