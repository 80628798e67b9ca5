"""Commands on people's own files of any size: read in windows, joined again, under their names."""

import csv
import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_gen import AutoencoderModule, InputError
from lightning_gen.applications import Trained, index_tables, read_inputs
from lightning_gen.bottlenecks import IdentityBottleneck, ResidualQuantizer
from lightning_gen.cli import main
from lightning_gen.data import Plucks
from lightning_gen.networks import ConvDecoder, ConvEncoder, ResidualDecoder, ResidualEncoder
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.regularizers import Commitment

pytest.importorskip("soundfile")
pytest.importorskip("soxr")
LENGTH, RATE = 64, 8000
LENGTHS = {"words/long.wav": 203, "words/short.wav": 40, "whole.wav": 64}


def write(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def read(path):
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """A folder of sounds of several lengths, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    source = np.random.default_rng(0)
    for name, length in LENGTHS.items():
        write(tmp_path / "sounds" / name, source.integers(-9000, 9000, length))
    return tmp_path / "sounds"


def checkpoint(trainer, module):
    runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
    runner.fit(module, Plucks(length=LENGTH, decays=2, brightnesses=2, plucks=2, batch_size=16))
    runner.save_checkpoint("model.ckpt")
    return "model.ckpt"


@pytest.fixture
def encoder(sounds, trainer):
    shape, objective = (1, LENGTH), {"error": GaussianLikelihood()}
    module = AutoencoderModule(ConvEncoder(shape, 3, 4), ConvDecoder(shape, 3, 4), IdentityBottleneck(3), objective)
    return checkpoint(trainer, module)


@pytest.fixture
def quantizer(sounds, trainer, monkeypatch):
    pytest.importorskip("constriction")
    monkeypatch.setattr(index_tables, "UPDATES", 5)
    shape, options = (1, LENGTH), {"width": 4, "downsamplings": 2}
    module = AutoencoderModule(
        ResidualEncoder(shape, 3, **options),
        ResidualDecoder(shape, 3, **options),
        ResidualQuantizer(3, codes=8, depth=2),
        {"error": GaussianLikelihood(), "commitment": Commitment()},
    )
    return checkpoint(trainer, module)


def test_windows_are_consecutive_samples_with_the_places_in_their_names(encoder, sounds):
    inputs = read_inputs(Trained.open(encoder), "sounds")
    assert list(inputs.names) == [
        *("whole.wav", "words/long.wav@0", "words/long.wav@64", "words/long.wav@128", "words/long.wav@139"),
        "words/short.wav",
    ]
    x = torch.cat([batch.x for batch in inputs.batches()])[:, 0]
    long, short = (read(sounds / "words" / name) / 32768 for name in ("long.wav", "short.wav"))
    for row, start in enumerate((0, 64, 128, 139), start=1):
        assert np.array_equal(x[row], long[start : start + 64].astype(np.float32))
    assert np.array_equal(x[5, :40], short.astype(np.float32))
    assert (x[5, 40:] == float(np.float32(short[-1]))).all()
    assert inputs.notes == (
        "3 files were read as 6 sounds of 64",
        "shorter than 64 and padded with their last value: 1 of 3",
    )


def test_reconstructions_have_the_names_and_lengths_of_their_files(encoder, sounds, capsys):
    main(["reconstruct", encoder, "sounds", "--out", "made", "--device", "cpu"])
    assert {str(path.relative_to("made")) for path in Path("made").rglob("*.wav")} == set(LENGTHS)
    trained = Trained.open(encoder)
    for name, length in LENGTHS.items():
        made = read(Path("made") / name)
        assert len(made) == length
        inputs = read_inputs(trained, [f"sounds/{name}"], overlap=0.25)
        (batch,) = inputs.batches()
        with torch.no_grad():
            module = trained.module.eval()
            windows = trained.medium.to_stored(module.decode(module.encode(batch.x))) / 32768
        joined = inputs.wholes[0].windows.join(windows)[0].numpy()
        assert np.abs(made / 32768 - joined).max() < 1.5 / 32768, "the batch is smaller: it may round another way"
    rows = list(csv.DictReader(Path("made/errors.csv").read_text().splitlines()))
    assert [row["name"] for row in rows if "long" in row["name"]] == [f"words/long.wav@{at}" for at in (0, 48, 96, 139)]


def test_codes_of_all_windows_are_written(encoder):
    main(["embed", encoder, "sounds", "--out", "codes.npz", "--device", "cpu"])
    with np.load("codes.npz") as file:
        assert file["codes"].shape == (6, 3)
        assert file["names"][1] == "words/long.wav@0"


def test_compressed_files_come_back_in_their_lengths(quantizer, sounds):
    main(["compress", quantizer, "sounds", "--out", "x.lgz", "--output", "card.json", "--device", "cpu"])
    assert "bits_per_amplitude" in json.loads(Path("card.json").read_text())["figures"]
    main(["decompress", "x.lgz", "--checkpoint", quantizer, "--out", "back", "--device", "cpu"])
    assert {str(path.relative_to("back")) for path in Path("back").rglob("*.wav")} == set(LENGTHS)
    trained = Trained.open(quantizer)
    for name, length in LENGTHS.items():
        (batch,) = read_inputs(trained, [f"sounds/{name}"]).batches()
        inputs = read_inputs(trained, [f"sounds/{name}"])
        with torch.no_grad():
            module = trained.module.eval()
            windows = trained.medium.to_model(trained.medium.to_stored(module.decode(module.encode(batch.x))))
        back = read(Path("back") / name)
        assert len(back) == length
        assert np.abs(back / 32768 - inputs.wholes[0].windows.join(windows)[0].numpy()).max() < 1.5 / 32768


def test_samples_are_sounds_that_can_be_read_again(quantizer, encoder, tmp_path):
    trained = Trained.open(encoder)
    trained.medium.write(torch.zeros(2, 1, LENGTH), tmp_path / "drawn")
    assert [path.name for path in sorted((tmp_path / "drawn").iterdir())] == ["000000.wav", "000001.wav"]
    assert len(read_inputs(trained, [str(tmp_path / "drawn")])) == 2


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["sounds/notes.txt"], "holds no sounds by its name: give files that end in .wav"),
        (["empty"], "there is no file in empty"),
        (["sounds"], "1 of 4 files in sounds cannot be read: .*broken.wav.*leave it out with --on_error skip"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_sentence(encoder, sounds, given, problem):
    (sounds / "notes.txt").write_text("no sound")
    Path("empty").mkdir()
    (sounds / "broken.wav").write_bytes(b"RIFF0000WAVEbroken")
    with pytest.raises(InputError, match=problem):
        read_inputs(Trained.open(encoder), given)


def test_broken_files_can_be_left_out(encoder, sounds):
    (sounds / "broken.wav").write_bytes(b"RIFF0000WAVEbroken")
    inputs = read_inputs(Trained.open(encoder), "sounds", on_error="skip")
    assert len(inputs) == 6
    assert inputs.notes[-1] == "left out as they cannot be read: 1, such as broken.wav"
