"""Character errors and ROUGE: against the textbook, an independent implementation, and by hand."""

import random

import pytest

from lightning_gen.errors import InputError
from lightning_gen.media import Letters
from lightning_gen.metrics import character_error, reconstruction_error, rouge
from lightning_gen.metrics.text import rouge_each

WORDS = ("the", "The", "sum", "list's", "of-x", "3.5", "return", "é", "_a_")


def lines(medium, *texts):
    return medium.to_model(medium.stored_of(texts))


def test_the_character_error_is_the_mean_over_lines_of_edits_over_letters():
    medium = Letters("abcde", 6)
    pairs = [(lines(medium, "abcd"), lines(medium, "abd")), (lines(medium, "ab", ""), lines(medium, "ba", "c"))]
    found = character_error(pairs)
    assert found.mean == pytest.approx((1 / 4 + 2 / 2 + 1 / 1) / 3)
    (measurement,) = found.measurements()
    assert measurement.name == "character_error"
    assert found.protocol["empty_lines"] == "count as one letter"
    own = reconstruction_error(pairs, medium).others
    assert [each.mean for each in own] == [found.mean], "evaluate tells the same"


def test_nothing_to_compare_is_refused():
    with pytest.raises(InputError, match="there is no line to compare"):
        character_error([])
    with pytest.raises(InputError, match="there is no text to compare"):
        rouge([])


def test_rouge_is_that_of_an_independent_implementation():
    scorers = pytest.importorskip("rouge_score.rouge_scorer")
    scorer = scorers.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    source = random.Random(0)
    for _ in range(200):
        one, other = (" ".join(source.choices(WORDS, k=source.randint(0, 9))) for _ in range(2))
        theirs = scorer.score(one, other)
        assert rouge_each(one, other) == pytest.approx([theirs[k].fmeasure for k in ("rouge1", "rouge2", "rougeL")])


def test_rouge_by_hand():
    found = rouge([("the cat sat", "the cat"), ("a b", "c d")])
    assert found.rouge_1 == pytest.approx((2 * (2 / 3) / (1 + 2 / 3) + 0) / 2)
    assert found.rouge_2 == pytest.approx((2 * 0.5 / 1.5 + 0) / 2)
    assert found.rouge_l == pytest.approx(found.rouge_1)
    assert rouge_each("a b c", "c b a") == pytest.approx((1, 0, 1 / 3))
    assert [each.name for each in found.measurements()] == ["rouge_1", "rouge_2", "rouge_l"]
    assert found.protocol["samples"] == 2
    assert "neither stemmed" in found.protocol["words"]
