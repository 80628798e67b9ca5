"""Models of sounds: what validation shows, and what a checkpoint keeps."""

from functools import partial

import lightning.pytorch as pl
import pytest

from lightning_gen import AutoencoderModule, GenerativeModule
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.data import Plucks
from lightning_gen.evaluation.codes import Baseline, encoded, reconstructed, reconstruction
from lightning_gen.media import Sound
from lightning_gen.networks import ConvDecoder, ConvEncoder
from lightning_gen.objectives import GaussianLikelihood, MelDistance


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
