"""What text is measured beside: n-grams by hand, and a dictionary."""

import itertools

import pytest
import text


def test_the_probabilities_of_n_grams_are_a_distribution_and_those_by_hand():
    model = text.WittenBell([[2, 3, 0], [2, 2, 0]], context=1, letters=4)
    for before in (-1, 0, 1, 2, 3):
        assert sum(model.probability((before,), letter) for letter in range(4)) == pytest.approx(1)
    unigram = (3 + 3 / 4) / (6 + 3)  # letter 2 is 3 of 6, of 3 kinds
    assert model.probability((-1,), 2) == pytest.approx((2 + unigram) / (2 + 1))
    assert model.probability((1,), 2) == pytest.approx(unigram), "a context that never occurred"


def test_more_letters_before_tell_more_of_a_text_with_structure():
    lines = [[*(2 + place % 3 for place in range(12)), 0] for _ in range(50)]
    bits = [text.WittenBell(lines, context, 6).bits(lines) for context in (0, 1, 2)]
    assert bits[0] > bits[1] > 0
    assert bits[1] < 0.5


def test_a_dictionary_mends_one_edit_by_the_most_frequent_word_and_leaves_the_rest():
    known = text.Dictionary(["the cat sat on the mat", "the bat"])
    for typo in ("thhe", "te", "tze", "hte"):
        assert known.mended(f"on {typo} mat!") == "on the mat!"
    assert known.mended("qqqqq the") == "qqqqq the"
    assert known.mended("zat") in {"cat", "sat", "mat", "bat"}


def test_a_docstring_is_its_first_line_and_at_least_three_sentences():
    short = "First.\n\nOne. Two."
    long = "First.\n\nOne. Two.\n\nThree."
    unfit = "First\ngoes on.\n\nOne. Two. Three."
    assert text.pairs_of([short, long, unfit, long]) == [("First.", ["One.", "Two.", "Three."])]


def test_the_best_choice_is_a_bound_of_any():
    scores = [[(0.1, 0.0, 0.1), (0.4, 0.2, 0.3)], [(0.5, 0.1, 0.2), (0.2, 0.3, 0.1)]]
    best = text.means([[max(kind) for kind in zip(*each, strict=True)] for each in scores])
    for places in itertools.product(range(2), repeat=2):
        found = text.means([each[place] for each, place in zip(scores, places, strict=True)])
        assert all(found[name] <= best[name] for name in best)
