"""Animations: what is played, and for how long, as other readers of the files see them."""

import struct

import pytest
import torch
from PIL import Image, ImageSequence
from torchvision.transforms.functional import pil_to_tensor

from lightning_gen.errors import InputError
from lightning_gen.media.animations import durations, save_animation


def pictures(*levels, channels=3):
    return [torch.full((channels, 6, 8), level, dtype=torch.uint8) for level in levels]


def apng_milliseconds(content):
    """Durations of frames from the fcTL chunks of an animated PNG, by its specification."""
    found, place = [], 8
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        if kind == b"fcTL":
            numerator, denominator = struct.unpack(">HH", content[place + 28 : place + 32])
            found.append(1000 * numerator / (denominator or 100))
        place += 12 + length
    return found


def gif_milliseconds(content):
    """Durations of frames from the graphic control extensions of a GIF, by its specification."""
    starts = [place for place in range(len(content)) if content[place : place + 3] == b"\x21\xf9\x04"]
    return [10 * struct.unpack("<H", content[place + 4 : place + 6])[0] for place in starts]


READ = {".apng": apng_milliseconds, ".gif": gif_milliseconds}


@pytest.mark.parametrize("ending", READ)
@pytest.mark.parametrize("fps", [10, 24, 30, 7])
@pytest.mark.parametrize("levels", [(0, 60, 120, 180, 240), (0, 90, 90, 90, 240), (0, 0, 90, 200, 200)])
def test_played_time_is_the_time_asked_for_with_equal_frames_too(tmp_path, ending, fps, levels):
    path = save_animation(pictures(*levels), tmp_path / f"a{ending}", fps)
    unit = {".apng": 1, ".gif": 10}[ending]
    assert sum(READ[ending](path.read_bytes())) == pytest.approx(5000 / fps, abs=unit / 2 + 0.01)


@pytest.mark.parametrize("ending", READ)
def test_each_frame_is_seen_at_its_time(tmp_path, ending):
    levels = (0, 90, 90, 90, 240, 90)
    path = save_animation(pictures(*levels), tmp_path / f"a{ending}", 10)
    played = []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            level = int(pil_to_tensor(frame.convert("RGB")).float().mean().round())
            played += [level] * round(frame.info["duration"] / 100)
        assert image.info["loop"] == 0, "it repeats for ever"
    assert played == list(levels)


def test_apng_keeps_all_colours_and_grey(tmp_path):
    for channels in (1, 3):
        images = list(torch.randint(0, 256, (3, channels, 20, 30), dtype=torch.uint8))
        path = save_animation(images, tmp_path / f"{channels}.apng", 5)
        with Image.open(path) as image:
            frames = [frame.convert("RGB" if channels == 3 else "L") for frame in ImageSequence.Iterator(image)]
        assert all(torch.equal(pil_to_tensor(frame), each) for frame, each in zip(frames, images, strict=True))


def test_durations_add_up_to_the_time_of_all_frames():
    for fps in (3, 24, 30, 49):
        for unit in (1, 10):
            ends = torch.tensor(durations(100, fps, unit)).cumsum(0)
            exact = 1000 * torch.arange(1, 101) / fps
            assert (ends - exact).abs().max() <= unit / 2


@pytest.mark.parametrize(
    ("count", "fps", "sentence"),
    [(601, 10, "601 frames at 10 a second take 60 seconds"), (3, 0, "--fps must be from 1 to 50"), (3, 99, "--fps")],
)
def test_what_no_file_can_hold_gets_a_sentence(tmp_path, count, fps, sentence):
    with pytest.raises(InputError, match=sentence):
        save_animation(pictures(0) * count, tmp_path / "a.apng", fps)
    assert not list(tmp_path.iterdir())
