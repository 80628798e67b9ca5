"""Sounds: exact values, previews and players, files of several formats."""

import sys

import numpy as np
import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Sound, medium_of
from lightning_gen.media.sound_files import header_of

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def tone(hz=440.0, rate=8000, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def test_every_stored_value_comes_back():
    stored = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).view(1, 1, -1)
    x = Sound(8000).to_model(stored)
    assert x.min() == -1
    assert x.max() == 32767 / 32768
    assert torch.equal(Sound(8000).to_stored(x), stored)
    assert Sound(8000).step == float(x[0, 0, 1] - x[0, 0, 0])


def test_values_out_of_range_are_clipped_and_do_not_wrap():
    assert Sound(8000).to_stored(torch.tensor([[[1.0, 1.5, -1.5, 40.0]]])).tolist() == [[[32767, 32767, -32768, 32767]]]


def test_other_values_are_refused():
    with pytest.raises(InputError, match=r"sounds of type int64"):
        Sound(8000).to_model(torch.zeros(1, 1, 8, dtype=torch.int64))
    with pytest.raises(InputError, match=r"at least 1, not 0"):
        Sound(0)


def test_a_shape_alone_is_no_sound():
    with pytest.raises(InputError, match=r"do not show what they are"):
        medium_of((1, 4096))


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("length", [1, 300, 4096])
def test_the_preview_is_a_grid_of_cells_of_one_size(rate, length):
    drawn = Sound(rate).preview(torch.zeros(4, 2, length), columns=2)
    assert drawn.shape == (3, 2 * 66 + 2, 2 * 98 + 2)
    assert drawn.dtype == torch.uint8


def test_high_tones_are_drawn_above_low_ones_and_loud_ones_brighter():
    x = torch.tensor(np.stack([tone(200), tone(2000), tone(2000, amplitude=0.05)]))[:, None].float()
    low, high, quiet = (Sound(8000).preview(each[None], columns=1).float().mean(0)[2:-2, 2:-2] for each in x)
    assert low.mean(1).argmax() > high.mean(1).argmax() == quiet.mean(1).argmax()
    assert high.max() > quiet.max() > 0


class Board:
    """What a SummaryWriter was asked to write."""

    def __init__(self):
        self.images, self.sounds = {}, {}

    def add_image(self, tag, picture, step):
        self.images[tag] = picture

    def add_audio(self, tag, sound, step, sample_rate):
        self.sounds[tag] = (sound, sample_rate)


def test_a_player_is_logged_for_each_of_at_most_eight_sounds():
    board, medium = Board(), Sound(8000)
    samples = torch.rand(10, 2, 100) * 4 - 2
    medium.log(board, "pictures/samples", samples, medium.preview(samples), 7)
    assert list(board.images) == ["pictures/samples"]
    assert len(board.sounds) == 8
    for sound, rate in board.sounds.values():
        assert rate == 8000
        assert sound.shape == (100,)
        assert sound.abs().max() <= 1


@pytest.mark.parametrize("channels", [1, 2])
def test_a_folder_of_sounds_comes_back_bit_for_bit(tmp_path, channels):
    stored = torch.randint(-32768, 32768, (3, channels, 500), dtype=torch.int16)
    medium = Sound(8000, channels)
    medium.write(medium.to_model(stored), tmp_path / "sounds")
    assert torch.equal(medium.read(tmp_path / "sounds"), stored)
    assert torch.equal(medium.read_file(tmp_path / "sounds" / "000001.wav"), stored[1])
    values, rate = soundfile.read(tmp_path / "sounds" / "000001.wav", dtype="int16", always_2d=True)
    assert rate == 8000
    assert (stored[1].numpy() == values.T).all()
    medium.write(medium.to_model(stored), tmp_path / "all.npy")
    assert torch.equal(medium.read(tmp_path / "all.npy"), stored)


def test_a_sound_of_another_rate_is_not_read_as_a_sample(tmp_path):
    Sound(8000).write(torch.zeros(1, 1, 10), tmp_path / "sounds")
    with pytest.raises(InputError, match=r"8,000 samples a second and not 16,000"):
        Sound(16000).read(tmp_path / "sounds")


@pytest.mark.parametrize(("ending", "most"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.1), ("mp3", 0.1)])
def test_formats_give_their_sounds_back(tmp_path, ending, most):
    x = torch.from_numpy(tone())[None].float()
    Sound(8000).write_file(x, tmp_path / f"a.{ending}")
    found = Sound(8000).to_model(Sound(8000).read_file(tmp_path / f"a.{ending}"))
    middle = found[:, 1000:7000]
    assert (middle - x[:, 1000:7000]).abs().max() < most
    if ending != "mp3":
        assert found.shape == x.shape


def test_other_rates_are_resampled_and_channels_mixed(tmp_path):
    left, right = tone(440, 44100), tone(1000, 44100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 44100)
    found = Sound(8000).to_model(Sound(8000).read_file(tmp_path / "a.wav"))
    assert found.shape == (1, 8000)
    expected = torch.from_numpy(tone(440) + tone(1000))[None].float() / 2
    assert (found - expected)[:, 200:-200].abs().max() < 2e-3
    with pytest.raises(InputError, match=r"2 channels and not 3"):
        Sound(8000, 3).read_file(tmp_path / "a.wav")


def test_loud_resampled_sound_is_clipped_and_does_not_wrap(tmp_path):
    square = np.sign(tone(440, 44100)) * 32767 / 32768
    soundfile.write(tmp_path / "a.wav", square, 44100, subtype="PCM_16")
    found = Sound(8000).read_file(tmp_path / "a.wav")[0, 100:-100].int()
    assert found.max() == 32767
    assert (found.sign() == torch.from_numpy(np.sign(tone(440)))[100:-100]).float().mean() > 0.97


def damaged(tmp_path, kind):
    path = tmp_path / "a.wav"
    if kind == "missing":
        return path
    if kind == "text":
        path.write_text("no sound")
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "header":
        soundfile.write(path, np.zeros(0), 8000)
    elif kind == "nan":
        soundfile.write(path, np.array([0.1, np.nan, 0.2]), 8000, subtype="FLOAT")
    elif kind == "beyond":
        soundfile.write(path, 3 * tone(), 8000, subtype="FLOAT")
    elif kind == "rate":
        soundfile.write(path, tone(), 1)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("missing", "cannot be read .No such file"),
        ("text", "cannot be decoded .*give WAV, FLAC, OGG or MP3"),
        ("folder", "cannot be read .it is a folder"),
        ("empty", "cannot be decoded"),
        ("header", "holds no sound: remove it"),
        ("nan", "not finite: replace its inf and nan"),
        ("beyond", "values up to 1.5, beyond 1, .*: divide it by 1.5"),
        ("rate", "states 1 samples a second, a rate that no sound has"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, kind, sentence):
    with pytest.raises(InputError, match=sentence):
        Sound(8000).read_file(damaged(tmp_path, kind))


def test_a_file_that_ends_before_its_header_says_gives_what_is_there(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), 8000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 2 * 1000])
    assert Sound(8000).read_file(path).shape == (1, 1000)


def test_a_file_that_does_not_fit_is_refused_by_its_header(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", tone(), 8000)
    assert header_of(tmp_path / "a.wav").frames == 8000
    monkeypatch.setattr("lightning_gen.memory.available", lambda: 1000)
    with pytest.raises(InputError, match=r"states 8,000 frames at 8,000 Hz, would take"):
        Sound(8000).read_file(tmp_path / "a.wav")


def test_a_missing_package_is_one_sentence(tmp_path, monkeypatch):
    Sound(8000).write(torch.zeros(1, 1, 10), tmp_path)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"soundfile, which is missing: .* pip install 'lightning_gen\[sound\]'"):
        Sound(8000).read_file(tmp_path / "000000.wav")
    assert Sound(8000).read(tmp_path).shape == (1, 1, 10), "files of this package are read without it"
