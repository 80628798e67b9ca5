"""What the header of an image says, beside files that were written with known properties."""

import numpy as np
import pytest
from PIL import Image

from lightning_gen.data.headers import read_header

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
DEEP = np.arange(54, dtype=np.uint16).reshape(6, 9) * 1000


def file_of(image, tmp_path, name="x.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize(
    ("mode", "kind", "grey", "alpha"),
    [
        ("L", "grey", True, False),
        ("1", "grey", True, False),
        ("LA", "grey", True, True),
        ("RGB", "rgb", False, False),
        ("RGBA", "rgb", False, True),
        ("P", "palette", False, False),
    ],
)
def test_the_kind_of_pixels(mode, kind, grey, alpha, tmp_path):
    header = read_header(file_of(Image.fromarray(COLOURS).convert(mode), tmp_path))
    assert (header.width, header.height) == (9, 6)
    assert (header.kind, header.grey, header.alpha, header.animated) == (kind, grey, alpha, False)
    assert (header.short_side, header.aspect) == (6, 1.5)


def test_a_transparent_colour_of_a_palette_counts_as_alpha(tmp_path):
    assert read_header(file_of(Image.fromarray(COLOURS).convert("P"), tmp_path, transparency=3)).alpha


def test_16_bits_are_told_from_8(tmp_path):
    header = read_header(file_of(Image.fromarray(DEEP), tmp_path))
    assert (header.kind, header.grey) == ("16_bit", True)


def test_cmyk_is_another_kind(tmp_path):
    assert read_header(file_of(Image.fromarray(COLOURS).convert("CMYK"), tmp_path, "x.jpg")).kind == "other"


def test_a_photograph_that_was_turned_has_its_upright_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.png", "x.tif"):
        header = read_header(file_of(Image.fromarray(COLOURS), tmp_path, name, exif=exif))
        assert (header.width, header.height) == (6, 9), name


def test_an_animation(tmp_path):
    frames = [Image.fromarray(COLOURS), Image.fromarray(255 - COLOURS)]
    assert read_header(file_of(frames[0], tmp_path, "x.gif", save_all=True, append_images=frames[1:])).animated


def test_a_broken_file_has_no_header(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no image")
    assert read_header(tmp_path / "x.png") is None
    assert read_header(tmp_path / "missing.png") is None
