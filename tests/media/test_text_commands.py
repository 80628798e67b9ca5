"""Commands on text: each reads and writes lines of a .txt file with no option more."""

import csv
from pathlib import Path

import numpy as np
import pytest

from lightning_gen import AutoencoderModule
from lightning_gen.applications import index_tables
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck, VectorQuantizer
from lightning_gen.cli import main
from lightning_gen.data import TextLines, WordCounts
from lightning_gen.networks import (
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    DenseEncoder,
    ResidualDecoder,
    ResidualEncoder,
)
from lightning_gen.objectives import CategoricalLikelihood, GaussianLikelihood
from lightning_gen.regularizers import Commitment, KLDivergence

LINES = [f"Number {index} speaks of pears and plums" for index in range(300)]


@pytest.fixture
def train(tmp_path, monkeypatch, trainer):
    """Make the checkpoint of a model of the lines of a file; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    Path("lines.txt").write_text("".join(f"{line}.\n" for line in LINES))
    Path("mine.txt").write_text("speaks of pears\n\nplums \xe9 and a line that is longer than the model's\n")

    def make(module, data):
        run = trainer(max_epochs=-1, max_steps=2, limit_val_batches=1)
        run.fit(module, data)
        run.save_checkpoint("model.ckpt")

    return make


def of_letters():
    return TextLines("lines.txt", length=32, by_sentence=False, batch_size=8)


def variational(shape):
    return AutoencoderModule(
        ConvEncoder(shape, 8, 4),
        ConvDecoder(shape, 4, 4),
        GaussianBottleneck(4),
        {"reconstruction": CategoricalLikelihood(), "kl": KLDivergence()},
    )


def test_lines_are_sampled_reconstructed_embedded_detected_and_evaluated(train, capsys):
    data = of_letters()
    train(variational(data.shape), data)
    main(["sample", "model.ckpt", "--n=5", "--out=new.txt"])
    assert len(Path("new.txt").read_text().split("\n")) == 6
    main(["sample", "model.ckpt", "--n=5", "--out=new.npy"])
    stored = np.load("new.npy")
    assert stored.shape == (5, 32)
    assert data.medium.lines_of(stored) == Path("new.txt").read_text().split("\n")[:-1]
    main(["sample", "model.ckpt", "--n=5", "--out=new.png"])
    capsys.readouterr()

    main(["reconstruct", "model.ckpt", "mine.txt", "--out=copies.txt", "--errors=errors.csv"])
    said = capsys.readouterr()
    assert "1 of 3 lines have more than 32 letters and were cut at spaces into 2" in said.err
    assert "read as one sign: '\xe9' (1)" in said.err
    assert len(Path("copies.txt").read_text().split("\n")) == 5
    main(["reconstruct", "model.ckpt", "new.npy", "--out=copies.png"])

    main(["embed", "model.ckpt", "mine.txt", "--out=codes.npz"])
    assert np.load("codes.npz")["codes"].shape == (4, 4)
    main(["reconstruct", "model.ckpt", "codes.npz", "--out=again.txt"])
    assert Path("again.txt").read_text() == Path("copies.txt").read_text()
    main(["detect", "model.ckpt", "mine.txt", "--out=scores.csv"])
    assert len(list(csv.DictReader(Path("scores.csv").read_text().splitlines()))) == 4
    capsys.readouterr()
    main(["evaluate", "model.ckpt"])
    said = capsys.readouterr().out
    for word in ("character_error", "bits_per_dim", "active_units", "-ELBO in bits per letter"):
        assert word in said


def test_lines_are_compressed_and_back_to_the_reconstructions(train, monkeypatch, capsys):
    pytest.importorskip("constriction")
    monkeypatch.setattr(index_tables, "UPDATES", 5)
    data, options = of_letters(), {"width": 4, "downsamplings": 2}
    module = AutoencoderModule(
        ResidualEncoder(data.shape, 3, **options),
        ResidualDecoder(data.shape, 3, **options),
        VectorQuantizer(3, codes=8),
        {"reconstruction": CategoricalLikelihood(), "commitment": Commitment()},
    )
    train(module, data)
    main(["compress", "model.ckpt", "mine.txt", "--out=mine.lgz"])
    main(["decompress", "mine.lgz", "--checkpoint=model.ckpt", "--out=back.txt"])
    main(["reconstruct", "model.ckpt", "mine.txt", "--out=copies.txt"])
    assert Path("back.txt").read_text() == Path("copies.txt").read_text()
    with pytest.raises(SystemExit):
        main(["decompress", "mine.lgz", "--checkpoint=model.ckpt"])
    assert "lines have no files of their own: give an --out that ends in .txt or .npy" in capsys.readouterr().err


def test_lines_as_counts_of_words_are_read_and_the_heaviest_words_written(train, capsys):
    data = WordCounts("lines.txt", vocabulary=4, batch_size=8)
    parts = DenseEncoder((4,), 3, (8,)), DenseDecoder((4,), 3, (8,)), IdentityBottleneck(3)
    train(AutoencoderModule(*parts, {"error": GaussianLikelihood()}), data)
    main(["embed", "model.ckpt", "mine.txt", "--out=codes.npy"])
    assert np.load("codes.npy").shape == (3, 3)
    assert "1 of 3 lines have no word that the model knows, and are 0" in capsys.readouterr().err
    main(["reconstruct", "model.ckpt", "lines.txt", "--out=words.txt"])
    written = Path("words.txt").read_text().split()
    assert written
    assert set(written) <= set(data.medium.words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mine.txt", "lines.txt"], "lines are read from one file that ends in .txt: give one alone"),
        (["folder"], "lines are read from one file that ends in .txt: give one alone"),
        (["empty.txt"], "empty.txt holds no lines: give a file with some"),
        (["binary.txt"], "binary.txt is no text in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(train, words, expected, capsys):
    Path("folder").mkdir()
    Path("empty.txt").write_text("")
    Path("binary.txt").write_bytes(b"\x80\xff")
    data = of_letters()
    train(variational(data.shape), data)
    with pytest.raises(SystemExit):
        main(["embed", "model.ckpt", *words, "--out=codes.npz"])
    assert expected in capsys.readouterr().err
