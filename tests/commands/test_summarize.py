"""The command ``summarize``: which sentences it chooses, where it writes them, and its checks."""

import numpy as np
import pytest

from lightning_gen import AutoencoderModule
from lightning_gen.applications.summary import chosen
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.cli import main
from lightning_gen.data import Digits, TextLines, WordCounts
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import GaussianLikelihood

FRUIT = [f"Ripe {fruit} grow on tall trees in warm {place}." for fruit in ("pears", "plums") for place in "abcdefghij"]
BOOK = " ".join(
    [
        "Apples and pears ripen on trees.",
        "The weather was fine, said Mr. Hill.",
        "Trees bear apples, pears and plums.",
        "Pears ripen.",
        "Nothing else happened!",
    ]
)


@pytest.fixture
def here(tmp_path, monkeypatch, trainer):
    """A folder with models of words, of letters and of digits, and a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fruit.txt").write_text(" ".join([*FRUIT * 2, BOOK]))
    (tmp_path / "book.txt").write_text(BOOK)
    for name, data in (
        ("words", WordCounts("fruit.txt", vocabulary=8, batch_size=4)),
        ("letters", TextLines("fruit.txt", batch_size=4)),
        ("digits", Digits(size=8)),
    ):
        shape = tuple(data.shape)
        parts = DenseEncoder(shape, 3, (8,)), DenseDecoder(shape, 3, (8,)), IdentityBottleneck(3)
        run = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
        run.fit(AutoencoderModule(*parts, {"error": GaussianLikelihood()}), data)
        run.save_checkpoint(f"{name}.ckpt")
    return tmp_path


def summarized(capsys, *words):
    capsys.readouterr()
    main(["summarize", *words])
    return capsys.readouterr().out.splitlines()


def test_sentences_of_the_text_are_printed_in_its_order(here, capsys):
    sentences = ["Apples and pears ripen on trees.", "Trees bear apples, pears and plums.", "Pears ripen."]
    for count in (1, 2, 3):
        found = summarized(capsys, "words.ckpt", "book.txt", f"--sentences={count}")
        assert len(found) == count
        places = [sentences.index(each) for each in found]
        assert places == sorted(places)
    assert summarized(capsys, "words.ckpt", "book.txt") == sentences, "three; others have no known word"


def test_sentences_go_into_a_file_that_is_not_replaced_unasked(here, capsys):
    said = summarized(capsys, "words.ckpt", "book.txt", "--sentences=2", "--out=short.txt")
    assert said == ["2 of 3 sentences in short.txt, not from 2 without a word that the model knows"]
    assert (here / "short.txt").read_text().splitlines() == summarized(
        capsys, "words.ckpt", "book.txt", "--sentences=2"
    )
    with pytest.raises(SystemExit):
        main(["summarize", "words.ckpt", "book.txt", "--out=short.txt"])
    assert "short.txt exists: give another --out, or add --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["digits.ckpt", "book.txt"], "the model reads images, not counts of words: train one that does"),
        (["letters.ckpt", "book.txt"], "the model reads lines, not counts of words: train one that does"),
        (["words.ckpt", "empty.txt"], "empty.txt has 0 sentences with words that the model knows"),
        (["words.ckpt", "binary.txt"], "binary.txt is no text, as it holds a NUL"),
        (["words.ckpt", "latin.txt"], "latin.txt is no text in UTF-8, at byte 3"),
        (["words.ckpt", "none.txt"], "none.txt cannot be read (No such file or directory)"),
        (["words.ckpt", "book.txt", "--sentences=4"], "has 3 sentences with words that the model knows, and"),
        (["words.ckpt", "book.txt", "--sentences=0"], "--sentences must be at least 1, not 0"),
        (["words.ckpt", "book.txt", "--relevance=1.5"], "--relevance must be from 0 to 1, not 1.5"),
        (["words.ckpt", "book.txt", "--out=a.pdf"], "--out a.pdf is a text: give a name that ends in .txt"),
        (["words.ckpt", "book.txt", "--out=book.txt", "--overwrite"], "book.txt is one of the inputs and would be"),
    ],
)
def test_bad_input_is_a_sentence(here, capsys, words, expected):
    (here / "empty.txt").write_text("")
    (here / "binary.txt").write_bytes(b"\x7fELF\0\0")
    (here / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(SystemExit) as end:
        main(["summarize", *words])
    assert end.value.code == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error: ")]
    assert expected in line
    assert (here / "book.txt").read_text() == BOOK


def test_what_is_like_a_chosen_one_is_left_to_others():
    codes = np.array([[1, 0.1], [1, 0.11], [0.1, 1], [-1, -1]])
    assert chosen(codes, 1) in ([0], [1], [2])
    assert set(chosen(codes, 2, 0.5)) & {2}, "not both of two that are alike"
    assert chosen(codes, 4) == [0, 1, 2, 3]
    assert chosen(np.zeros((3, 2)), 2) == [0, 1], "codes of nothing are no error"


def test_of_equal_ones_the_earlier_is_taken():
    """Sentences without a common word are all as near to their centroid, but for rounding."""
    for n in range(2, 40):
        assert chosen(np.eye(n), 1) == [0]


def test_relevance_alone_takes_those_nearest_to_the_centroid():
    codes = np.random.default_rng(0).normal(size=(30, 5)) + 0.5
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    nearest = (unit @ unit.mean(0)).argsort()[::-1]
    for count in (1, 4, 30):
        assert chosen(codes, count, 1.0) == sorted(nearest[:count])


def test_the_first_two_are_the_best_of_all_pairs_that_begin_with_the_nearest():
    codes = np.random.default_rng(1).normal(size=(12, 3))
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    centre = unit.mean(0) / np.linalg.norm(unit.mean(0))
    first = int((unit @ centre).argmax())
    value = {
        other: 0.7 * unit[other] @ centre - 0.3 * unit[other] @ unit[first] for other in range(12) if other != first
    }
    assert chosen(codes, 2) == sorted([first, max(value, key=value.get)])
    assert all(len(set(chosen(codes, count))) == count for count in range(1, 13))
