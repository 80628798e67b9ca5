"""``predict`` writes what it predicts, and says where."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule, InputError
from lightning_gen.cli import main
from lightning_gen.cli.predictions import PredictionFile, place
from lightning_gen.data import Digits
from lightning_gen.media import Images

SMALL = {
    "autoencoder/vae": ["--model.encoder.width=4", "--model.decoder.width=4"],
    "gan/dcgan": ["--model.generator.width=4", "--model.discriminator.width=4"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of two runs, on digits of 8 x 8."""
    folder = tmp_path_factory.mktemp("runs")
    for recipe, words in SMALL.items():
        quiet = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0", "--max_images=64"]
        main(["fit", "--config", recipe, "--data.size=8", *words, *quiet, f"--runs_dir={folder}"])
    return folder


def predict(runs, name, *words):
    main(["predict", "--ckpt_path", str(runs / name / "checkpoints/last.ckpt"), *words])


def test_the_reconstructions_of_the_test_split_are_in_the_runs_folder(runs, capsys):
    predict(runs, "vae")
    file = runs / "vae" / "predictions.npy"
    module = AutoencoderModule.load_from_checkpoint(runs / "vae/checkpoints/last.ckpt").eval()
    data = Digits(8)
    data.setup()
    with torch.no_grad():
        expected = Images().to_stored(module.reconstruct(data.scaled(data.test_set[:])))
    assert np.array_equal(np.load(file), expected.numpy())
    assert f"180 reconstructions of the test split, in {file}\n" in capsys.readouterr().out
    predict(runs, "vae")
    assert "were replaced" in capsys.readouterr().out


def test_a_gan_gives_as_many_samples_as_there_are_in_the_test_split(runs, tmp_path, capsys):
    predict(runs, "dcgan", f"--out={tmp_path / 'samples'}", "--trainer.limit_predict_batches=1")
    files = sorted((tmp_path / "samples").iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(64)]
    assert Image.open(files[0]).size == (8, 8)
    assert "64 samples, one for each of the test split, in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("x.jpg", "give a .png or .npy file, or a folder"),
        ("notes.npy", "is no array of numpy and would be lost"),
        ("s3://x.npy", "is a URL"),
    ],
)
def test_a_place_is_refused_before_anything_is_predicted(runs, tmp_path, monkeypatch, capsys, out, expected):
    monkeypatch.chdir(tmp_path)
    Path("notes.npy").write_text("mine")
    monkeypatch.setattr(AutoencoderModule, "predict_step", lambda *args: pytest.fail("something is predicted"))
    with pytest.raises(SystemExit) as end:
        predict(runs, "vae", f"--out={out}")
    assert end.value.code == 2
    assert expected in capsys.readouterr().err.strip().splitlines()[-1]
    assert Path("notes.npy").read_text() == "mine"


def test_a_trial_writes_nothing(runs, tmp_path):
    predict(runs, "vae", f"--out={tmp_path / 'x.npy'}", "--trainer.fast_dev_run=1")
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_outside_of_a_run_has_its_predictions_beside_it():
    assert place(None, "some/where.ckpt") == Path("some/predictions.npy")
    assert place(None, "runs/x/checkpoints/best.ckpt") == Path("runs/x/predictions.npy")
    assert place("y.npy", "some/where.ckpt") == Path("y.npy")


def test_what_is_no_sample_is_not_written(autoencoder, trainer, tmp_path):
    class Codes(AutoencoderModule):
        def predict_step(self, batch, batch_idx):
            return self.encode(batch)

    plain = autoencoder()
    module = Codes(plain.encoder, plain.decoder, plain.bottleneck, dict(plain.objective.items()))
    with pytest.raises(InputError, match=r"Codes\.predict_step returns no samples"):
        trainer(callbacks=[PredictionFile(tmp_path / "x.npy")]).predict(module, Digits(8))
