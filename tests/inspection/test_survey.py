"""The content of folders that are made here, and what is said about it."""

import numpy as np
import pytest
from PIL import Image

from lightning_gen.errors import InputError
from lightning_gen.inspection.findings import findings
from lightning_gen.inspection.survey import Survey


def image(seed, width=40, height=40, mode="RGB"):
    x = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(x).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.fixture
def filled(tmp_path):
    """Put so many images into a sub-folder; each has a seed of its own."""
    seeds = iter(range(10_000))

    def fill(place, count, **options):
        folder = tmp_path / "images" / place
        folder.mkdir(parents=True, exist_ok=True)
        for seed in (next(seeds) for _ in range(count)):
            image(seed, **options).save(folder / f"{seed:05}.png")
        return tmp_path / "images"

    return fill


def said(folder, word, size=None):
    found = [sentence for sentence in findings(Survey.of(str(folder), size)) if word in sentence]
    assert len(found) == 1, found
    return found[0]


def test_splits_and_classes_are_those_of_the_run(filled):
    for place, count in {"train/cat": 12, "train/dog": 3, "val/cat": 2, "test/dog": 4}.items():
        folder = filled(place, count)
    survey = Survey.of(str(folder))
    assert survey.counts == {"train": {"cat": 12, "dog": 3}, "val": {"cat": 2}, "test": {"dog": 4}}
    assert (survey.training, survey.classes, set(survey.small_classes)) == (15, {"cat": 12, "dog": 3}, {"cat", "dog"})
    assert "class cat has 12 training images and dog has 3" in said(folder, "rare")
    assert "(dog 3, cat 12)" in said(folder, "merge")


def test_images_that_are_split_off_are_those_of_the_data(filled):
    survey = Survey.of(str(filled("", 30)))
    data = survey.data
    for split, part in (("train", data.train_set), ("val", data.val_set), ("test", data.test_set)):
        assert [row for row, each in enumerate(survey.splits) if each == split] == sorted(part.rows.tolist())


@pytest.mark.parametrize(
    ("sides", "size", "expected"),
    [([200] * 20, None, 64), ([28] * 20, None, 28), ([19] * 20, None, 16), ([200] * 19 + [20], None, 64),
     ([200] * 15 + [33] * 5, None, 32), ([200] * 20, 96, 96), ([3] * 20, None, 8)],
)  # fmt: skip
def test_the_size_suits_nearly_all_images(sides, size, expected, filled):
    for side in sides:
        folder = filled("", 1, width=side, height=side + 1)
    assert Survey.of(str(folder), size).side == expected


def test_small_and_large_images_are_told_with_the_size_that_suits_them(filled):
    folder = filled("", 20, width=30, height=50)
    assert said(folder, "enlarged", 64) == "20 images of less than 64 pixels would be enlarged, which blurs: " + (
        "doctor --size 28 suits them."
    )
    assert "doctor --size 16 shows more" in said(folder, "pixels is reduced to 8", 8)


def test_long_images_are_padded_if_they_are_most(filled):
    folder = filled("", 8, width=80, height=40)
    assert Survey.of(str(folder)).data.pad
    assert "the command pads with black" in said(folder, "--data.pad true")
    folder = filled("", 12)
    survey = Survey.of(str(folder))
    assert (survey.data.pad, survey.long) == (False, 8)
    assert "8 images with a long side" in said(folder, "--data.pad true")


@pytest.mark.parametrize("coloured", [False, True])
def test_grey_images_have_one_channel_also_where_they_are_stored_as_colours(coloured, tmp_path):
    for seed in range(6):
        grey = image(seed, mode="L")
        (grey.convert("RGB") if coloured else grey).save(tmp_path / f"{seed}.png")
    survey = Survey.of(str(tmp_path))
    assert survey.data.shape == (1, 40, 40)
    assert survey.grey_share == 1
    assert "--data.channels 1" in said(tmp_path, "All images are grey")


def test_some_grey_images_among_coloured_ones(filled):
    filled("", 12)
    folder = filled("", 4, mode="L")
    assert Survey.of(str(folder)).data.shape[0] == 3
    assert said(folder, "grey").startswith("25% of the images are grey")


def test_transparency_16_bits_and_animations(filled, tmp_path):
    folder = filled("", 3, mode="RGBA")
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40)).save(folder / "deep.png")
    image(0).save(folder / "moves.gif", save_all=True, append_images=[image(1)])
    survey = Survey.of(str(folder))
    assert (survey.alpha, survey.kind("16_bit"), survey.animated) == (3, 1, 1)
    assert "--data.channels 4" in said(folder, "3 images with an alpha channel")
    assert said(folder, "of 16 bits").startswith("1 image ")
    assert "first frame" in said(folder, "1 animation ")


def test_broken_images_are_named_and_copies_too(filled):
    folder = filled("train", 6)
    filled("test", 3)
    (folder / "train/broken.png").write_bytes(b"no image")
    first = min((folder / "train").glob("0*.png"))
    (folder / "test/again.png").write_bytes(first.read_bytes())
    Image.open(first).save(folder / "train/near.jpg", quality=80)
    survey = Survey.of(str(folder))
    assert survey.data.reasons == {"train/broken.png": "its content is not an image"}
    assert "train/broken.png (its content is not an image)" in said(folder, "--data.on_error skip")
    copies = said(folder, "teach nothing")
    assert copies.startswith("Exact copies (1) and near ones (1), such as train/00000.png of test/again.png,")
    assert "1 have a copy in another split, such as test/again.png of train/00000.png" in said(folder, "flatter")


def test_images_beside_classes_make_no_classes(filled):
    filled("cat", 5)
    folder = filled("", 5)
    assert Survey.of(str(folder)).classes == {}
    assert "the folder of its class" in said(folder, "sub-folders")


def test_a_folder_without_images_is_told_as_its_command_takes_it(tmp_path):
    with pytest.raises(InputError, match="no file at all: give a folder"):
        Survey.of(str(tmp_path))
    with pytest.raises(InputError, match=r"there is no folder .*: give the folder that your images are in"):
        Survey.of(str(tmp_path / "missing"))


def test_each_file_is_decoded_once(filled, monkeypatch):
    from lightning_gen.data import cache

    seen = []
    read = cache.read_image
    monkeypatch.setattr(cache, "read_image", lambda path, *args: seen.append(path.name) or read(path, *args))
    folder = filled("", 12)
    Survey.of(str(folder))
    assert len(seen) == len(set(seen)) == 12
