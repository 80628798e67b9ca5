"""Models of sounds: what validation shows, and what a checkpoint keeps."""

import warnings
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import AutoencoderModule, GenerativeModule
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.data import Plucks
from lightning_gen.evaluation.codes import Baseline, encoded, reconstructed, reconstruction
from lightning_gen.media import Sound
from lightning_gen.networks import ConvDecoder, ConvEncoder
from lightning_gen.objectives import GaussianLikelihood, MelDistance
from lightning_gen.spectra import si_sdr_each


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    data = Plucks(length=256, decays=2, brightnesses=2, plucks=2, batch_size=16)
    options = {"width": 4, "stride": 4}
    model = AutoencoderModule(
        ConvEncoder(data.shape, 4, **options),
        ConvDecoder(data.shape, 4, **options),
        IdentityBottleneck(4),
        {"reconstruction": GaussianLikelihood(), "mel": MelDistance(8000, weight=0.1)},
    )
    trainer = pl.Trainer(max_epochs=1, default_root_dir=folder, logger=False, enable_progress_bar=False)
    trainer.fit(model, data)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model, data, dict(trainer.callback_metrics), folder / "last.ckpt"


def test_validation_shows_the_errors_of_sounds(trained):
    _, _, shown, _ = trained
    assert {"val/mse", "val/si_sdr_db", "val/log_mel_distance"} <= set(shown)
    assert all(shown[name].isfinite() for name in ("val/si_sdr_db", "val/log_mel_distance"))


class Everything(torch.nn.Module):
    """A code that is the whole sound, and a decoder that halves it."""

    shape, features, latent_dim, outputs, num_classes = (1, 64), 64, 64, 1, None

    def __init__(self, decodes):
        super().__init__()
        self.decodes = decodes
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x, labels=None):
        return self.weight * ((x / 2 + 0.1 * x.roll(1, 1)).view(-1, *self.shape) if self.decodes else x.flatten(1))


def shown_of(batches, rate=8000):
    """What validation logs of batches of sounds."""
    model = AutoencoderModule(
        Everything(False), Everything(True), IdentityBottleneck(64), {"reconstruction": GaussianLikelihood()}
    )
    model.medium = Sound(rate)
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_checkpointing=False, accelerator="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (shown,) = trainer.validate(model, DataLoader(list(torch.cat(batches)), len(batches[0])), verbose=False)
    return shown, model


def test_silent_sounds_are_left_out_of_the_ratio_and_of_nothing_else():
    sounds, silence = torch.rand(6, 1, 64) - 0.5, torch.zeros(2, 1, 64)
    mixed, silent = torch.cat([sounds[4:], silence]), torch.zeros(4, 1, 64)
    shown, model = shown_of([sounds[:4], mixed, silent])
    with torch.no_grad():
        each = si_sdr_each(sounds, model.reconstruct(sounds))
    assert shown["val/si_sdr_db"] == pytest.approx(float(each.mean()), rel=1e-5)
    assert shown["val/log_mel_distance"] >= 0
    assert shown["val/mse"] > 0


def test_a_split_of_silence_has_no_ratio():
    shown, _ = shown_of([torch.zeros(4, 1, 64)] * 2)
    assert "val/si_sdr_db" not in shown
    assert shown["val/log_mel_distance"] == 0


def test_a_checkpoint_keeps_the_rate_and_the_term(trained):
    _, _, _, path = trained
    loaded = GenerativeModule.load_from_checkpoint(path)
    assert loaded.medium == Sound(8000)
    assert [each.rate for each in loaded.modules() if isinstance(each, MelDistance)] == [8000]


def test_evaluation_tells_them_with_their_protocol(trained):
    model, data, _, _ = trained
    baseline = Baseline("", "this model", 4, "", partial(encoded, model), partial(reconstructed, model))
    report = reconstruction(model, data, [baseline], 0)
    assert [each.name for each in report.measurements] == ["mse", "si_sdr_db", "log_mel_distance"]
    assert report.card["log_mel_distance"]["rate"] == 8000
    assert report.card["si_sdr_db"]["left_out"] == 0
    assert "ssim" in report.omitted
