"""Stored values of series are standardised exactly once on every way from a data set to a network and back."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from lightning_gen import AutoencoderModule, Batch, GenerativeModule
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.cli import main
from lightning_gen.data import SeriesFile
from lightning_gen.data.base import ArrayDataset
from lightning_gen.data.reading import real_images
from lightning_gen.media import Series
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import GaussianLikelihood

MEDIUM = Series(("a",), (500.0,), (20.0,))


@pytest.fixture
def file(tmp_path):
    values = 500 + 20 * np.random.default_rng(0).normal(size=2000)
    (tmp_path / "a.csv").write_text("a\n" + "\n".join(map(str, values)) + "\n")
    return tmp_path / "a.csv"


def model():
    encoder, decoder = DenseEncoder((1, 16), 4, widths=[]), DenseDecoder((1, 16), 4, widths=[])
    return AutoencoderModule(encoder, decoder, IdentityBottleneck(4), {"reconstruction": GaussianLikelihood()})


def standardised(x):
    return abs(float(x.mean())) < 0.3 and 0.7 < float(x.std()) < 1.3


def test_floats_of_a_batch_are_stored_values_and_floats_alone_are_model_values():
    stored = torch.full((2, 1, 4), 520.0)
    for dtype in (torch.float32, torch.float64):
        once = Batch.of(Batch(stored), dtype, MEDIUM.to_model)
        twice = Batch.of(once.split(2).__next__().to("cpu"), torch.float64, MEDIUM.to_model)
        assert (once.x == 1).all()
        assert (twice.x == 1).all()
    assert torch.equal(Batch.of(stored, torch.float32, MEDIUM.to_model).x, stored)
    assert torch.equal(Batch.of((stored, torch.zeros(2)), torch.float32, MEDIUM.to_model).x, stored)


def test_single_samples_of_a_loader_of_torch_are_collated_as_they_are():
    dataset = ArrayDataset(torch.full((6, 1, 4), 520.0))
    (batch,) = DataLoader([dataset[row] for row in range(6)], batch_size=6)
    assert (Batch.of(batch, torch.float32, MEDIUM.to_model).x == 1).all()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_validation_and_test_see_standardised_values(file, monkeypatch, precision):
    seen = []
    original = AutoencoderModule.reconstruction

    def recorded(self, x, *args, **options):
        seen.append(x.detach())
        return original(self, x, *args, **options)

    monkeypatch.setattr(AutoencoderModule, "reconstruction", recorded)
    module, data = model(), SeriesFile(str(file), window=16, batch_size=32)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = Trainer(max_steps=4, precision=precision, **quiet)
    trainer.fit(module, datamodule=data)
    count = len(seen)
    trainer.test(module, datamodule=data, verbose=False)
    assert count > 4, "training and validation"
    assert len(seen) > count
    assert all(float(x.abs().max()) < 6 for x in seen)
    assert standardised(torch.cat([x.float() for x in seen]))
    predicted = trainer.predict(module, datamodule=data)
    assert all(float(x.abs().max()) < 20 for x in predicted)


def test_in_python_a_batch_and_its_model_values_have_the_same_code(file):
    module, data = model(), SeriesFile(str(file), window=16, batch_size=32)
    data.setup()
    module.medium = data.medium
    batch = data.test_set[:]
    assert torch.equal(module.encode(batch), module.encode(data.scaled(batch)))
    assert torch.equal(module.encode(batch), module.encode(data.scaled(batch).x))
    assert torch.equal(module.reconstruct(batch), module.reconstruct(data.scaled(batch).x))
    (real,) = real_images(data, data.test_set, 1000, 0)
    assert standardised(real)


def test_commands_read_and_write_the_units_of_the_file(file, tmp_path, capsys):
    small = ["--data.window=16", "--data.batch_size=32", "--trainer.accelerator=cpu"]
    recipe = ["--config", "autoencoder/series_vae", "--config", "data/series_file", f"--data.path={file}"]
    networks = ["--model.encoder.width=4", "--model.decoder.width=4"]
    main(["fit", *recipe, *networks, *small, f"--runs_dir={tmp_path}", "--name=run", "--max_images=64"])
    run, out = str(tmp_path / "run"), tmp_path / "out"
    loaded = GenerativeModule.load_from_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    assert loaded.medium.mean == pytest.approx((500,), abs=3)
    main(["sample", run, f"--out={out}/samples.npy", "--n=8"])
    assert abs(np.load(out / "samples.npy").mean() - 500) < 40
    main(["reconstruct", run, str(file), f"--out={out}/copies"])
    copy = out / "copies/a.csv"
    values = np.loadtxt(copy, skiprows=1)
    assert values.shape == (2000,)
    assert abs(values.mean() - 500) < 20
    capsys.readouterr()
    main(["evaluate", run])
    said = capsys.readouterr().out
    (figures,) = (line.split("numbers")[1].split() for line in said.splitlines() if line.startswith("this model"))
    assert float(figures[0]) < 3  # the mean squared error comes first
    main(["detect", run, str(file), f"--out={out}/scores.csv", "--score=reconstruction", "--false_alarms=0.1"])
    scores = np.genfromtxt(out / "scores.csv", delimiter=",", skip_header=1)[:, 1]
    assert len(scores) == 125
    assert scores.max() < 10
