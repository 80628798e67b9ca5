import errno
import multiprocessing
import os
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from lightning_gen.data.cache import DECODED_AHEAD, decode, default_cache_dir, read_picture
from lightning_gen.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
ALPHA = np.resize(np.array([0, 51, 128, 255], dtype=np.uint8), (4, 6))
OVER_WHITE = RGB * (ALPHA[..., None] / 255) + 255 * (1 - ALPHA[..., None] / 255)


def planes(picture):
    """(h, w) or (h, w, c) -> (c, h, w)."""
    return np.moveaxis(picture.reshape(*picture.shape[:2], -1), -1, 0)


def saved(tmp_path, picture, suffix, **options):
    path = tmp_path / f"picture{suffix}"
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)
    return path


def numbered(folder, count, side=8):
    """Picture i is filled with the grey level i % 251."""
    folder.mkdir(exist_ok=True)
    names = [f"{index:04}.png" for index in range(count)]
    for index, name in enumerate(names):
        Image.new("L", (side, side), index % 251).save(folder / name)
    return names


def files(folder):
    return sorted(path.suffix for path in folder.iterdir())


class TestReadPicture:
    @pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
    def test_colour_at_its_size_is_kept_to_the_bit(self, tmp_path, suffix):
        assert np.array_equal(read_picture(saved(tmp_path, RGB, suffix), (3, 4, 6)), planes(RGB))

    def test_lossless_webp(self, tmp_path):
        assert np.array_equal(read_picture(saved(tmp_path, RGB, ".webp", lossless=True), (3, 4, 6)), planes(RGB))

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_grey(self, tmp_path, channels):
        x = read_picture(saved(tmp_path, GREY, ".png"), (channels, 4, 6))
        assert x.dtype == np.uint8
        assert all(np.array_equal(plane, GREY) for plane in x[:3])
        assert channels != 4 or (x[3] == 255).all()

    def test_colour_to_grey_by_the_weights_of_bt_601(self, tmp_path):
        x = read_picture(saved(tmp_path, RGB, ".png"), (1, 4, 6))
        np.testing.assert_allclose(x[0], RGB @ [0.299, 0.587, 0.114], atol=0.51)

    def test_transparency_is_laid_over_white(self, tmp_path):
        path = saved(tmp_path, np.dstack([RGB, ALPHA]), ".png")
        np.testing.assert_allclose(read_picture(path, (3, 4, 6)), planes(OVER_WHITE), atol=1)

    def test_transparency_is_kept_in_four_channels(self, tmp_path):
        path = saved(tmp_path, np.dstack([RGB, ALPHA]), ".png")
        assert np.array_equal(read_picture(path, (4, 4, 6)), planes(np.dstack([RGB, ALPHA])))

    def test_grey_with_transparency(self, tmp_path):
        path = saved(tmp_path, np.dstack([GREY, ALPHA]), ".png")
        expected = GREY * (ALPHA / 255) + 255 * (1 - ALPHA / 255)
        np.testing.assert_allclose(read_picture(path, (1, 4, 6))[0], expected, atol=1)

    @pytest.mark.parametrize("suffix", [".png", ".gif"])
    @pytest.mark.parametrize("transparent", [None, 1])
    def test_palette(self, tmp_path, suffix, transparent):
        picture = Image.fromarray(GREY % 3).convert("P")
        picture.putpalette([200, 0, 0, 0, 150, 0, 0, 0, 100])
        colours = np.array([[200, 0, 0], [0, 150, 0], [0, 0, 100]])
        if transparent is not None:
            colours[transparent] = 255
        options = {} if transparent is None else {"transparency": transparent}
        path = saved(tmp_path, picture, suffix, **options)
        assert np.array_equal(read_picture(path, (3, 4, 6)), planes(colours[GREY % 3]))

    def test_palette_with_an_alpha_for_every_colour(self, tmp_path):
        picture = Image.fromarray(GREY % 2).convert("P")
        picture.putpalette([200, 0, 0, 0, 100, 0])
        path = saved(tmp_path, picture, ".png", transparency=bytes([51, 255]))
        colours = np.array([[0.2 * 200 + 0.8 * 255, 0.8 * 255, 0.8 * 255], [0, 100, 0]])
        np.testing.assert_allclose(read_picture(path, (3, 4, 6)), planes(colours[GREY % 2]), atol=1)

    def test_one_bit(self, tmp_path):
        path = saved(tmp_path, Image.fromarray(GREY > 100), ".png")
        assert np.array_equal(read_picture(path, (1, 4, 6))[0], (GREY > 100) * 255)

    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_16_bits_are_scaled_not_clipped(self, tmp_path, suffix):
        path = saved(tmp_path, np.arange(65536, dtype=np.uint16).reshape(256, 256), suffix)
        x = read_picture(path, (1, 256, 256))
        np.testing.assert_array_equal(x.ravel(), np.round(np.arange(65536) / 257))

    def test_cmyk_jpeg(self, tmp_path):
        path = saved(tmp_path, Image.new("CMYK", (16, 16), (0, 255, 255, 0)), ".jpg", quality=100)
        np.testing.assert_allclose(read_picture(path, (3, 16, 16))[:, 8, 8], [255, 0, 0], atol=4)

    def test_first_frame_of_an_animation(self, tmp_path):
        frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
        path = saved(tmp_path, frames[0], ".gif", save_all=True, append_images=frames[1:])
        assert (read_picture(path, (1, 4, 4)) == 10).all()

    @pytest.mark.parametrize(
        ("orientation", "upright"),
        [
            (1, lambda x: x),
            (2, np.fliplr),
            (3, lambda x: np.rot90(x, 2)),
            (4, np.flipud),
            (5, np.transpose),
            (6, lambda x: np.rot90(x, -1)),
            (7, lambda x: np.rot90(x, 2).T),
            (8, np.rot90),
        ],
    )
    def test_exif_orientation(self, tmp_path, orientation, upright):
        exif = Image.Exif()
        exif[0x0112] = orientation
        expected = upright(GREY)
        x = read_picture(saved(tmp_path, GREY, ".png", exif=exif), (1, *expected.shape))
        assert np.array_equal(x[0], expected)

    @pytest.mark.parametrize(
        ("height", "width", "rows", "columns"),
        [(4, 4, slice(0, 4), slice(1, 5)), (4, 5, slice(0, 4), slice(0, 5)), (4, 3, slice(0, 4), slice(2, 5))],
    )
    def test_cropping_alone_moves_no_pixel(self, tmp_path, height, width, rows, columns):
        x = read_picture(saved(tmp_path, RGB, ".png"), (3, height, width))
        assert np.array_equal(x, planes(RGB)[:, rows, columns])

    @pytest.mark.parametrize(("channels", "outside"), [(3, [0, 0, 0]), (4, [0, 0, 0, 0])])
    def test_padding_alone_moves_no_pixel(self, tmp_path, channels, outside):
        x = read_picture(saved(tmp_path, RGB, ".png"), (channels, 6, 6), pad=True)
        assert np.array_equal(x[:3, 1:5], planes(RGB))
        assert np.array_equal(x[:, [0, 5]], np.broadcast_to(np.reshape(outside, (-1, 1, 1)), (channels, 2, 6)))

    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ((90, 120), (30, 30)),
            ((90, 120), (30, 40)),
            ((90, 120), (48, 30)),
            ((120, 90), (30, 30)),
            ((300, 500), (30, 30)),
            ((300, 500), (48, 30)),
            ((64, 48), (48, 30)),
            ((20, 20), (30, 30)),
        ],
    )
    def test_smooth_pictures_are_resized_as_torchvision_does(self, tmp_path, source, target):
        y, x = np.meshgrid(np.linspace(0, 3, source[0]), np.linspace(0, 3, source[1]), indexing="ij")
        smooth = np.dstack([127 + 120 * np.sin(x), 127 + 120 * np.cos(y), 127 + 60 * (np.sin(y) + np.cos(x))])
        picture = smooth.astype(np.uint8)
        scale = max(target[0] / source[0], target[1] / source[1])
        tensor, size = torch.from_numpy(planes(picture).copy()), [round(side * scale) for side in source]
        resized = functional.resize(tensor, size, functional.InterpolationMode.BICUBIC, antialias=True)
        expected = functional.center_crop(resized, list(target)).numpy().astype(int)
        error = np.abs(read_picture(saved(tmp_path, picture, ".png"), (3, *target)) - expected)
        assert error.mean() < 0.3
        assert error.max() <= 2

    def test_padded_pictures_are_resized_as_torchvision_does(self, tmp_path):
        photograph = skimage.data.astronaut()[:256]
        tensor = torch.from_numpy(planes(photograph).copy())
        expected = functional.resize(tensor, [32, 64], functional.InterpolationMode.BICUBIC, antialias=True).numpy()
        x = read_picture(saved(tmp_path, photograph, ".png"), (3, 64, 64), pad=True).astype(int)
        assert np.abs(x[:, 16:48] - expected).mean() < 2
        assert not x[:, :16].any()
        assert not x[:, 48:].any()

    @pytest.mark.parametrize("side", [20, 64, 100])
    def test_large_jpeg_photograph(self, tmp_path, side):
        photograph = skimage.data.astronaut()
        tensor = torch.from_numpy(planes(photograph).copy())
        expected = functional.resize(tensor, [side, side], functional.InterpolationMode.BICUBIC, antialias=True)
        x = read_picture(saved(tmp_path, photograph, ".jpg", quality=95), (3, side, side))
        assert np.abs(x.astype(int) - expected.numpy()).mean() < 3

    @pytest.mark.parametrize("pad", [False, True])
    @pytest.mark.parametrize("source", [(1, 1), (1, 1000), (1000, 1)])
    def test_extreme_sizes(self, tmp_path, source, pad):
        x = read_picture(saved(tmp_path, np.full(source, 99, np.uint8), ".png"), (1, 8, 8), pad)
        assert set(np.unique(x)) <= ({0, 99} if pad else {99})
        assert (x == 99).any()


class TestDecode:
    def test_every_picture_is_in_its_row(self, tmp_path):
        names = numbered(tmp_path / "pictures", 3 * DECODED_AHEAD + 1)
        images = decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert isinstance(images.pixels, np.memmap)
        assert not images.pixels.flags.writeable
        assert images.pixels.dtype == np.uint8
        assert images.pixels.shape == (len(names), 1, 8, 8)
        assert np.array_equal(images.pixels[:, 0, 3, 4], np.arange(len(names)))
        assert images.kept == list(range(len(names)))
        assert images.skipped == {}

    def test_names_are_taken_in_the_order_given(self, tmp_path):
        names = numbered(tmp_path / "pictures", 5)[::-1]
        images = decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert images.pixels[:, 0, 0, 0].tolist() == [4, 3, 2, 1, 0]

    def test_never_holds_all_pictures_in_memory(self, tmp_path):
        names = numbered(tmp_path / "pictures", 8 * DECODED_AHEAD)
        tracemalloc.start()
        try:
            images = decode(tmp_path / "pictures", names, (3, 64, 64), cache_dir=str(tmp_path / "cache"))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < images.pixels.nbytes / 2

    def test_the_second_call_reads_no_picture(self, tmp_path):
        folder, cache = tmp_path / "pictures", str(tmp_path / "cache")
        names = numbered(folder, 5)
        first = decode(folder, names, (1, 8, 8), cache_dir=cache).pixels.copy()
        for name in names:
            before = (folder / name).stat()
            (folder / name).write_bytes(bytes(before.st_size))
            os.utime(folder / name, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert np.array_equal(decode(folder, names, (1, 8, 8), cache_dir=cache).pixels, first)

    def test_a_changed_picture_is_decoded_anew(self, tmp_path):
        folder, cache = tmp_path / "pictures", str(tmp_path / "cache")
        names = numbered(folder, 2)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        before = (folder / names[0]).stat()
        Image.new("L", (8, 8), 77).save(folder / names[0])
        os.utime(folder / names[0], ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [77, 1]

    def test_folders_that_look_alike_do_not_share_a_cache(self, tmp_path):
        for level, folder in enumerate([tmp_path / "a", tmp_path / "b"]):
            folder.mkdir()
            Image.new("L", (8, 8), level).save(folder / "x.bmp")
            os.utime(folder / "x.bmp", ns=(0, 0))
            images = decode(folder, ["x.bmp"], (1, 8, 8), cache_dir=str(tmp_path / "cache"))
            assert (images.pixels == level).all()

    def test_shape_and_padding_have_caches_of_their_own(self, tmp_path):
        (tmp_path / "pictures").mkdir()
        Image.new("L", (8, 4), 50).save(tmp_path / "pictures/x.png")
        sums = [
            int(
                decode(tmp_path / "pictures", ["x.png"], shape, pad=pad, cache_dir=str(tmp_path / "cache")).pixels.sum()
            )
            for shape, pad in [((1, 4, 4), False), ((1, 8, 8), False), ((1, 8, 8), True), ((3, 8, 8), True)]
        ]
        assert sums == [16 * 50, 64 * 50, 32 * 50, 96 * 50]

    def test_default_cache_is_the_users(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert default_cache_dir() == tmp_path / "xdg/lightning_gen"
        names = numbered(tmp_path / "pictures", 2)
        decode(tmp_path / "pictures", names, (1, 8, 8))
        assert files(tmp_path / "xdg/lightning_gen") == [".json", ".npy"]
        assert files(tmp_path / "pictures") == [".png", ".png"]
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert default_cache_dir() == tmp_path / ".cache/lightning_gen"


def broken_truncated_png(path):
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path, "png")
    path.write_bytes(path.read_bytes()[:2000])


def broken_truncated_jpeg(path):
    Image.fromarray(skimage.data.astronaut()).save(path, "jpeg")
    path.write_bytes(path.read_bytes()[:9000])


def broken_empty(path):
    path.write_bytes(b"")


def broken_text(path):
    path.write_text("no picture")


def broken_header(path):
    Image.new("L", (8, 8)).save(path, "png")
    content = bytearray(path.read_bytes())
    content[20] ^= 255
    path.write_bytes(content)


def broken_float(path):
    Image.new("F", (8, 8), 0.5).save(path, "tiff")


def broken_32_bits(path):
    Image.new("I", (8, 8), 100_000).save(path, "tiff")


def broken_link(path):
    path.symlink_to("nowhere")


BROKEN = [
    broken_truncated_png,
    broken_truncated_jpeg,
    broken_empty,
    broken_text,
    broken_header,
    broken_float,
    broken_32_bits,
    broken_link,
]


class TestBrokenPictures:
    @pytest.mark.parametrize("break_file", BROKEN)
    def test_raise_names_the_picture_and_leaves_nothing(self, tmp_path, break_file):
        names = numbered(tmp_path / "pictures", 3)
        break_file(tmp_path / "pictures/b.png")
        with pytest.raises(InputError, match=r"b\.png cannot be decoded \(.+\).*--data\.on_error skip"):
            decode(tmp_path / "pictures", [*names, "b.png"], (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert files(tmp_path / "cache") == []

    def test_skip_leaves_them_out(self, tmp_path):
        folder, cache = tmp_path / "pictures", str(tmp_path / "cache")
        names = [*numbered(folder, 3), *(f"{number}.png" for number in range(len(BROKEN)))]
        for break_file, name in zip(BROKEN, names[3:], strict=True):
            break_file(folder / name)
        names.sort()
        for _ in range(2):  # decoded, then from the cache
            images = decode(folder, names, (1, 8, 8), on_error="skip", cache_dir=cache)
            assert images.pixels.shape == (3, 1, 8, 8)
            assert [names[row] for row in images.kept] == ["0000.png", "0001.png", "0002.png"]
            assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
            assert set(images.skipped) == {f"{number}.png" for number in range(len(BROKEN))}
        with pytest.raises(InputError, match=r"0\.png cannot be decoded"):
            decode(folder, names, (1, 8, 8), cache_dir=cache)

    def test_nothing_left(self, tmp_path):
        broken_text(tmp_path / "b.png")
        with pytest.raises(InputError, match="none of the 1 pictures"):
            decode(tmp_path, ["b.png"], (1, 8, 8), on_error="skip", cache_dir=str(tmp_path / "cache"))


class TestDisk:
    def test_too_little_room_is_said_beforehand(self, tmp_path, monkeypatch):
        names = numbered(tmp_path / "pictures", 2)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
        with pytest.raises(InputError, match=r"need 0\.1 MB in .*cache.*--data\.cache_dir"):
            decode(tmp_path / "pictures", names, (3, 128, 128), cache_dir=str(tmp_path / "cache"))

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_up_meanwhile(self, tmp_path, monkeypatch, number):
        def full(descriptor):
            raise OSError(number, os.strerror(number))

        names = numbered(tmp_path / "pictures", 2)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"has no room for them: set --data\.cache_dir"):
            decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert files(tmp_path / "cache") == []

    def test_a_place_that_cannot_be_written(self, tmp_path):
        names = numbered(tmp_path / "pictures", 2)
        with pytest.raises(InputError, match=r"cannot be written to .*--data\.cache_dir"):
            decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "pictures" / names[0] / "cache"))

    def test_only_old_leftovers_of_killed_processes_are_removed(self, tmp_path):
        names = numbered(tmp_path / "pictures", 2)
        cache = tmp_path / "cache"
        cache.mkdir()
        for name in ["lightning_gen-old.partial", "lightning_gen-new.partial", "of_another_program.tmp"]:
            (cache / name).touch()
        for name in ["lightning_gen-old.partial", "of_another_program.tmp"]:
            os.utime(cache / name, (0, 0))
        decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(cache))
        assert files(cache) == [".json", ".npy", ".partial", ".tmp"]
        assert (cache / "lightning_gen-new.partial").exists()


def decode_at_the_same_time(start, folder, names, cache):
    start.wait()
    images = decode(folder, names, (1, 8, 8), cache_dir=cache)
    assert images.pixels[:, 0, 0, 0].tolist() == list(range(len(names)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that start fast")
def test_two_processes_at_once(tmp_path):
    names = numbered(tmp_path / "pictures", 240)
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(2)
    arguments = (start, tmp_path / "pictures", names, str(tmp_path / "cache"))
    both = [fork.Process(target=decode_at_the_same_time, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert files(tmp_path / "cache") == [".json", ".npy"]


class TestProgress:
    def test_plain_lines_in_a_log(self, tmp_path, capsys):
        names = numbered(tmp_path / "pictures", 5)
        decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"), title="faces")
        assert capsys.readouterr().err == "faces: 5 of 5\n"

    def test_a_bar_on_a_terminal(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        names = numbered(tmp_path / "pictures", 5)
        images = decode(tmp_path / "pictures", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"), title="faces")
        assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
        shown = capsys.readouterr().err
        assert "faces" in shown
        assert "100%" in shown
