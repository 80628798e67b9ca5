"""Colours of maps, and the size of pictures as PNG."""

import torch
from PIL import Image

from lightning_gen.media.heat import heat
from lightning_gen.media.png_size import png_bits


def test_colours_run_from_black_over_red_and_yellow_to_white_and_stay_there():
    found = heat(torch.tensor([[[0.0, 1.0, 2.0, 3.0, 9.0]]]), top=3.0)
    expected = [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [1, 1, 1], [1, 1, 1]]
    assert found[0, :, 0].T.tolist() == expected


def test_the_size_is_that_of_a_file_from_which_the_picture_comes_back(tmp_path):
    noise = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    noise[1] = 7
    for picture, bits in zip(noise, png_bits(noise).tolist(), strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / "x.png", optimize=True)
        assert bits == 8 * (tmp_path / "x.png").stat().st_size
    many, few = png_bits(noise).tolist()
    assert many > 8 * 3 * 16 * 16 > 5 * few  # noise cannot be compressed
