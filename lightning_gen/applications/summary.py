"""Summaries of texts by their own sentences, which an autoencoder of counts of words chooses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightning_gen.applications.embedding import embed, require_encoder
from lightning_gen.applications.inputs import Inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.corpus import sentences
from lightning_gen.errors import InputError
from lightning_gen.media.letters import read_text

RELEVANCE = 0.7
"""Weight of a sentence's similarity to the whole text; the rest is that of its difference from chosen ones."""
DIGITS = 9
"""Decimal places to which similarities count, so that rounding decides between no equal ones."""


@dataclass(frozen=True)
class Summary:
    """The sentences that stand for a text.

    Attributes:
        sentences: They, in the order of the text.
        among: Number of sentences that they were chosen from.
        without: Number of sentences that have no word of the model's vocabulary, of which none was chosen.
    """

    sentences: tuple[str, ...]
    among: int
    without: int


def summary(trained: Trained, path: Path, count: int, relevance: float = RELEVANCE) -> Summary:
    """Choose the sentences of a file of text that stand for it.

    The sentences are coded by the autoencoder, as in Text summarization using unsupervised deep learning, Yousefi-Azar
    and Hamey 2017 (https://doi.org/10.1016/j.eswa.2016.10.017); unlike it, they are compared with all sentences of the
    text (with its title or query), and `chosen` avoids repetition.

    Args:
        trained: An autoencoder of counts of words.
        path: The file, in UTF-8.
        count: Number of sentences.
        relevance: See `chosen`.

    Raises:
        InputError: The model has no encoder or is of other samples, or the file is no text or has too few sentences.
    """
    require_encoder(trained)
    counts = trained.medium.counted
    counts([])  # a model of other samples is told before the file is read
    found = list(dict.fromkeys(sentences(read_text(path))))
    known = [index for index, known in enumerate((counts(found) > 0).any(1).tolist()) if known] if found else []
    if len(known) < count:
        raise InputError(
            f"{path} has {len(known):,} sentences with words that the model knows, and --sentences asks for {count:,}: "
            "ask for fewer, or give a longer text"
        )
    picked = chosen(codes_of(trained, [found[index] for index in known]), count, relevance)
    return Summary(tuple(found[known[index]] for index in picked), len(known), len(found) - len(known))


def codes_of(trained: Trained, texts: list[str]) -> NDArray[np.float32]:
    """The codes of texts ``(n, d)``, less that of no words, so that an angle tells of words and not of biases."""
    stored = ArrayDataset(trained.medium.counted([*texts, ""]))
    codes = embed(Inputs([*map(str, range(len(stored)))], stored, None, None, trained)).codes
    return codes[:-1] - codes[-1]


def chosen(codes: NDArray[np.float32], count: int, relevance: float = RELEVANCE) -> list[int]:
    """The places of codes that are near the centroid of all, and not near each other, in increasing order.

    The next one is always that with the largest relevance · (cosine to the centroid) - (1 - relevance) · (largest
    cosine to a chosen one), the maximal marginal relevance: The use of MMR, diversity-based reranking for reordering
    documents and producing summaries, Carbonell and Goldstein 1998 (https://doi.org/10.1145/290941.291025), with the
    centroid as its query, as in Centroid-based summarization of multiple documents, Radev et al. 2004
    (https://doi.org/10.1016/j.ipm.2003.10.006). Of equal ones the earlier is taken.

    Args:
        codes: ``(n, d)``, at least `count`.
        count: How many.
        relevance: In [0, 1]; 1 takes the nearest to the centroid, however alike.
    """
    unit = normalized(codes.astype(np.float64))
    relevant = unit @ normalized(unit.mean(0, keepdims=True))[0]
    nearest = np.zeros(len(unit))  # the largest cosine to a chosen one
    left = np.ones(len(unit), dtype=bool)
    for turn in range(count):
        marginal = relevance * relevant - (1 - relevance) * nearest
        best = int(np.where(left, marginal.round(DIGITS), -np.inf).argmax())
        left[best] = False
        similar = unit @ unit[best]
        nearest = similar if turn == 0 else np.maximum(nearest, similar)
    return np.flatnonzero(~left).tolist()


def normalized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of Euclidean length 1; rows of 0 stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
