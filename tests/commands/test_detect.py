"""The command ``detect``: its table, its maps, its report, and its checks."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from lightning_gen import AutoencoderModule, GANModule
from lightning_gen.applications import Trained, read_inputs
from lightning_gen.applications.anomaly_scores import SCORES
from lightning_gen.applications.detector import Detector
from lightning_gen.applications.inversion import Inversion
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.cli import main
from lightning_gen.commands.detect import detect
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood
from lightning_gen.samplers import GaussianMixtureSampler


@pytest.fixture
def checkpoint(autoencoder, trainer, tmp_path, monkeypatch):
    """Make the checkpoint of an autoencoder of digits; the tests run in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def make(module=None, steps=20):
        once = trainer(max_steps=steps, limit_val_batches=0)
        once.fit(module or autoencoder(), Digits(size=8))
        once.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return make


def table(path="scores.csv"):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def noise(path, count=30, seed=5):
    np.save(path, np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8))
    return str(path)


def test_the_table_has_each_sample_in_order_and_flags_by_the_p_value(checkpoint, capsys):
    path = checkpoint()
    detect(path, ["test"], false_alarms=0.1)
    rows = table()
    data = Digits(size=8)
    data.setup()
    assert [row["name"] for row in rows] == data.sample_names("test")
    assert list(rows[0]) == ["name", "score", "p_value", "flagged"]
    assert [row["flagged"] for row in rows] == [str(int(float(row["p_value"]) <= 0.1)) for row in rows]
    flagged = sum(row["flagged"] == "1" for row in rows)
    assert f"{flagged} of {len(rows)} samples are flagged" in capsys.readouterr().out
    assert 0.02 < flagged / len(rows) < 0.25  # of normal samples a tenth
    ordered = sorted(rows, key=lambda row: float(row["score"]))
    assert [float(row["p_value"]) for row in ordered] == sorted((float(row["p_value"]) for row in rows), reverse=True)


@pytest.mark.parametrize("score", ["reconstruction", "code", "combined"])
def test_the_area_of_the_written_column_is_that_of_the_raw_scores(checkpoint, score):
    """Scores are neither clipped nor rounded, which would make ties."""
    path = checkpoint()
    detect(path, ["test"], score=score)
    detect(path, [noise("noise.npy")], out="noise.csv", score=score)
    trained = Trained.open(path)
    density = trained.module.fitted_sampler(GaussianMixtureSampler)
    detector = Detector.calibrated(SCORES[score], density, read_inputs(trained, "val"), 0.05)
    raw = [detector.scores(read_inputs(trained, each)).numpy() for each in ("test", "noise.npy")]
    columns = [np.array([float(row["score"]) for row in table(each)]) for each in ("scores.csv", "noise.csv")]
    truth = np.r_[np.zeros(len(raw[0])), np.ones(len(raw[1]))]
    assert roc_auc_score(truth, np.concatenate(columns)) == roc_auc_score(truth, np.concatenate(raw))
    assert np.array_equal(np.concatenate(columns), np.concatenate(raw))


def test_noise_is_found_and_compared_with_pca_and_with_what_needs_no_training(checkpoint, capsys):
    detect(checkpoint(steps=400), ["test"], abnormal=noise("noise.npy"), output="card.json")
    report = json.loads(Path("card.json").read_text())
    figures, card = report["figures"], report["card"]
    assert figures["auroc"] > 0.95
    assert figures["auroc_low"] < figures["auroc"] <= figures["auroc_high"]
    assert figures["detection_rate"] > 0.5
    for row in ("pca_", "brightness_", "png_size_"):
        assert 0 <= figures[f"{row}auroc"] <= 1
    assert figures["png_size_auroc"] > 0.9  # noise compresses badly
    assert card["pca"]["dimensions"] == 3
    assert card["score"].startswith("combined: ")
    assert "this model" in capsys.readouterr().out


def test_without_a_density_the_score_is_the_reconstruction(checkpoint, capsys):
    """A mixture has more parameters than there are training codes for."""
    module = AutoencoderModule(
        DenseEncoder((1, 8, 8), 1030, widths=(8,)),
        DenseDecoder((1, 8, 8), 1030, widths=(8,)),
        IdentityBottleneck(1030),
        {"reconstruction": BernoulliLikelihood()},
    )
    path = checkpoint(module)
    detect(path, ["test"])
    assert "the score is reconstruction, as the density" in capsys.readouterr().err
    with pytest.raises(InputError, match="codes of 1,030 numbers are too wide"):
        detect(path, ["test"], out="other.csv", score="code")
    assert not Path("other.csv").exists()


def test_normal_samples_of_ones_own_calibrate(checkpoint, capsys):
    path = checkpoint()
    detect(path, ["test"], normal=noise("noise.npy"), score="reconstruction")
    shares = [31 * float(row["p_value"]) for row in table()]
    assert shares == pytest.approx([round(share) for share in shares])
    np.save("few.npy", np.load("noise.npy")[:9])
    with pytest.raises(InputError, match=r"9 held-out samples cannot tell .* 0.05: give at least 19"):
        detect(path, ["test"], out="x.csv", normal="few.npy")
    np.save("part.npy", np.load("noise.npy")[:5])
    capsys.readouterr()
    detect(path, ["part.npy"], out="x.csv", normal="noise.npy", score="reconstruction")
    assert "5 held-out samples are among those to be scored" in capsys.readouterr().err
    assert len(table("x.csv")) == 5


def pictures(folder):
    (folder / "sub").mkdir(parents=True)
    for name, colour in (("a.png", 0), ("sub/b.jpg", 255)):
        Image.new("L", (8, 8), colour).save(folder / name)
    return folder


def test_maps_show_picture_reconstruction_and_error_on_one_scale(checkpoint, tmp_path, capsys):
    path = checkpoint()
    detect(path, [str(pictures(tmp_path / "given"))], maps="maps", score="reconstruction")
    top = float(re.search(r"squared error from ([0-9.]+)", capsys.readouterr().out)[1])
    module = AutoencoderModule.load_from_checkpoint(path).eval()
    for name, level in (("a.png", 0), ("sub/b.jpg.png", 255)):
        with Image.open(Path("maps") / name) as drawn:
            assert drawn.size == (3 * 64 + 4 * 2, 64 + 2 * 2)
            picture, rebuilt, error = (np.asarray(drawn)[2:66:8, start : start + 64 : 8] for start in (2, 68, 134))
        assert (picture == level).all()
        expected = (module(torch.full((1, 1, 8, 8), level / 127.5 - 1)).detach()[0, 0].numpy() + 1) / 2
        assert rebuilt[..., 0] == pytest.approx(255 * expected, abs=1)
        # the sum of the three channels rises with the error, up to white
        assert error.sum(2) / 765 == pytest.approx(((level / 255 - expected) ** 2 / top).clip(0, 1), abs=0.01)


def test_a_model_with_classes_needs_those_of_the_samples(checkpoint, tmp_path):
    kind = Concatenation(10)
    module = AutoencoderModule(
        DenseEncoder((1, 8, 8), 3, widths=(8,), conditioning=kind),
        DenseDecoder((1, 8, 8), 3, widths=(8,), conditioning=kind),
        IdentityBottleneck(3),
        {"reconstruction": BernoulliLikelihood()},
    )
    path = checkpoint(module)
    with pytest.raises(InputError, match="put the files into sub-folders"):
        detect(path, [noise("noise.npy")])
    detect(path, ["test"])
    assert table()


def test_maps_never_replace_the_pictures_that_are_scored_or_compared_with(checkpoint):
    path = checkpoint()
    for folder in ("pictures", "others"):
        Path(folder).mkdir()
        for index in range(30):
            Image.fromarray(np.full((8, 8), 8 * index, np.uint8)).save(Path(folder) / f"{index}.png")
    before = Path("pictures/0.png").read_bytes()
    for given, options in (("pictures", {}), ("others", {"normal": "pictures"}), ("others", {"abnormal": "pictures"})):
        with pytest.raises(InputError, match=r"0\.png is one of the inputs and would be lost"):
            detect(path, [given], maps="pictures", overwrite=True, **options)
    assert Path("pictures/0.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["val"], "the validation split is what scores are compared with"),
        (["test", "--score", "recon"], "there is no score 'recon'"),
        (["test", "--score", "bits"], "codes of IdentityBottleneck have no distribution"),
        (["test", "--sampler", "prior"], "--sampler prior tells no density of a code: take gmm or flow"),
        (["test", "--sampler", "rectified_flow"], "--sampler rectified_flow tells no density of a code"),
        (["test", "--sampler", "gm"], "there is no sampler 'gm'; did you mean 'gmm'"),
        (["test", "--false_alarms", "5"], "above 0 and below 1, not 5"),
        (["test", "--false_alarms", "0.0001"], "give at least 9999 normal ones"),
        (["test", "--out", "scores"], "give a name that ends in .csv"),
        (["test", "--out", "there.csv"], "there.csv exists: give another --out, or add --overwrite"),
        (["test", "--out", "own.csv"], "own.csv is no table of anomaly scores and would be lost"),
        (["test", "--abnormal", "missing"], "there is no missing"),
        (["test", "--maps", "full"], "full holds files"),
    ],
)
def test_bad_input_gets_one_sentence_before_anything_is_computed(checkpoint, capsys, words, sentence):
    path = checkpoint()
    Path("there.csv").write_text("name,score,p_value,flagged\n")
    Path("own.csv").write_text("year,price\n")
    Path("full").mkdir()
    Path("full/x.png").touch()
    with pytest.raises(SystemExit) as exit_info:
        main(["detect", path, *words])
    assert exit_info.value.code == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert Path("own.csv").read_text() == "year,price\n"
    assert not Path("scores.csv").exists()


def test_a_gan_gets_a_sentence(gan, trainer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(gan(), Digits(size=8))
    once.save_checkpoint(tmp_path / "gan.ckpt")
    with pytest.raises(InputError, match="a GAN has no encoder to compare samples with: add --score inversion"):
        detect(str(tmp_path / "gan.ckpt"), ["test"], out=str(tmp_path / "x.csv"))
    with pytest.raises(InputError, match="a GAN has none: leave --maps out"):
        detect(str(tmp_path / "gan.ckpt"), ["test"], score="inversion", maps="maps")


def test_an_autoencoder_searches_nothing(checkpoint):
    with pytest.raises(InputError, match="which has an encoder: take --score reconstruction"):
        detect(checkpoint(), ["test"], score="inversion")


def test_what_a_gan_cannot_make_is_abnormal_to_it(gan, trainer, tmp_path, monkeypatch, capsys):
    """Its own samples are normal; the score is the error of what `Inversion` finds."""
    monkeypatch.chdir(tmp_path)
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(module := gan(), Digits(size=8))
    once.save_checkpoint(tmp_path / "gan.ckpt")
    own = module.eval().sample(40, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    np.save("normal.npy", own[:30].numpy())
    np.save("own.npy", own[30:].numpy())
    path = str(tmp_path / "gan.ckpt")
    detect(path, ["own.npy"], normal="normal.npy", abnormal=noise("noise.npy"), score="inversion", output="card.json")
    assert "latents are searched for 70 samples" in capsys.readouterr().err
    figures = json.loads(Path("card.json").read_text())["figures"]
    assert figures["auroc"] == 1
    assert 0 <= figures["pca_auroc"] <= 1
    found = Inversion(GANModule.load_from_checkpoint(path).eval())(own[30:])
    expected = ((found.samples - own[30:]) / 2).square().flatten(1).mean(1)
    assert [float(row["score"]) for row in table()] == pytest.approx(expected.tolist(), rel=0.05, abs=1e-6)


def test_data_that_are_not_named_are_given(autoencoder, trainer, tmp_path):
    once = trainer(max_steps=1)
    once.fit(autoencoder(), torch.utils.data.DataLoader(torch.zeros(64, 1, 8, 8, dtype=torch.uint8), batch_size=32))
    once.save_checkpoint(tmp_path / "bare.ckpt")
    x, out = noise(tmp_path / "x.npy"), str(tmp_path / "x.csv")
    with pytest.raises(InputError, match="give normal samples that it was not trained on with --normal FOLDER"):
        detect(str(tmp_path / "bare.ckpt"), [x], out=out)
    detect(str(tmp_path / "bare.ckpt"), [x], out=out, normal=noise(tmp_path / "y.npy", seed=6), score="reconstruction")
    assert len(table(out)) == 30
