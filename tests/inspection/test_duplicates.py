"""Copies: exact ones, near ones, and those in other splits, among images whose copies are known."""

import io

import numpy as np
import torch
from PIL import Image

from lightning_gen.inspection import duplicates
from lightning_gen.inspection.duplicates import Pair
from lightning_gen.inspection.pixels import inspect_pixels


def drawn(seed, side=48):
    """A smooth image of its own."""
    x = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BICUBIC))


def compressed(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def rescaled(image, side=32):
    small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small.resize(image.shape[:2], Image.Resampling.LANCZOS))


def inspected(*images):
    return inspect_pixels(np.stack(images).transpose(0, 3, 1, 2))


def test_exact_copies_are_those_of_the_same_pixels():
    a, b = drawn(0), drawn(1)
    copies = inspected(a, b, a, a, b).copies
    assert copies.exact_pairs == [Pair(0, 2), Pair(0, 3), Pair(1, 4)]
    assert copies.near_pairs == []


def test_near_copies_are_images_that_were_compressed_or_rescaled():
    images = [drawn(seed) for seed in range(40)]
    copies = inspected(*images, compressed(images[3], 60), rescaled(images[7]), compressed(images[3], 85)).copies
    assert copies.exact_pairs == []
    assert copies.near_pairs == [Pair(3, 40), Pair(3, 42), Pair(7, 41)]


def test_images_that_differ_in_colour_or_in_a_detail_are_no_copies():
    image = drawn(0)
    detail = image.copy()
    detail[10:22, 10:22] = 255 - detail[10:22, 10:22]
    copies = inspected(image, image[..., ::-1], detail, 255 - image, image[:, ::-1]).copies
    assert copies.exact_pairs == copies.near_pairs == []


def test_they_are_found_across_blocks(monkeypatch):
    monkeypatch.setattr(duplicates, "ROWS", 4)
    images = [drawn(seed) for seed in range(10)]
    assert inspected(*images, compressed(images[1], 80)).copies.near_pairs == [Pair(1, 10)]


def test_copies_in_other_splits():
    a, b, c = drawn(0), drawn(1), drawn(2)
    copies = inspected(a, a, b, compressed(b, 80), c, c).copies
    assert copies.between(["train", "test", "train", "val", "test", "test"]) == [Pair(0, 1), Pair(2, 3)]
    assert copies.between(["val", "test", "train", "train", "train", "train"]) == [Pair(1, 0), Pair(0, 1)]
    assert copies.between(["train"] * 6) == []


def test_of_many_images_some_are_compared(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST", 5)
    copies = inspected(*(drawn(seed) for seed in range(9))).copies
    assert copies.compared == 5


def test_near_grey_is_without_a_colour_that_one_sees():
    grey = np.repeat(drawn(0)[..., :1], 3, axis=2)
    tinted = (grey * np.array([1, 1, 0.99])).astype(np.uint8)
    dotted = grey.copy()
    dotted[:8, :8] = (255, 0, 0)
    assert inspected(grey, tinted, dotted, drawn(0)).near_grey.tolist() == [True, True, False, False]
    assert inspect_pixels(grey[None, ..., 0][None]).near_grey.tolist() == [True]


def test_the_array_on_the_disk_is_not_touched(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([drawn(0), drawn(1)]).transpose(0, 3, 1, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    inspect_pixels(mapped)
    assert torch.equal(torch.from_numpy(mapped.copy()), torch.from_numpy(np.load(tmp_path / "x.npy")))
