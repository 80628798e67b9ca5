"""Letters: text is kept to the letter, and edit distances are those of the textbook."""

import numpy as np
import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Letters
from lightning_gen.media.descriptions import described, rebuilt
from lightning_gen.media.edits import character_errors, edit_distances


def textbook(a, b):
    """The table of Wagner and Fischer, one entry at a time."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            other = a[i - 1] != b[j - 1]
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + other)
    return table[-1, -1]


@pytest.mark.parametrize("ending", [".txt", ".npy"])
def test_text_that_is_written_and_read_is_the_same(tmp_path, ending):
    medium = Letters(length=12)
    lines = ["  2 spaces  ", "", "é unknown", "tab\x0bbreak", "twelve signs", "\u2028"]
    stored = medium.stored_of(lines)
    medium.write(medium.to_model(stored), tmp_path / f"a{ending}")
    assert torch.equal(medium.read(tmp_path / f"a{ending}"), stored)


def test_what_reading_changes_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("short\none two three\n\nna\xefve\n", encoding="utf-8")
    medium = Letters(length=8)
    assert medium.lines_of(medium.read(tmp_path / "a.txt")) == ["short", "one two", "three", "", "na\ufffdve"]
    assert medium.remarks(tmp_path / "a.txt") == (
        "letters that the alphabet does not have are read as one sign: '\xef' (1)",
        "1 of 4 lines have more than 8 letters and were cut at spaces into 2",
    )


def test_letters_are_named_one_by_one():
    medium = Letters("ab", 4)
    assert medium.stored_of(["ab", "bca"]).tolist() == [[2, 3, 0, 0], [3, 1, 2, 0]]
    assert medium.unknown(["bca", "c"]) == {"c": 2}
    assert medium.lines_of(torch.tensor([[3, 0, 2, 2]])) == ["b"]  # nothing after END
    assert medium.to_stored(medium.to_model(torch.tensor([[3, 0, 2, 2]], dtype=torch.uint8))).tolist() == [[3, 0, 0, 0]]
    assert rebuilt(described(medium)) == medium


@pytest.mark.parametrize(
    "alphabet", ["", "aa", "a\n", "a\N{REPLACEMENT CHARACTER}", "".join(map(chr, range(400, 800)))]
)
def test_an_alphabet_that_cannot_be_is_refused(alphabet):
    with pytest.raises(InputError, match="an alphabet has 1 to 254 printable letters, each once"):
        Letters(alphabet)


def test_bad_files_are_a_sentence_each(tmp_path):
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin1"))
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    np.save(tmp_path / "others.npy", np.full((1, 64), 97, dtype=np.uint8))
    with pytest.raises(InputError, match="is no text in UTF-8, at byte 3: save it as UTF-8"):
        Letters().read(tmp_path / "latin.txt")
    with pytest.raises(InputError, match="is no text, as it holds a NUL"):
        Letters().read(tmp_path / "binary.txt")
    with pytest.raises(InputError, match="has the letter 97 and the alphabet ends at 96"):
        Letters().read(tmp_path / "others.npy")
    with pytest.raises(InputError, match="has 65 letters and a line holds 64"):
        Letters().stored_of(["x" * 65])
    with pytest.raises(InputError, match="cannot be read"):
        Letters().read(tmp_path / "none.txt")


def test_edit_distances_are_those_of_the_textbook():
    rng, medium = np.random.default_rng(0), Letters("abc", 9)
    lines = [["".join(rng.choice(list("abc"), rng.integers(0, 10))) for _ in range(60)] for _ in range(2)]
    a, b = (medium.stored_of(each).long() for each in lines)
    assert edit_distances(a, b).tolist() == [textbook(*pair) for pair in zip(*lines, strict=True)]


def test_a_decoder_that_says_only_end_has_the_error_1():
    medium = Letters("abc", 5)
    true = medium.stored_of(["abca", "b"]).long()
    assert character_errors(torch.zeros_like(true), true).tolist() == [1, 1]
    assert character_errors(true, true).tolist() == [0, 0]


def test_a_preview_shows_each_line():
    medium = Letters()
    one, two = (medium.preview(medium.to_model(medium.stored_of(["some words"] * n))) for n in (1, 2))
    assert one.dtype == torch.uint8
    assert two.shape[1] > one.shape[1]
    assert (one < 128).any()
