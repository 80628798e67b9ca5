"""One picture of any kind becomes the array that it should: checked against numpy, torchvision and the pixels drawn."""

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from lightning_gen.data.decoder import read_image

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


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_colour_at_its_size_is_kept_to_the_bit(tmp_path, suffix):
    assert np.array_equal(read_image(saved(tmp_path, RGB, suffix), (3, 4, 6)), planes(RGB))


def test_lossless_webp(tmp_path):
    assert np.array_equal(read_image(saved(tmp_path, RGB, ".webp", lossless=True), (3, 4, 6)), planes(RGB))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey(tmp_path, channels):
    x = read_image(saved(tmp_path, GREY, ".png"), (channels, 4, 6))
    assert x.dtype == np.uint8
    assert all(np.array_equal(plane, GREY) for plane in x[:3])
    assert channels != 4 or (x[3] == 255).all()


def test_colour_to_grey_by_the_weights_of_bt_601(tmp_path):
    x = read_image(saved(tmp_path, RGB, ".png"), (1, 4, 6))
    np.testing.assert_allclose(x[0], RGB @ [0.299, 0.587, 0.114], atol=0.51)


def test_transparency_is_laid_over_white(tmp_path):
    path = saved(tmp_path, np.dstack([RGB, ALPHA]), ".png")
    np.testing.assert_allclose(read_image(path, (3, 4, 6)), planes(OVER_WHITE), atol=1)


def test_transparency_is_kept_in_four_channels(tmp_path):
    path = saved(tmp_path, np.dstack([RGB, ALPHA]), ".png")
    assert np.array_equal(read_image(path, (4, 4, 6)), planes(np.dstack([RGB, ALPHA])))


def test_grey_with_transparency(tmp_path):
    path = saved(tmp_path, np.dstack([GREY, ALPHA]), ".png")
    expected = GREY * (ALPHA / 255) + 255 * (1 - ALPHA / 255)
    np.testing.assert_allclose(read_image(path, (1, 4, 6))[0], expected, atol=1)


@pytest.mark.parametrize("suffix", [".png", ".gif"])
@pytest.mark.parametrize("transparent", [None, 1])
def test_palette(tmp_path, suffix, transparent):
    picture = Image.fromarray(GREY % 3).convert("P")
    picture.putpalette([200, 0, 0, 0, 150, 0, 0, 0, 100])
    colours = np.array([[200, 0, 0], [0, 150, 0], [0, 0, 100]])
    if transparent is not None:
        colours[transparent] = 255
    options = {} if transparent is None else {"transparency": transparent}
    path = saved(tmp_path, picture, suffix, **options)
    assert np.array_equal(read_image(path, (3, 4, 6)), planes(colours[GREY % 3]))


def test_palette_with_an_alpha_for_every_colour(tmp_path):
    picture = Image.fromarray(GREY % 2).convert("P")
    picture.putpalette([200, 0, 0, 0, 100, 0])
    path = saved(tmp_path, picture, ".png", transparency=bytes([51, 255]))
    colours = np.array([[0.2 * 200 + 0.8 * 255, 0.8 * 255, 0.8 * 255], [0, 100, 0]])
    np.testing.assert_allclose(read_image(path, (3, 4, 6)), planes(colours[GREY % 2]), atol=1)


def test_one_bit(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY > 100), ".png")
    assert np.array_equal(read_image(path, (1, 4, 6))[0], (GREY > 100) * 255)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path, suffix):
    path = saved(tmp_path, np.arange(65536, dtype=np.uint16).reshape(256, 256), suffix)
    x = read_image(path, (1, 256, 256))
    np.testing.assert_array_equal(x.ravel(), np.round(np.arange(65536) / 257))


def test_cmyk_jpeg(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (16, 16), (0, 255, 255, 0)), ".jpg", quality=100)
    np.testing.assert_allclose(read_image(path, (3, 16, 16))[:, 8, 8], [255, 0, 0], atol=4)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
    path = saved(tmp_path, frames[0], ".gif", save_all=True, append_images=frames[1:])
    assert (read_image(path, (1, 4, 4)) == 10).all()


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
def test_exif_orientation(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = upright(GREY)
    x = read_image(saved(tmp_path, GREY, ".png", exif=exif), (1, *expected.shape))
    assert np.array_equal(x[0], expected)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(4, 4, slice(0, 4), slice(1, 5)), (4, 5, slice(0, 4), slice(0, 5)), (4, 3, slice(0, 4), slice(2, 5))],
)
def test_cropping_alone_moves_no_pixel(tmp_path, height, width, rows, columns):
    x = read_image(saved(tmp_path, RGB, ".png"), (3, height, width))
    assert np.array_equal(x, planes(RGB)[:, rows, columns])


@pytest.mark.parametrize(("channels", "outside"), [(3, [0, 0, 0]), (4, [0, 0, 0, 0])])
def test_padding_alone_moves_no_pixel(tmp_path, channels, outside):
    x = read_image(saved(tmp_path, RGB, ".png"), (channels, 6, 6), pad=True)
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
def test_smooth_pictures_are_resized_as_torchvision_does(tmp_path, source, target):
    y, x = np.meshgrid(np.linspace(0, 3, source[0]), np.linspace(0, 3, source[1]), indexing="ij")
    smooth = np.dstack([127 + 120 * np.sin(x), 127 + 120 * np.cos(y), 127 + 60 * (np.sin(y) + np.cos(x))])
    picture = smooth.astype(np.uint8)
    scale = max(target[0] / source[0], target[1] / source[1])
    tensor, size = torch.from_numpy(planes(picture).copy()), [round(side * scale) for side in source]
    resized = functional.resize(tensor, size, functional.InterpolationMode.BICUBIC, antialias=True)
    expected = functional.center_crop(resized, list(target)).numpy().astype(int)
    error = np.abs(read_image(saved(tmp_path, picture, ".png"), (3, *target)) - expected)
    assert error.mean() < 0.3
    assert error.max() <= 2


def test_padded_pictures_are_resized_as_torchvision_does(tmp_path):
    photograph = skimage.data.astronaut()[:256]
    tensor = torch.from_numpy(planes(photograph).copy())
    expected = functional.resize(tensor, [32, 64], functional.InterpolationMode.BICUBIC, antialias=True).numpy()
    x = read_image(saved(tmp_path, photograph, ".png"), (3, 64, 64), pad=True).astype(int)
    assert np.abs(x[:, 16:48] - expected).mean() < 2
    assert not x[:, :16].any()
    assert not x[:, 48:].any()


@pytest.mark.parametrize("side", [20, 64, 100])
def test_large_jpeg_photograph(tmp_path, side):
    photograph = skimage.data.astronaut()
    tensor = torch.from_numpy(planes(photograph).copy())
    expected = functional.resize(tensor, [side, side], functional.InterpolationMode.BICUBIC, antialias=True)
    x = read_image(saved(tmp_path, photograph, ".jpg", quality=95), (3, side, side))
    assert np.abs(x.astype(int) - expected.numpy()).mean() < 3


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("source", [(1, 1), (1, 1000), (1000, 1)])
def test_extreme_sizes(tmp_path, source, pad):
    x = read_image(saved(tmp_path, np.full(source, 99, np.uint8), ".png"), (1, 8, 8), pad)
    assert set(np.unique(x)) <= ({0, 99} if pad else {99})
    assert (x == 99).any()
