"""Text as letters and as counts of words."""

import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from lightning_gen.data import TextLines, WordCounts
from lightning_gen.data.corpus import sentences
from lightning_gen.errors import InputError

TEXT = "".join(f"Line number {i} speaks of apples, pears and {i} plums.\n" for i in range(80))


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT + TEXT, encoding="utf-8")
    return str(tmp_path / "book.txt")


def test_no_line_is_in_two_splits_and_none_is_lost(book):
    data = TextLines(book, by_sentence=False)
    data.setup()
    found = [data.medium.lines_of(part[:].x) for part in (data.train_set, data.val_set, data.test_set)]
    assert sorted(line for part in found for line in part) == sorted(TEXT.splitlines())
    assert data.scaled(data.test_set[:]).x.shape == (8, *data.shape)


def test_long_lines_are_cut_at_spaces(tmp_path):
    (tmp_path / "a.txt").write_text("one two three four five six")
    data = TextLines(str(tmp_path), length=10, shortest=1, by_sentence=False)
    assert data.lines == ["one two", "three", "four five", "six"]


def test_unknown_letters_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("Wie sch\xf6n, wie sch\xf6n ist das heute\n" * 3, encoding="utf-8")
    data = TextLines(str(tmp_path / "a.txt"), by_sentence=False, val_fraction=0, test_fraction=0)
    assert any("letters that the alphabet does not have" in line and "'\xf6' (2)" in line for line in data.contents())


def test_bad_text_is_a_sentence(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for name, said in (("empty", "holds no text"), ("latin", "no text in UTF-8"), ("none", "cannot be read")):
        with pytest.raises(InputError, match=said):
            TextLines(str(tmp_path / f"{name}.txt")).setup()


def test_sentences_end_where_they_end():
    text = "Mr. Smith came, e.g. by train. He (J. Smith) left!  Why?\n\nA title\n\nvalue 3.5 is fine. so it goes"
    assert sentences(text) == [
        *("Mr. Smith came, e.g. by train.", "He (J. Smith) left!", "Why?", "A title"),
        "value 3.5 is fine. so it goes",
    ]


def test_model_values_are_those_of_scikit_learn(book):
    data = WordCounts(book, vocabulary=8)
    training = [data.documents[row] for row in data._rows[0]]
    expected = TfidfVectorizer(stop_words="english", max_features=8).fit(training)
    medium = data.medium
    assert list(medium.words) == expected.get_feature_names_out().tolist()
    theirs = torch.from_numpy(expected.transform(data.documents).toarray()).float()
    torch.testing.assert_close(medium.to_model(medium.counted(data.documents)), theirs, atol=1e-5, rtol=0)


def test_too_large_a_vocabulary_is_a_sentence(book):
    with pytest.raises(InputError, match=r"lower --data.vocabulary to \d+ or less"):
        WordCounts(book, vocabulary=5000).setup()
