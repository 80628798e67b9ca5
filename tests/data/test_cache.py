import errno
import itertools
import multiprocessing
import os
import re
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
import skimage.data
from PIL import EpsImagePlugin, Image

from lightning_gen.data.cache import READ_AHEAD, Report, decode, default_cache_dir
from lightning_gen.data.decoder import read_image
from lightning_gen.errors import InputError
from lightning_gen.signals import LeftEarly

RNG = np.random.default_rng(0)


def numbered(folder, count, side=8):
    """Image i is filled with the grey level i % 251."""
    folder.mkdir(exist_ok=True)
    names = [f"{index:04}.png" for index in range(count)]
    for index, name in enumerate(names):
        Image.new("L", (side, side), index % 251).save(folder / name)
    return names


def bmps(folder, levels):
    """Images of equal sizes and times, each filled with its grey level."""
    folder.mkdir()
    for index, level in enumerate(levels):
        Image.new("L", (8, 8), level).save(folder / f"{index}.bmp")
        os.utime(folder / f"{index}.bmp", ns=(10**18, 10**18))


def written_over(source, target):
    """As ``cp -p`` and ``tar`` do where files are already."""
    for path in source.iterdir():
        shutil.copy2(path, target / path.name)


def moved_over(source, target):
    """As ``rsync -a`` does."""
    for path in source.iterdir():
        path.replace(target / path.name)


def folders_swapped(source, target):
    target.rename(target.with_name("older"))
    source.rename(target)


def sizes_and_times(folder):
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.iterdir())]


def files(folder):
    return sorted(path.suffix for path in folder.iterdir())


class TestDecode:
    def test_every_image_is_in_its_row(self, tmp_path):
        names = numbered(tmp_path / "images", 3 * READ_AHEAD + 1)
        images = decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert isinstance(images.pixels, np.memmap)
        assert not images.pixels.flags.writeable
        assert images.pixels.dtype == np.uint8
        assert images.pixels.shape == (len(names), 1, 8, 8)
        assert np.array_equal(images.pixels[:, 0, 3, 4], np.arange(len(names)))
        assert images.indices == list(range(len(names)))
        assert images.skipped == {}

    def test_names_are_taken_in_the_order_given(self, tmp_path):
        names = numbered(tmp_path / "images", 5)[::-1]
        images = decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert images.pixels[:, 0, 0, 0].tolist() == [4, 3, 2, 1, 0]

    def test_never_holds_all_images_in_memory(self, tmp_path):
        names = numbered(tmp_path / "images", 8 * READ_AHEAD)
        tracemalloc.start()
        try:
            images = decode(tmp_path / "images", names, (3, 64, 64), cache_dir=str(tmp_path / "cache"))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < images.pixels.nbytes / 2

    def test_the_second_call_opens_no_image(self, tmp_path, monkeypatch):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 5)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        monkeypatch.setattr("lightning_gen.data.cache.opened", None)
        monkeypatch.setattr("lightning_gen.data.cache.read_image", None)
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("replace", [written_over, moved_over, folders_swapped])
    def test_other_images_of_the_same_sizes_and_times_are_decoded_anew(self, tmp_path, replace):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        bmps(folder, [1, 2, 3])
        bmps(tmp_path / "others", [1, 7, 3])
        names = sorted(path.name for path in folder.iterdir())
        before = sizes_and_times(folder)
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [1, 2, 3]
        replace(tmp_path / "others", folder)
        assert sizes_and_times(folder) == before
        for _ in range(2):
            assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [1, 7, 3]
        assert files(tmp_path / "cache") == [".json", ".npy"]

    def test_files_that_were_touched_and_hold_the_same_are_not_decoded_again(self, tmp_path, monkeypatch, capsys):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 3)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        monkeypatch.setattr("lightning_gen.data.cache.read_image", None)
        os.utime(folder / names[1], ns=(0, 0))
        capsys.readouterr()
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
        assert "were changed since they were decoded: comparing their contents" in capsys.readouterr().err
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        assert capsys.readouterr().err == ""

    def test_a_changed_image_is_decoded_anew(self, tmp_path):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
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
        (tmp_path / "images").mkdir()
        Image.new("L", (8, 4), 50).save(tmp_path / "images/x.png")
        sums = [
            int(decode(tmp_path / "images", ["x.png"], shape, pad=pad, cache_dir=str(tmp_path / "cache")).pixels.sum())
            for shape, pad in [((1, 4, 4), False), ((1, 8, 8), False), ((1, 8, 8), True), ((3, 8, 8), True)]
        ]
        assert sums == [16 * 50, 64 * 50, 32 * 50, 96 * 50]

    def test_default_cache_is_the_users(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert default_cache_dir() == tmp_path / "xdg/lightning_gen"
        names = numbered(tmp_path / "images", 2)
        decode(tmp_path / "images", names, (1, 8, 8))
        assert files(tmp_path / "xdg/lightning_gen") == [".json", ".npy"]
        assert files(tmp_path / "images") == [".png", ".png"]
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
    path.write_text("no image")


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


def broken_pipe(path):
    os.mkfifo(path)


def broken_device(path):
    path.symlink_to("/dev/zero")


def broken_folder(path):
    path.mkdir()


def broken_postscript(path):
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")


def broken_bomb(path):
    path.write_bytes(b"P5 20000 20000 255\n")


BROKEN = [
    broken_truncated_png,
    broken_truncated_jpeg,
    broken_empty,
    broken_text,
    broken_header,
    broken_float,
    broken_32_bits,
    broken_link,
    broken_pipe,
    broken_device,
    broken_folder,
    broken_postscript,
    broken_bomb,
]


class TestBrokenImages:
    @pytest.mark.parametrize("break_file", BROKEN)
    def test_raise_names_the_image(self, tmp_path, break_file):
        names = numbered(tmp_path / "images", 3)
        break_file(tmp_path / "images/b.png")
        for _ in range(2):  # decoded, then from the cache
            with pytest.raises(InputError, match=r"/b\.png cannot be decoded \(.+\).*--data\.on_error skip"):
                decode(tmp_path / "images", [*names, "b.png"], (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert files(tmp_path / "images") == [".png"] * 4

    def test_all_of_them_are_named_at_once(self, tmp_path):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = [*numbered(folder, 3), "a.png", "b.png"]
        broken_text(folder / "a.png")
        broken_truncated_png(folder / "b.png")
        sentence = (
            f"2 of 5 images in {folder} cannot be decoded, a.png (its content is not an image), b.png (image file is "
            "truncated): repair or remove them, or leave them out with --data.on_error skip"
        )
        with pytest.raises(InputError, match=f"^{re.escape(sentence)}; all other images are decoded and kept$"):
            decode(folder, names, (1, 8, 8), cache_dir=cache)
        for number in range(30):
            broken_text(folder / f"c{number}.png")
        names += [f"c{number}.png" for number in range(30)]
        with pytest.raises(InputError, match=r"^32 of 35 images .* c17\.png \(.*\) and 12 more: repair") as error:
            decode(folder, names, (1, 8, 8), cache_dir=cache)
        assert str(error.value).count(".png (") == 20

    def test_skip_leaves_them_out(self, tmp_path):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = [*numbered(folder, 3), *(f"{number}.png" for number in range(len(BROKEN)))]
        for break_file, name in zip(BROKEN, names[3:], strict=True):
            break_file(folder / name)
        names.sort()
        for _ in range(2):  # decoded, then from the cache
            images = decode(folder, names, (1, 8, 8), on_error="skip", cache_dir=cache)
            assert images.pixels.shape == (3, 1, 8, 8)
            assert [names[row] for row in images.indices] == ["0000.png", "0001.png", "0002.png"]
            assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
            assert set(images.skipped) == {f"{number}.png" for number in range(len(BROKEN))}
        with pytest.raises(InputError, match=f"^{len(BROKEN)} of {len(names)} images .* 0\\.png "):
            decode(folder, names, (1, 8, 8), cache_dir=cache)

    @pytest.mark.parametrize(
        ("break_file", "why"),
        [
            (broken_pipe, "it is a folder, a pipe or a device and no file"),
            (broken_device, "it is a folder, a pipe or a device and no file"),
            (broken_postscript, "its content is not an image"),
            (broken_bomb, "it has more pixels than Pillow's limit of 178,956,970"),
        ],
    )
    def test_what_is_no_image_is_said(self, tmp_path, break_file, why):
        break_file(tmp_path / "b.png")
        with pytest.raises(InputError, match=re.escape(f"b.png cannot be decoded ({why}):")):
            decode(tmp_path, ["b.png"], (1, 8, 8), cache_dir=str(tmp_path / "cache"))

    def test_postscript_starts_no_program(self, tmp_path, monkeypatch):
        broken_postscript(tmp_path / "b.png")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (tmp_path / "bin" / "gs").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it has not looked for the program yet
        with pytest.raises(InputError):
            decode(tmp_path, ["b.png"], (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert not (tmp_path / "started").exists()

    def test_nothing_left(self, tmp_path):
        broken_text(tmp_path / "b.png")
        with pytest.raises(InputError, match="none of the 1 images"):
            decode(tmp_path, ["b.png"], (1, 8, 8), on_error="skip", cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are decoded."""
    found = []

    def noted(path, *arguments):
        found.append(path.name)
        return read_image(path, *arguments)

    monkeypatch.setattr("lightning_gen.data.cache.read_image", noted)
    return found


def levels(images):
    return images.pixels[:, 0, 3, 3].tolist()


def removed(path):
    path.unlink()


def repaired(path):
    Image.new("L", (8, 8), 7).save(path)


class TestWhatIsDecodedIsKept:
    @pytest.mark.parametrize("remedy", [removed, repaired, None])
    def test_each_remedy_for_a_broken_image_decodes_no_other_one_again(self, tmp_path, opened, remedy, capsys):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        numbered(folder, 5)
        broken_text(folder / "0002.png")
        names = sorted(path.name for path in folder.iterdir())
        with pytest.raises(InputError, match="0002"):
            decode(folder, names, (1, 8, 8), cache_dir=cache)
        assert sorted(opened) == names
        opened.clear()
        if remedy is not None:
            remedy(folder / "0002.png")
        images = decode(
            folder,
            sorted(path.name for path in folder.iterdir()),
            (1, 8, 8),
            cache_dir=cache,
            on_error="raise" if remedy else "skip",
        )
        assert opened == (["0002.png"] if remedy is repaired else [])
        assert levels(images) == ([0, 1, 7, 3, 4] if remedy is repaired else [0, 1, 3, 4])
        assert ("4 of" in capsys.readouterr().err) == (remedy is not None)

    def test_an_image_that_failed_for_another_reason_than_its_file_is_tried_again(self, tmp_path, monkeypatch, opened):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 5)

        def exhausted(path, *arguments):
            if path.name == names[2]:
                raise MemoryError
            return read_image(path, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr("lightning_gen.data.cache.read_image", exhausted)
            with pytest.raises(InputError, match=r"0002\.png cannot be decoded \(MemoryError\)"):
                decode(folder, names, (1, 8, 8), cache_dir=cache)
        assert levels(decode(folder, names, (1, 8, 8), cache_dir=cache)) == [0, 1, 2, 3, 4]
        assert set(opened) == {names[2]}

    def test_new_images_alone_are_decoded_and_others_keep_their_rows(self, tmp_path, opened):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 6)
        decode(folder, names[2:5], (1, 8, 8), cache_dir=cache)
        decode(folder, names[2:5], (1, 4, 4), cache_dir=cache)
        opened.clear()
        assert levels(decode(folder, names[::-1], (1, 8, 8), cache_dir=cache)) == [5, 4, 3, 2, 1, 0]
        assert sorted(opened) == ["0000.png", "0001.png", "0005.png"]

    def test_a_file_that_was_copied_is_compared_and_not_decoded(self, tmp_path, opened):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 3)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        opened.clear()
        os.utime(folder / names[0], ns=(0, 0))
        Image.new("L", (8, 8), 9).save(folder / names[1])
        assert levels(decode(folder, names, (1, 8, 8), cache_dir=cache)) == [0, 9, 2]
        assert opened == [names[1]]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, LeftEarly(75)])
    def test_an_interrupted_call_is_continued_by_the_next(self, tmp_path, monkeypatch, interruption):
        folder, cache, count = tmp_path / "images", str(tmp_path / "cache"), 2 * READ_AHEAD
        names = numbered(folder, count)
        broken_text(folder / names[3])

        def interrupted(sources, *arguments):
            yield from itertools.islice(sources, 100)
            raise interruption

        with monkeypatch.context() as patch:
            patch.setattr("lightning_gen.data.cache.progress", interrupted)
            with pytest.raises((KeyboardInterrupt, LeftEarly)):
                decode(folder, names, (1, 8, 8), cache_dir=cache)
        decoded = []
        monkeypatch.setattr(
            "lightning_gen.data.cache.read_image", lambda *path: decoded.append(path[0].name) or read_image(*path)
        )
        images = decode(folder, names, (1, 8, 8), cache_dir=cache, on_error="skip")
        assert levels(images) == [level for level in range(count) if level != 3]
        assert sorted(decoded) == [names[3], *names[100:]], "the broken one is tried again"

    def test_an_interrupted_call_loses_nothing_of_an_earlier_one(self, tmp_path, monkeypatch, opened):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 5)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        Image.new("L", (8, 8), 9).save(folder / names[0])

        def interrupted(sources, *arguments):
            yield next(sources)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("lightning_gen.data.cache.progress", interrupted)
            with pytest.raises(KeyboardInterrupt):
                decode(folder, names, (1, 8, 8), cache_dir=cache)
        opened.clear()
        assert levels(decode(folder, names, (1, 8, 8), cache_dir=cache)) == [9, 1, 2, 3, 4]
        assert opened == [names[0]]


class TestDisk:
    def test_too_little_room_is_said_beforehand(self, tmp_path, monkeypatch):
        names = numbered(tmp_path / "images", 2)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
        with pytest.raises(InputError, match=r"need 0\.1 MB in .*cache.*--data\.cache_dir"):
            decode(tmp_path / "images", names, (3, 128, 128), cache_dir=str(tmp_path / "cache"))

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_up_meanwhile(self, tmp_path, monkeypatch, number):
        def full(descriptor):
            raise OSError(number, os.strerror(number))

        names = numbered(tmp_path / "images", 2)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"has no room for them: set --data\.cache_dir"):
            decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
        assert files(tmp_path / "cache") == []

    def test_a_place_that_cannot_be_written(self, tmp_path):
        names = numbered(tmp_path / "images", 2)
        with pytest.raises(InputError, match=r"cannot be written to .*--data\.cache_dir"):
            decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "images" / names[0] / "cache"))

    def test_what_killed_processes_left_is_removed_before_room_is_asked_for(self, tmp_path, monkeypatch):
        names = numbered(tmp_path / "images", 2)
        cache = tmp_path / "cache"
        cache.mkdir()
        for name in [f".{'a' * 32}.npy.{'b' * 32}.partial", "of_another_program.partial"]:
            (cache / name).touch()
        room = shutil._ntuple_diskusage(100, 90, 10)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: files(cache) == [".partial"] and room)
        with pytest.raises(InputError, match="has no room"):
            decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(cache))
        assert [path.name for path in cache.iterdir()] == ["of_another_program.partial"]


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def pixels_zeroed(path):
    path.write_bytes(path.read_bytes()[:128] + bytes(path.stat().st_size - 128))


def one_bit_flipped(path):
    content = bytearray(path.read_bytes())
    content[-40] ^= 4
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path):
    path.write_bytes(b"")


def of_an_array(path):
    path.write_text("[1, 2]")


def of_fewer_images(path):
    path.write_text(path.read_text().replace("null]", '"broken"]', 1))


class TestDamagedCache:
    @pytest.mark.parametrize(
        ("suffix", "damage"),
        [
            *((".npy", damage) for damage in (zeroed, pixels_zeroed, one_bit_flipped, cut, emptied, os.unlink)),
            *((".json", damage) for damage in (zeroed, cut, emptied, of_an_array, of_fewer_images)),
        ],
    )
    def test_it_is_made_again_with_a_word(self, tmp_path, capsys, suffix, damage):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 5)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        (path,) = (tmp_path / "cache").glob(f"*{suffix}")
        before = path.stat()
        damage(path)
        if path.exists():
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        capsys.readouterr()
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 3, 3].tolist() == [0, 1, 2, 3, 4]
        assert f"{folder} in {cache} are damaged and are made again" in capsys.readouterr().err
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        assert capsys.readouterr().err == ""

    def test_an_array_that_was_only_touched_is_used(self, tmp_path, monkeypatch):
        folder, cache = tmp_path / "images", str(tmp_path / "cache")
        names = numbered(folder, 5)
        decode(folder, names, (1, 8, 8), cache_dir=cache)
        monkeypatch.setattr("lightning_gen.data.cache.read_image", None)
        (array,) = (tmp_path / "cache").glob("*.npy")
        os.utime(array, ns=(0, 0))
        assert decode(folder, names, (1, 8, 8), cache_dir=cache).pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def decode_at_the_same_time(start, folder, names, cache):
    start.wait()
    images = decode(folder, names, (1, 8, 8), cache_dir=cache)
    assert images.pixels[:, 0, 0, 0].tolist() == list(range(len(names)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that start fast")
def test_two_processes_at_once(tmp_path):
    names = numbered(tmp_path / "images", 240)
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(2)
    arguments = (start, tmp_path / "images", names, str(tmp_path / "cache"))
    both = [fork.Process(target=decode_at_the_same_time, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert files(tmp_path / "cache") == [".json", ".npy"]


class TestProgress:
    def test_plain_lines_in_a_log(self, tmp_path, capsys):
        names = numbered(tmp_path / "images", 5)
        decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"), title="faces")
        assert capsys.readouterr().err == "faces: 5 of 5\n"

    def test_a_bar_on_a_terminal(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        names = numbered(tmp_path / "images", 5)
        images = decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"), title="faces")
        assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
        shown = capsys.readouterr().err
        assert "faces" in shown
        assert "100%" in shown


def test_the_time_of_a_later_call_grows_with_the_number_of_images_and_not_with_its_square(tmp_path, monkeypatch):
    names = numbered(tmp_path / "images", 5)
    decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
    reads = []
    skipped = Report.skipped.fget
    monkeypatch.setattr(Report, "skipped", property(lambda report: reads.append(report) or skipped(report)))
    decode(tmp_path / "images", names, (1, 8, 8), cache_dir=str(tmp_path / "cache"))
    assert len(reads) <= 2, "each looks at all images"
