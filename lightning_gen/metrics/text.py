"""How far texts are from others: letters that differ, and words and sequences of words that they share."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.media.letters import CHARACTER_ERROR
from lightning_gen.metrics.reconstruction import MeanError, mean_error
from lightning_gen.metrics.report import Measured, Measurement


def character_error(pairs: Iterable[tuple[Tensor, Tensor]]) -> MeanError:
    """The edit distance of lines over the letters of the true ones, mean over lines.

    Binary codes capable of correcting deletions, insertions, and reversals, Levenshtein 1966.

    Args:
        pairs: Batches of true lines and of others, both ``(n, letters, length)``, of which the likeliest letters count.

    Raises:
        InputError: There is no line.
    """
    return mean_error(CHARACTER_ERROR, pairs, "line")


@dataclass(frozen=True)
class Rouge(Measured):
    """The result of `rouge`, each an F1 score in [0, 1], mean over the pairs of texts.

    Attributes:
        rouge_1: Of words.
        rouge_2: Of pairs of words that follow each other.
        rouge_l: Of the longest common subsequence of words.
        samples: Number of pairs.
    """

    rouge_1: float
    rouge_2: float
    rouge_l: float
    samples: int

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was measured."""
        return {
            "score": "F1, mean over pairs",
            "words": "runs of a to z and 0 to 9 in lower case, neither stemmed nor left out",
            "rouge_l": "of whole texts, not sentence by sentence",
            "samples": self.samples,
        }

    def measurements(self) -> tuple[Measurement, ...]:
        """The numbers with their meanings."""
        shared = {
            "rouge_1": "words",
            "rouge_2": "pairs of words that follow each other",
            "rouge_l": "the longest common subsequence of words",
        }
        return tuple(
            Measurement(name, getattr(self, name), f"F1 score of {what}, mean over texts, higher is better")
            for name, what in shared.items()
        )


def rouge(pairs: Iterable[tuple[str, str]]) -> Rouge:
    """Compare texts, such as summaries, with references by the words that they share.

    ROUGE: a package for automatic evaluation of summaries, Lin 2004 (https://aclanthology.org/W04-1013), with one
    reference for each text. Published scores are often of stemmed words, and are other numbers.

    Args:
        pairs: References, and the texts that are compared with them.

    Raises:
        InputError: There is no pair.
    """
    scores = [rouge_each(reference, text) for reference, text in pairs]
    if not scores:
        raise InputError("there is no text to compare: give pairs of a reference and a text")
    rouge_1, rouge_2, rouge_l = (fmean(each) for each in zip(*scores, strict=True))
    return Rouge(rouge_1, rouge_2, rouge_l, len(scores))


def rouge_each(reference: str, text: str) -> tuple[float, float, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one pair, F1 scores; 0 where one of them has no word, or no pair of words.

    >>> rouge_each("Return the sum of a list", "the sum of the list")
    (0.7272727272727273, 0.4444444444444444, 0.7272727272727273)
    """
    one, other = words(reference), words(text)
    return (
        f1(shared(one, other, 1), len(one), len(other)),
        f1(shared(one, other, 2), len(one) - 1, len(other) - 1),
        f1(common(one, other), len(one), len(other)),
    )


def words(text: str) -> list[str]:
    """The runs of letters a to z and digits of a text in lower case."""
    return re.findall(r"[a-z0-9]+", text.lower())


def shared(one: Sequence[str], other: Sequence[str], length: int) -> int:
    """The number of sequences of so many words that both have, each as often as in the one that has it less often."""
    return sum((sequences(one, length) & sequences(other, length)).values())


def sequences(found: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    """How often each sequence of so many words occurs."""
    return Counter(tuple(found[start : start + length]) for start in range(len(found) - length + 1))


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        above = row
        row = [0]
        for place, each in enumerate(other):
            row.append(above[place] + 1 if word == each else max(above[place + 1], row[place]))
    return row[-1]


def f1(hits: int, one: int, other: int) -> float:
    """The harmonic mean of hits / one and hits / other; 0 without hits."""
    return 2 * hits / (one + other) if hits else 0.0
