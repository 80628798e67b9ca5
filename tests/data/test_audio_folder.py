"""Folders of sounds: windows, classes, splits by file, silence, and every kind of bad file."""

import numpy as np
import pytest
import torch

from lightning_gen.data import AudioFolder
from lightning_gen.data.sound_cache import levels_db
from lightning_gen.errors import InputError
from lightning_gen.media import Sound
from lightning_gen.media.sound_files import read_sound

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def write(path, values, rate=8000, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, subtype=subtype)


def ramp(index, length):
    """Values that tell the file and the place: no two windows of any files are equal."""
    return ((np.arange(length) * 7 + 1000 * index + 1) % 30000).astype(np.int16)


def folder_of(tmp_path, count=10, length=250):
    for index in range(count):
        write(tmp_path / "sounds" / f"{index:02d}.wav", ramp(index, length))
    return tmp_path / "sounds"


def data_of(tmp_path, folder, **settings):
    settings = {"length": 100, "batch_size": 2, **settings}
    return AudioFolder(str(folder), cache_dir=str(tmp_path / "cache"), **settings)


def test_sample_i_is_the_window_of_its_name(tmp_path):
    """HiFi-GAN's cache gives the next index the last file."""
    data = data_of(tmp_path, folder_of(tmp_path))
    data.setup()
    assert data.medium == Sound(8000)
    assert data.shape == (1, 100)
    seen = []
    for split in ("train", "val", "test"):
        stored, names = getattr(data, f"{split}_set")[:].x, data.sample_names(split)
        assert len(stored) == len(names)
        for sample, name in zip(stored, names, strict=True):
            file, start = name.split("@")
            expected = ramp(int(file[:2]), 250)[int(start) : int(start) + 100]
            assert sample.dtype == torch.int16
            assert (sample[0].numpy() == expected).all()
        seen += names
    assert sorted(seen) == [f"{index:02d}.wav@{start}" for index in range(10) for start in (0, 100, 150)]


def test_no_file_is_in_two_splits(tmp_path):
    data = data_of(tmp_path, folder_of(tmp_path), overlap=0.5, val_fraction=0.3, test_fraction=0.2)
    data.setup()
    files = [{name.split("@")[0] for name in data.sample_names(split)} for split in ("train", "val", "test")]
    assert [len(each) for each in files] == [5, 3, 2]
    assert len(set.union(*files)) == 10
    assert len(data.train_set) == 5 * 4, "windows at 0, 50, 100 and 150"


def test_sub_folders_are_classes_or_splits(tmp_path):
    for name in ("train/high/a", "train/low/b", "train/low/c", "val/high/d", "val/low/e"):
        write(tmp_path / "sounds" / f"{name}.wav", ramp(1, 250))
    data = data_of(tmp_path, tmp_path / "sounds", test_fraction=0)
    data.setup()
    assert data.classes == ("high", "low")
    assert data.num_classes == 2
    for sample, name in zip(data.train_set[:].labels.tolist(), data.sample_names("train"), strict=True):
        assert data.classes[sample] == name.split("/")[1]
    assert sorted(data.sample_names("val"))[0] == "val/high/d.wav@0"
    assert "2 classes: high 3, low 6" in data.contents()


def test_silence_is_left_out_and_counted(tmp_path):
    folder = folder_of(tmp_path, count=4)
    quiet = np.zeros(300, np.int16)
    quiet[100:200] = 3000
    write(folder / "half.wav", quiet)
    write(folder / "silent.wav", np.zeros(300, np.int16))
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    names = data.sample_names("train")
    assert [name for name in names if name.startswith(("half", "silent"))] == ["half.wav@100"]
    assert "5 windows are left out, as they are below -60.0 dB" in data.contents()
    every = data_of(tmp_path, folder, val_fraction=0, test_fraction=0, silence_db=None)
    every.setup()
    assert len(every.train_set) == len(names) + 5


def test_levels_are_root_mean_squares_of_full_scale():
    sine = 32768 * np.sin(2 * np.pi * np.arange(100) / 10)
    found = levels_db(np.stack([sine, sine / 10, np.zeros(100)])[:, None])
    assert found.tolist() == pytest.approx([10 * np.log10(0.5), 10 * np.log10(0.5) - 20, -np.inf])


def test_mixed_rates_are_told_and_short_files_padded(tmp_path):
    folder = folder_of(tmp_path, count=4)
    for index in range(2):
        write(folder / f"fast{index}.wav", np.tile(ramp(0, 500), 4), rate=16000)
    write(folder / "short.wav", ramp(3, 40))
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    told = data.contents()
    assert "files are converted to 8,000 Hz: 5 of 8,000 Hz, 2 of 16,000 Hz" in told
    assert "1 files are shorter than 100 samples and padded" in told
    assert sum(name.startswith("fast0") for name in data.sample_names("train")) == 10, "1,000 samples at 8,000 Hz"
    short = data.train_set[data.sample_names("train").index("short.wav")].x[0]
    assert (short[:40].numpy() == ramp(3, 40)).all()
    assert (short[40:] == short[39]).all()


def test_a_header_that_states_more_than_there_is_is_told(tmp_path):
    folder = folder_of(tmp_path, count=4)
    path = folder / "cut.wav"
    write(path, ramp(7, 1000))
    path.write_bytes(path.read_bytes()[: 44 + 2 * 200])
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    assert sum(name.startswith("cut") for name in data.sample_names("train")) == 2
    files = data._decode().files
    assert files["cut.wav"].frames == 200
    if files["cut.wav"].stated > 200:  # some versions of libsndfile mend the header
        assert "1 files are shorter than their headers state" in data.contents()


@pytest.mark.parametrize("frames", [9631, 9632, 9633, 9634, 9635, 9636])
def test_files_of_another_rate_are_not_shorter_than_stated(tmp_path, frames):
    folder = tmp_path / "sounds"
    write(folder / "a.wav", ramp(1, frames), rate=44100)
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    assert not [line for line in data.contents() if "headers state" in line]


def test_broken_files_are_named_or_left_out(tmp_path):
    folder = folder_of(tmp_path, count=4)
    (folder / "broken.wav").write_bytes(b"RIFF no sound")
    write(folder / "nan.wav", np.array([0.1, np.nan]), subtype="FLOAT")
    (folder / "notes.txt").write_text("beside")
    with pytest.raises(
        InputError, match=r"2 of 6 sounds in .*broken.wav cannot be decoded.*; .*nan.wav holds values th"
    ):
        data_of(tmp_path, folder).setup()
    data = data_of(tmp_path, folder, on_error="skip", val_fraction=0, test_fraction=0)
    with pytest.warns(UserWarning, match=r"left out 2 of 6 files that cannot be read"):
        data.setup()
    assert set(data.reasons) == {"broken.wav", "nan.wav"}
    assert len(data.train_set) == 4 * 3
    assert "left out, with other extensions than those of sounds: 1 .txt" in data.contents()


def test_the_cache_is_used_until_a_file_changes(tmp_path, monkeypatch):
    folder = folder_of(tmp_path)
    data_of(tmp_path, folder).setup()
    with monkeypatch.context() as patched:
        patched.setattr("lightning_gen.data.sound_cache.read_sound", None)
        data_of(tmp_path, folder).setup()
    write(folder / "00.wav", ramp(77, 250))
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    row = data.sample_names("train").index("00.wav@0")
    assert (data.train_set[row].x[0].numpy() == ramp(77, 250)[:100]).all()
    (array,) = (tmp_path / "cache").glob("*.npy")
    array.write_bytes(array.read_bytes()[:-50])
    data_of(tmp_path, folder).setup()
    assert np.load(array).shape == (30, 1, 100), "a damaged array is made again"


def test_only_files_that_changed_are_decoded_again(tmp_path, monkeypatch, capsys):
    folder = folder_of(tmp_path, count=6)
    write(folder / "03.wav", np.zeros(250, np.int16))  # silence has no windows
    data_of(tmp_path, folder).setup()
    capsys.readouterr()
    decoded = []

    def noted(path, *arguments):
        decoded.append(path.name)
        return read_sound(path, *arguments)

    monkeypatch.setattr("lightning_gen.data.sound_cache.read_sound", noted)
    write(folder / "01.wav", ramp(77, 350))
    write(folder / "02b.wav", ramp(78, 250))
    (folder / "04.wav").unlink()
    data = data_of(tmp_path, folder, val_fraction=0, test_fraction=0)
    data.setup()
    assert sorted(decoded) == ["01.wav", "02b.wav"]
    assert "decoding sounds: 4 of 6 were decoded before" in capsys.readouterr().err
    numbers = {"00.wav": 0, "01.wav": 77, "02.wav": 2, "02b.wav": 78, "05.wav": 5}
    names = data.sample_names("train")
    assert {name.partition("@")[0] for name in names} == set(numbers)
    for row, each in enumerate(names):
        name, _, start = each.partition("@")
        whole = ramp(numbers[name], 350 if name == "01.wav" else 250)
        assert (data.train_set[row].x[0].numpy() == whole[int(start) :][:100]).all()
    decoded.clear()
    (folder / "02b.wav").unlink()
    data_of(tmp_path, folder).setup()
    assert not decoded, "without one the others are copied"
    (array,) = (tmp_path / "cache").glob("*.npy")
    assert len(np.load(array)) == 13


def test_what_does_not_fit_on_the_disk_is_refused_by_the_headers(tmp_path, monkeypatch):
    folder = folder_of(tmp_path)
    monkeypatch.setattr("lightning_gen.data.sound_cache.read_sound", None)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1000})())
    with pytest.raises(InputError, match=r"30 windows of 0.0 MB together, .* set --data.cache_dir"):
        data_of(tmp_path, folder).setup()


def test_a_folder_of_silence_alone_is_refused(tmp_path):
    write(tmp_path / "sounds" / "a.wav", np.zeros(300, np.int16))
    with pytest.raises(InputError, match=r"3 windows are below --data.silence_db -60: lower it"):
        data_of(tmp_path, tmp_path / "sounds").setup()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": 1}, "--data.rate must be from 1,000"),
        ({"length": 0}, "--data.length must be at least 1"),
        ({"channels": 0}, "--data.channels must be at least 1"),
        ({"overlap": 1}, "--data.overlap must be at least 0 and less than 1"),
        ({"val_fraction": 1}, "leave nothing to train on"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        data_of(tmp_path, tmp_path, **settings)


def test_a_folder_without_sounds_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match=r"there is no sound in .*, only 1 other files such as notes.txt"):
        data_of(tmp_path, tmp_path).setup()
