"""Pairs of images in folders: which belong together, what is refused, and one crop for both."""

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.data import PairedFolder
from lightning_gen.data.loader import Loader
from lightning_gen.data.pairs import PairedViews
from lightning_gen.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def places(number, side=12):
    """An image whose pixels tell their row, their column and the number of the image."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([rows * 10, columns * 10, np.full_like(rows, number)], -1).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write(root, layout, count=10):
    """Pairs in which the target is the source."""
    for index in range(count):
        test = index % 5 == 0
        pixels, split = places(index), "test" if test else "train"
        if layout == "AB":
            save(root / split / f"{index}.png", np.concatenate([pixels, pixels], 1))
            continue
        source, target = {
            "A/B": ("A", "B"),
            "A/train": (f"A/{split}", f"B/{split}"),
            "train/A": (f"{split}/A", f"{split}/B"),
            "trainA": (f"{split}A", f"{split}B"),
            "train_label": (f"{split}_label", f"{split}_img"),
        }[layout]
        save(root / source / f"{index}.png", pixels)
        save(root / target / f"{index}.bmp", pixels)


LAYOUTS = ("AB", "A/B", "A/train", "train/A", "trainA", "train_label")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_pairs(layout, tmp_path):
    write(tmp_path / "x", layout)
    data = PairedFolder(str(tmp_path / "x"), size=12, batch_size=2)
    data.setup("fit")
    seen = []
    for split in (data.train_set, data.val_set, data.test_set):
        batch = split[:]
        assert torch.equal(batch.x, batch.target)
        seen += batch.x[:, 2, 0, 0].tolist()
    assert sorted(seen) == list(range(10))
    if layout != "A/B":
        assert sorted(data.test_set[:].x[:, 2, 0, 0].tolist()) == [0, 5]
    assert data.target_shape == data.shape == (3, 12, 12)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_pair_has_one_crop_and_one_coin_and_another_in_each_epoch(num_workers, tmp_path):
    write(tmp_path / "x", "A/B", count=20)
    options = {"load_size": 12, "mirror": True, "batch_size": 4, "val_fraction": 0.0, "test_fraction": 0.0}
    data = PairedFolder(str(tmp_path / "x"), size=8, num_workers=num_workers, **options)
    loader = data.train_dataloader()
    drawn = []
    for _ in range(3):
        for batch in loader:
            assert torch.equal(batch.x, batch.target)
            assert batch.x.shape == (4, 3, 8, 8)
            step = batch.x[:, 1, :, 1].int() - batch.x[:, 1, :, 0].int()
            assert (step.abs() == 10).all()
            drawn += batch.x[:, :, 0, 0].tolist()
    assert len({tuple(each) for each in drawn}) > 50, "of 60 pairs of number and crop"


def test_crops_are_those_of_a_resumed_run_and_of_two_ranks(tmp_path):
    write(tmp_path / "x", "A/B", count=20)
    data = PairedFolder(str(tmp_path / "x"), size=8, load_size=12, mirror=True, val_fraction=0.0, test_fraction=0.0)
    data.setup()

    def loader(**options):
        return Loader(PairedViews(data.train_set), 4, shuffle=True, drop_last=True, seed=1, epoch=2, **options)

    whole = [batch.x for batch in loader()]
    resumed = loader()
    resumed.load_state_dict({"epoch": 2, "batches": 3, "batch_size": 4})
    assert all(torch.equal(a.x, b) for a, b in zip(resumed, whole[3:], strict=True))
    ranks = [loader(rank=rank, world_size=2) for rank in range(2)]
    for a, b, both in zip(*ranks, whole, strict=True):
        assert torch.equal(torch.stack([a.x, b.x], 1).flatten(0, 1), both)


def test_without_crops_the_coins_are_those_of_other_data(tmp_path):
    write(tmp_path / "x", "A/B", count=20)
    data = PairedFolder(str(tmp_path / "x"), size=12, val_fraction=0.0, test_fraction=0.0, mirror=True)
    data.setup()
    options = {"shuffle": True, "seed": 5}
    for ours, plain in zip(
        Loader(PairedViews(data.train_set), 4, **options),
        Loader(data.train_set, 4, mirror=True, **options),
        strict=True,
    ):
        assert torch.equal(ours.x, plain.x)
        assert torch.equal(ours.target, plain.target)


def test_evaluation_sees_the_centre(tmp_path):
    write(tmp_path / "x", "A/B")
    data = PairedFolder(str(tmp_path / "x"), size=8, load_size=12, mirror=True)
    data.setup()
    for split in (data.train_set, data.val_set):
        assert (split[:].x[:, :2, 0, 0] == 20).all()
        assert (split[:].x[:, :2, -1, -1] == 90).all()


def test_a_pair_is_never_lost_silently(tmp_path):
    write(tmp_path / "x", "A/B")
    (tmp_path / "x/B/3.bmp").unlink()
    (tmp_path / "x/A/4.png").unlink()
    with pytest.raises(InputError, match=r"A/3.png \(it has no target\), B/4.bmp \(it has no source\)"):
        PairedFolder(str(tmp_path / "x"), size=12).prepare_data()
    data = PairedFolder(str(tmp_path / "x"), size=12, on_error="skip", val_fraction=0.0, test_fraction=0.0)
    with pytest.warns(UserWarning, match="left out: 2 images have no partner"):
        data.setup()
    assert torch.equal(data.train_set[:].x, data.train_set[:].target)
    assert len(data.train_set) == 8
    assert data.skipped == ["A/3.png", "B/4.bmp"]


def test_one_broken_image_takes_its_partner_along(tmp_path):
    write(tmp_path / "x", "A/B")
    (tmp_path / "x/B/3.bmp").write_bytes(b"BM")
    with pytest.raises(InputError, match=r"B/3.bmp cannot be decoded"):
        PairedFolder(str(tmp_path / "x"), size=12).prepare_data()
    data = PairedFolder(str(tmp_path / "x"), size=12, on_error="skip", val_fraction=0.0, test_fraction=0.0)
    with pytest.warns(UserWarning, match="left out 1 of 10 images"):
        data.setup()
    assert torch.equal(data.train_set[:].x, data.train_set[:].target)
    assert sorted(data.train_set[:].x[:, 2, 0, 0].tolist()) == [0, 1, 2, *range(4, 10)]


def test_pairs_of_unequal_sizes_are_refused_after_turning(tmp_path):
    write(tmp_path / "x", "A/B")
    tall = Image.fromarray(np.zeros((12, 20, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    tall.save(tmp_path / "x/A/t.jpg", exif=exif)
    tall.rotate(90, expand=True).save(tmp_path / "x/B/t.png")
    PairedFolder(str(tmp_path / "x"), size=12).prepare_data()
    tall.save(tmp_path / "x/B/t.png")
    with pytest.raises(InputError, match=r"A/t.jpg \(12 x 20, and B/t.png has 20 x 12\)"):
        PairedFolder(str(tmp_path / "x"), size=12).prepare_data()


def test_a_file_of_odd_width_has_no_halves(tmp_path):
    write(tmp_path / "x", "AB")
    save(tmp_path / "x/train/odd.png", np.zeros((12, 25, 3), np.uint8))
    with pytest.raises(InputError, match=r"odd.png cannot be decoded \(its width of 25 is odd"):
        PairedFolder(str(tmp_path / "x"), size=12).prepare_data()


def test_sides_change_places_and_have_channels_of_their_own(tmp_path):
    for index in range(10):
        save(tmp_path / "a" / f"{index}.png", places(index))
        save(tmp_path / "b" / f"{index}.png", np.full((12, 12), 200, np.uint8))
    folders = {"source": str(tmp_path / "a"), "target": str(tmp_path / "b")}
    data = PairedFolder(**folders, size=12, target_channels=1, reverse=False)
    data.setup()
    assert data.train_set[0].target.shape == data.target_shape == (1, 12, 12)
    turned = PairedFolder(**folders, size=12, channels=1, target_channels=3, reverse=True)
    turned.setup()
    assert (turned.train_set[:].x == 200).all()
    assert torch.equal(turned.train_set[:].target, data.train_set[:].x)


def test_a_dark_picture_of_16_bits_stays_dark(tmp_path):
    for index in range(10):
        for side in "AB":
            save(tmp_path / "x" / side / f"{index}.png", np.full((12, 12), 200, np.uint16))
    data = PairedFolder(str(tmp_path / "x"), size=12, channels=1)
    data.setup()
    assert (data.train_set[:].x == 1).all()  # 200 / 257


def test_labels_keep_their_colours(tmp_path):
    labels = np.random.default_rng(0).choice(np.array([0, 90, 255], np.uint8), (40, 40))
    for index in range(4):
        save(tmp_path / "x/A" / f"{index}.png", labels)
        save(tmp_path / "x/B" / f"{index}.png", labels)
    data = PairedFolder(str(tmp_path / "x"), size=15, channels=1, nearest_source=True)
    data.setup()
    assert set(data.train_set[:].x.unique().tolist()) == {0, 90, 255}
    assert len(data.train_set[:].target.unique()) > 3
    Image.fromarray(labels).save(tmp_path / "x/A/0.jpg")
    (tmp_path / "x/A/0.png").unlink()
    with pytest.warns(UserWarning, match=r"A/0.jpg are JPEG"):
        PairedFolder(str(tmp_path / "x"), size=15, channels=1, nearest_source=True).prepare_data()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "give --data.folder alone, or --data.source and --data.target"),
        ({"source": "x"}, "give --data.folder alone"),
        ({"folder": "x", "source": "x", "target": "y"}, "give --data.folder alone"),
    ],
)
def test_one_folder_or_two(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        PairedFolder(**arguments).prepare_data()


def test_numbers_out_of_range():
    with pytest.raises(InputError, match=r"--data.load_size 8"):
        PairedFolder("x", size=16, load_size=8)
    with pytest.raises(InputError, match=r"--data.target_channels to 1, 3 or 4"):
        PairedFolder("x", target_channels=2)


def test_a_side_alone_and_images_beside_the_sides_are_refused(tmp_path):
    save(tmp_path / "x/trainA/1.png", places(1))
    with pytest.raises(InputError, match=r"no folder of targets beside that of trainA/1.png"):
        PairedFolder(str(tmp_path / "x")).prepare_data()
    save(tmp_path / "x/trainB/1.png", places(1))
    save(tmp_path / "x/2.png", places(1))
    with pytest.raises(InputError, match=r"beside them such as 2.png"):
        PairedFolder(str(tmp_path / "x")).prepare_data()
