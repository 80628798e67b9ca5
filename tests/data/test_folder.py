import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image, features

from lightning_gen.data.decoder import EXTENSIONS, OPTIONAL, extensions
from lightning_gen.data.folder import ImageFolder, list_images
from lightning_gen.data.loader import seeded
from lightning_gen.data.sorted_files import split_sizes
from lightning_gen.errors import InputError

LEVELS = {"apple": 50, "Banana": 100, "cherry": 150}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def flat(tmp_path):
    """Twenty images; image i is filled with the grey level i."""
    folder = tmp_path / "flat"
    folder.mkdir()
    for level in range(20):
        Image.new("L", (10, 8), level).save(folder / f"{level:02}.png")
    return folder


@pytest.fixture
def classes(tmp_path):
    """Six images of each of three classes, whose grey level tells the class, some of them deeper down."""
    folder = tmp_path / "classes"
    for name, level in LEVELS.items():
        (folder / name / "deeper").mkdir(parents=True)
        for index in range(6):
            place = folder / name / "deeper" if index % 2 else folder / name
            Image.new("RGB", (8, 8), (level, level, level)).save(place / f"{index}.bmp")
    return folder


PLACES = {}
"""Split folder and class folder of each grey level."""


@pytest.fixture
def split_folders(tmp_path):
    """Make folders of so many images of each class; every image has a grey level of its own."""

    def make(**splits):
        PLACES.clear()
        for split, classes in splits.items():
            for name, count in classes.items():
                (tmp_path / "images" / split / name).mkdir(parents=True)
                for level in range(len(PLACES), len(PLACES) + count):
                    PLACES[level] = (split, name)
                    Image.new("L", (8, 8), level).save(tmp_path / "images" / split / name / f"{level}.png")
        return tmp_path / "images"

    return make


def labels_are_those_of_the_folders(data, *splits):
    return all(
        [data.classes[label] for label in split[:].labels.tolist()] == [PLACES[level][1] for level in levels(split)]
        for split in splits
    )


def levels(samples):
    """The grey level of each sample of a split of one-coloured images."""
    x = samples.__getitems__(list(range(len(samples)))).x
    assert (x == x[:, :1, :1, :1]).all()
    return x[:, 0, 0, 0].tolist()


def lines_of_a_batch(data):
    """How many lines of Python run while the first training batch is made."""
    lines = 0

    def count(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return count

    loader = iter(data.train_dataloader())
    before = sys.gettrace()
    sys.settrace(count)
    try:
        next(loader)
    finally:
        sys.settrace(before)
    return lines


class TestConstruction:
    @pytest.mark.parametrize(
        ("size", "channels", "shape"), [(64, 3, (3, 64, 64)), ((32, 48), 1, (1, 32, 48)), ([16, 8], 4, (4, 16, 8))]
    )
    def test_shape_is_known_before_any_file_is_touched(self, size, channels, shape):
        assert ImageFolder("/nowhere/at all", size=size, channels=channels).shape == shape

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"size": 0}, "--data.size must be at least 1, not 0"),
            ({"size": (16, -4)}, "--data.size must be at least 1, not -4"),
            ({"channels": 2}, "cannot have 2 channels: set --data.channels to 1, 3 or 4"),
            ({"val_fraction": -0.1}, "--data.val_fraction -0.1 .* set them to at least 0"),
            ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
            ({"batch_size": 0}, "--data.batch_size must be at least 1"),
        ],
    )
    def test_numbers_out_of_range(self, arguments, sentence):
        with pytest.raises(InputError, match=sentence):
            ImageFolder("images", **arguments)


class TestClasses:
    def test_first_subfolders_sorted_by_name(self, classes):
        data = ImageFolder(str(classes), size=8)
        assert data.classes == ("Banana", "apple", "cherry")
        assert data.num_classes == 3

    def test_labels_stay_with_their_images(self, classes):
        data = ImageFolder(str(classes), size=8, val_fraction=0.3, test_fraction=0.3)
        data.setup()
        for split in (data.train_set, data.val_set, data.test_set):
            x, labels = split.__getitems__(list(range(len(split))))
            assert [LEVELS[data.classes[label]] for label in labels.tolist()] == x[:, 0, 0, 0].tolist()

    def test_labels_stay_with_their_images_when_some_are_skipped(self, classes):
        (classes / "Banana/0.bmp").write_bytes(b"")
        (classes / "apple/deeper/1.bmp").write_bytes(b"")
        data = ImageFolder(str(classes), size=8, val_fraction=0, test_fraction=0, on_error="skip")
        with pytest.warns(UserWarning, match=r"left out 2 of 18 images .* such as Banana/0\.bmp \("):
            data.setup()
        x, labels = data.train_set.__getitems__(list(range(16)))
        assert [LEVELS[data.classes[label]] for label in labels.tolist()] == x[:, 0, 0, 0].tolist()
        assert data.skipped == ["Banana/0.bmp", "apple/deeper/1.bmp"]

    def test_a_flat_folder_has_none(self, flat):
        data = ImageFolder(str(flat), size=8)
        data.setup()
        assert data.num_classes is None
        assert data.classes is None
        assert data.train_set[0].labels is None

    def test_an_image_beside_the_subfolders_makes_it_flat(self, classes):
        Image.new("L", (8, 8)).save(classes / "cover.png")
        assert ImageFolder(str(classes)).num_classes is None

    def test_a_subfolder_without_images_does_not_count(self, classes):
        (classes / "durian").mkdir()
        (classes / "durian/notes.txt").touch()
        assert ImageFolder(str(classes)).num_classes == 3


class TestSplitFolders:
    def test_train_and_test_are_splits_and_a_part_of_train_validates(self, split_folders):
        folder = split_folders(train={"cat": 6, "dog": 4}, test={"cat": 2, "dog": 1})
        data = ImageFolder(str(folder), size=8, val_fraction=0.3, test_fraction=0.3)
        data.setup()
        assert data.classes == ("cat", "dog")
        assert [len(split) for split in (data.train_set, data.val_set, data.test_set)] == [7, 3, 3]
        trained = levels(data.train_set) + levels(data.val_set)
        assert sorted(trained) == [level for level, (split, _) in PLACES.items() if split == "train"]
        assert sorted(levels(data.test_set)) == [level for level, (split, _) in PLACES.items() if split == "test"]
        assert labels_are_those_of_the_folders(data, data.train_set, data.val_set, data.test_set)

    @pytest.mark.parametrize(
        ("train", "val", "test"),
        [
            ("train", "val", "test"),
            ("training", "valid", "testing"),
            ("Train", "Val", "TEST"),
            ("train", "validation", "test"),
        ],
    )
    def test_three_splits_take_nothing_of_each_other(self, split_folders, train, val, test):
        folder = split_folders(**{train: {"cat": 5, "dog": 5}, val: {"cat": 2}, test: {"dog": 3, "emu": 1}})
        data = ImageFolder(str(folder), size=8, val_fraction=0.5, test_fraction=0.4)
        data.setup()
        assert data.classes == ("cat", "dog", "emu")
        for name, split in {train: data.train_set, val: data.val_set, test: data.test_set}.items():
            assert sorted(levels(split)) == [level for level, (place, _) in PLACES.items() if place == name]
        assert labels_are_those_of_the_folders(data, data.train_set, data.val_set, data.test_set)

    def test_validation_alone(self, split_folders):
        data = ImageFolder(str(split_folders(train={"": 8}, val={"": 3})), size=8, test_fraction=0.25)
        data.setup()
        assert data.num_classes is None
        assert [len(split) for split in (data.train_set, data.val_set, data.test_set)] == [6, 3, 2]

    def test_each_split_is_in_random_order_that_the_seed_decides(self, split_folders):
        folder = split_folders(train={"": 30}, test={"": 30})
        first, second, other = (ImageFolder(str(folder), size=8, seed=seed) for seed in (0, 0, 1))
        for data in (first, second, other):
            data.setup()
        assert levels(first.test_set) == levels(second.test_set)
        assert levels(first.test_set) != levels(other.test_set)
        assert levels(first.test_set) != sorted(levels(first.test_set))

    def test_a_split_without_classes_has_no_labels(self, split_folders):
        data = ImageFolder(str(split_folders(train={"cat": 4, "dog": 4}, test={"": 3})), size=8, val_fraction=0.25)
        data.setup()
        assert data.classes == ("cat", "dog")
        assert data.test_set[:].labels is None
        assert labels_are_those_of_the_folders(data, data.train_set, data.val_set)

    def test_classes_of_held_out_images_alone_are_none(self, split_folders):
        data = ImageFolder(str(split_folders(train={"": 4}, test={"cat": 3})), size=8)
        data.setup()
        assert data.num_classes is None
        assert data.test_set[:].labels is None

    @pytest.mark.parametrize("stray", ["cover.png", "unlabeled/1.png"])
    def test_images_beside_the_splits_are_refused(self, split_folders, stray):
        folder = split_folders(train={"": 4}, test={"": 3})
        (folder / stray).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(folder / stray)
        with pytest.raises(InputError, match=rf"holds splits, .* beside them such as {stray}: move these"):
            ImageFolder(str(folder)).prepare_data()

    @pytest.mark.parametrize(
        ("names", "classes"),
        [(["train", "car", "bus"], 3), (["train"], 1), (["val", "test"], 2), (["test", "car"], 2)],
    )
    def test_names_that_are_no_splits_together_stay_classes(self, split_folders, names, classes):
        folder = split_folders(**{name: {"": 3} for name in names})
        data = ImageFolder(str(folder), size=8, val_fraction=0, test_fraction=0)
        data.setup()
        assert data.num_classes == classes
        assert len(data.train_set) == 3 * len(names)

    def test_splits_stay_when_images_are_skipped(self, split_folders):
        folder = split_folders(train={"cat": 4, "dog": 4}, test={"cat": 3})
        (folder / "train/cat/0.png").write_bytes(b"")
        (folder / "test/cat/8.png").write_bytes(b"")
        data = ImageFolder(str(folder), size=8, val_fraction=0, on_error="skip")
        with pytest.warns(UserWarning, match="left out 2 of 11"):
            data.setup()
        assert sorted(levels(data.train_set)) == [1, 2, 3, 4, 5, 6, 7]
        assert sorted(levels(data.test_set)) == [9, 10]
        assert labels_are_those_of_the_folders(data, data.train_set, data.test_set)

    def test_nothing_to_train_on(self, split_folders):
        folder = split_folders(train={"": 1}, test={"": 3})
        (folder / "train/0.png").write_bytes(b"")
        with (
            pytest.warns(UserWarning, match="left out 1 of 4"),
            pytest.raises(InputError, match="no training image"),
        ):
            ImageFolder(str(folder), size=8, on_error="skip").setup()


class TestContents:
    def test_classes_are_counted_in_the_training_split(self, classes):
        data = ImageFolder(str(classes), size=8, val_fraction=0.3, test_fraction=0.1)
        data.setup()
        where, counted = data.contents()
        assert where == "5 for validation, split off, 2 for test, split off"
        x = levels(data.train_set)
        assert counted == "3 classes: " + ", ".join(f"{name} {x.count(LEVELS[name])}" for name in sorted(LEVELS))

    def test_folders_of_splits_are_named(self, split_folders):
        data = ImageFolder(
            str(split_folders(train={"cat": 9, "dog\x1b[31m": 1}, val={"cat": 2})), size=8, test_fraction=0
        )
        data.setup()
        assert data.contents() == [
            "2 for validation, of its own folder, 0 for test, split off",
            r"2 classes: cat 9, 'dog\x1b[31m' 1",
        ]

    def test_the_first_few_of_many_classes_are_named(self, split_folders):
        folder = split_folders(**{f"class{number:02}": {"": 1} for number in range(15)})
        data = ImageFolder(str(folder), size=8, val_fraction=0, test_fraction=0)
        data.setup()
        assert data.contents()[1].startswith("15 classes: class00 1, class01 1, ")
        assert data.contents()[1].endswith("class07 1, and 7 more")

    def test_without_classes(self, flat):
        data = ImageFolder(str(flat), size=8)
        data.setup()
        assert data.contents() == ["2 for validation, split off, 2 for test, split off"]


class TestSplits:
    def test_they_are_those_of_earlier_versions(self, flat, classes):
        data = ImageFolder(str(flat), size=8, val_fraction=0.2, test_fraction=0.3, seed=3)
        data.setup()
        order = torch.randperm(20, generator=seeded(3)).tolist()
        assert levels(data.train_set) + levels(data.val_set) + levels(data.test_set) == order

    def test_every_image_is_in_one_split(self, flat):
        data = ImageFolder(str(flat), size=8, val_fraction=0.2, test_fraction=0.3)
        data.setup()
        parts = [levels(split) for split in (data.train_set, data.val_set, data.test_set)]
        assert [len(part) for part in parts] == [10, 4, 6]
        assert sorted(level for part in parts for level in part) == list(range(20))

    def test_they_depend_on_the_seed_alone(self, flat):
        first, second, other = (ImageFolder(str(flat), size=8, val_fraction=0.5, seed=seed) for seed in (0, 0, 1))
        for data in (first, second, other):
            torch.rand(1)
            data.setup()
        assert levels(first.val_set) == levels(second.val_set) != levels(other.val_set)

    @pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.0, 0.2), (0.6, 0.3), (0.01, 0.0)])
    def test_sizes(self, fractions):
        for count in range(1, 40):
            train, *others = split_sizes(count, *fractions)
            assert train + sum(others) == count
            assert train >= 1, count
            for size, fraction in zip(others, fractions, strict=True):
                assert (size > 0) <= (fraction > 0), count
                assert count < 3 or (size > 0) == (fraction > 0), count
                assert abs(size - count * fraction) <= 1, count


class TestBatches:
    def test_rgb_batches_of_the_training_split(self, flat):
        data = ImageFolder(str(flat), size=(8, 10), batch_size=4)
        seen = []
        for batch in data.train_dataloader():
            assert batch.x.dtype == torch.uint8
            assert batch.x.shape == (4, 3, 8, 10)
            scaled = data.on_after_batch_transfer(batch).x
            torch.testing.assert_close(scaled, batch.x / 255 * 2 - 1)
            seen += batch.x[:, 0, 0, 0].tolist()
        assert sorted(seen) == sorted(levels(data.train_set))

    def test_worker_processes_read_the_same_cache(self, flat):
        own, workers = (ImageFolder(str(flat), size=8, batch_size=4, num_workers=number) for number in (0, 1))
        for ours, theirs in zip(own.train_dataloader(), workers.train_dataloader(), strict=True):
            assert torch.equal(ours.x, theirs.x)

    def test_images_stay_on_the_disk(self, flat):
        data = ImageFolder(str(flat), size=8)
        data.setup()
        assert isinstance(data.train_set.x, np.memmap)

    def test_a_batch_takes_as_many_lines_of_python_however_many_images_it_has(self, flat):
        small, large = (ImageFolder(str(flat), size=8, batch_size=size) for size in (2, 16))
        assert lines_of_a_batch(small) == lines_of_a_batch(large) > 10

    def test_prepare_data_decodes_and_setup_only_maps(self, flat, monkeypatch):
        ImageFolder(str(flat), size=8).prepare_data()
        monkeypatch.setattr(Image, "open", None)
        data = ImageFolder(str(flat), size=8)
        data.setup()
        assert len(data.train_set) == 16

    def test_cache_dir(self, flat, tmp_path):
        ImageFolder(str(flat), size=8, cache_dir=str(tmp_path / "elsewhere")).prepare_data()
        assert len(list((tmp_path / "elsewhere").glob("*.npy"))) == 1
        assert not (tmp_path / "cache").exists()


class TestListing:
    def test_hidden_files_and_other_files_are_left_alone(self, flat):
        for name in [".hidden.png", "notes.txt", "movie.mp4", "png"]:
            (flat / name).touch()
        (flat / ".thumbnails").mkdir()
        (flat / ".thumbnails/x.png").touch()
        (flat / "sub").mkdir()
        (flat / "sub/LARGE.JPG").touch()
        assert list_images(flat).names == [*(f"{level:02}.png" for level in range(20)), "sub/LARGE.JPG"]

    @pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in EXTENSIONS for name in EXTENSIONS[kind]])
    def test_images_of_all_extensions_are_read(self, flat, kind, name):
        if not features.check(OPTIONAL.get(kind, "jpg")):
            pytest.skip(f"this Pillow has no {kind}")
        image = Image.new("1" if name == ".pbm" else "L", (8, 8), 255)
        image.save(flat / f"white{name.upper()}", kind)
        data = ImageFolder(str(flat), size=8, channels=1)
        data.setup()
        assert f"white{name.upper()}" in data.names
        splits = (data.train_set, data.val_set, data.test_set)
        assert sum(int((split[:].x > 250).all((1, 2, 3)).sum()) for split in splits) == 1

    def test_other_files_are_counted_by_their_extensions(self, flat):
        for name in ["a.heic", "b.HEIC", "notes.txt", "png", ".hidden"]:
            (flat / name).touch()
        data = ImageFolder(str(flat), size=8)
        data.setup()
        assert data.contents()[-1] == (
            "left out, with other extensions than those of images: 2 .heic, 1 .txt, 1 without extension"
        )
        for number in range(9):
            (flat / f"x.e{number}").touch()
        others = list_images(flat).counts
        assert others.startswith("2 .heic, 1 ")
        assert others.endswith(", 4 of 4 more extensions")

    def test_a_format_that_pillow_does_not_decode_is_left_out(self, flat, monkeypatch):
        (flat / "a.avif").touch()
        (flat / "b.webp").touch()
        monkeypatch.setattr(features, "check", lambda name: name != "avif")
        extensions.cache_clear()
        try:
            assert list_images(flat).counts == "1 .avif"
        finally:
            extensions.cache_clear()

    def test_links_are_followed_but_not_in_circles(self, flat, tmp_path):
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked/images").symlink_to(flat)
        (flat / "back").symlink_to(tmp_path / "linked")
        assert list_images(tmp_path / "linked").names == [f"images/{level:02}.png" for level in range(20)]

    def test_a_link_beside_its_target_is_taken_once_under_the_name_of_the_file(self, flat, tmp_path):
        (flat / "00-link.png").symlink_to("07.png")
        (flat / "zz").mkdir()
        (flat / "zz" / "07.png").symlink_to(flat / "07.png")
        (flat / "zz" / "alone.png").symlink_to(tmp_path / "outside.png")
        (flat / "zz" / "twice.png").symlink_to(tmp_path / "outside.png")
        (flat / "zz" / "broken.png").symlink_to("nowhere.png")
        Image.new("L", (8, 8)).save(tmp_path / "outside.png")
        numbers = [f"{level:02}.png" for level in range(20)]
        assert list_images(flat).names == [*numbers, "zz/alone.png", "zz/broken.png"]

    def test_hard_links_are_files_of_their_own(self, flat):
        os.link(flat / "00.png", flat / "copy.png")
        assert len(list_images(flat).names) == 21

    def test_a_pipe_is_no_image_and_nobody_waits_for_it(self, flat):
        os.mkfifo(flat / "pipe.png")
        with pytest.raises(InputError, match=r"pipe\.png cannot be decoded \(it is a folder, a pipe or a device"):
            ImageFolder(str(flat), size=8).prepare_data()
        data = ImageFolder(str(flat), size=8, on_error="skip")
        with pytest.warns(UserWarning, match=r"left out 1 of 21 .* such as pipe\.png \(it is"):
            data.setup()

    def test_home(self, flat, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        data = ImageFolder("~/flat", size=8)
        data.setup()
        assert len(data.names) == 20

    def test_missing_folder_with_a_near_name(self, flat):
        with pytest.raises(
            InputError, match=r"there is no folder .*flats \(did you mean .*/flat\?\): set --data\.folder"
        ):
            ImageFolder(f"{flat}s").prepare_data()

    def test_missing_folder_without_a_near_name(self, tmp_path):
        with pytest.raises(InputError, match=r"there is no folder .*/of/nothing: set --data\.folder"):
            ImageFolder(str(tmp_path / "of/nothing")).prepare_data()

    def test_a_file(self, flat):
        with pytest.raises(InputError, match=r"00\.png is a file: set --data\.folder to the folder"):
            ImageFolder(str(flat / "00.png")).prepare_data()

    def test_no_image(self, tmp_path):
        folder = tmp_path / "texts"
        folder.mkdir()
        with pytest.raises(InputError, match=r"there is no image in .*, no file at all: .* end in .*\.bmp, .*\.png"):
            ImageFolder(str(folder)).prepare_data()
        (folder / "a.txt").touch()
        with pytest.raises(InputError, match=r"only 1 other files such as a\.txt"):
            ImageFolder(str(folder)).prepare_data()

    def test_a_folder_that_may_not_be_read(self, flat, monkeypatch):
        def denied(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("os.scandir", denied)
        with pytest.raises(InputError, match=r"flat cannot be read \(Permission denied\)"):
            list_images(flat)

    def test_broken_image(self, flat):
        (flat / "07.png").write_bytes((flat / "07.png").read_bytes()[:50])
        with pytest.raises(InputError, match=r"07\.png cannot be decoded .* --data\.on_error skip"):
            ImageFolder(str(flat), size=8).prepare_data()
