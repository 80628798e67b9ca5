"""Pictures: geometry of grids, rounding, channels, maps of points."""

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.pictures import displayable, image_grid, picture, point_map, save, to_uint8

PADDING, BORDER = 2, 32


def test_the_range_is_mapped_to_0_to_255_and_rounded():
    images = torch.tensor([-1.0, 1.0, 0.0, -3.0, 7.0, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5])
    assert to_uint8(images).tolist() == [0, 255, 128, 0, 255, 1, 2]


def test_uint8_comes_back_unchanged():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(every.float().div(127.5).sub(1)), every)


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3)])
def test_a_screen_shows_one_or_three_channels(channels, shown):
    images = torch.rand(2, channels, 4, 4) * 2 - 1
    assert torch.equal(displayable(images), images[:, :shown])
    assert picture(images).shape[0] == shown


@pytest.mark.parametrize(
    ("n", "columns", "size", "shape"),
    [
        (64, None, (28, 28), (8 * 58 + 2, 8 * 58 + 2)),  # as square as can be; small images twice as large
        (10, None, (64, 64), (3 * 66 + 2, 4 * 66 + 2)),  # the last row is not full
        (10, 5, (8, 8), (2 * 66 + 2, 5 * 66 + 2)),
        (3, 8, (100, 80), (102 + 2, 3 * 82 + 2)),  # no more columns than images; large ones stay
        (1, None, (16, 12), (64, 48)),  # torchvision leaves a single image without a frame
    ],
)
def test_the_geometry_of_a_grid(n, columns, size, shape):
    grid = image_grid(torch.zeros(n, 1, *size), columns)
    assert grid.dtype == torch.uint8
    assert grid.shape == (1, *shape)


def test_every_image_is_in_its_cell_enlarged_without_smoothing():
    images = torch.rand(6, 3, 8, 8) * 2 - 1
    grid, side = image_grid(images, columns=3), 64
    assert (grid[:, :PADDING] == BORDER).all()
    for index, image in enumerate(to_uint8(images)):
        top, left = (PADDING + place * (side + PADDING) for place in divmod(index, 3))
        cell = grid[:, top : top + side, left : left + side]
        assert torch.equal(cell, image.repeat_interleave(8, 1).repeat_interleave(8, 2))


def test_half_precision_and_gradients_do_no_harm():
    images = torch.rand(4, 1, 8, 8, dtype=torch.bfloat16).requires_grad_()
    assert picture(images).shape == (1, 134, 134)


def test_points_lie_where_they_are():
    up_right = torch.tensor([[0.5, 0.75]]).repeat(50, 1)
    drawn = point_map(up_right, extent=1.0, size=100)
    assert (drawn < 255).nonzero().tolist() == [[0, 12, 75]], "y points up"
    assert drawn.min() == 0


def test_denser_places_are_darker():
    points = torch.cat([torch.full((100, 2), -0.5), torch.full((3, 2), 0.5)])
    drawn = point_map(points, extent=1.0, size=4)[0]
    assert 0 == drawn[2, 1] < drawn[0, 3] < 255


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_points_of_any_dimension_are_drawn(dimensions):
    drawn = picture(torch.randn(500, dimensions))
    assert drawn.shape == (1, 400, 400)
    assert (drawn < 255).any()


def test_most_points_are_inside_the_map():
    torch.manual_seed(0)
    points = torch.randn(10_000, 2) * 3 + 1
    extent = float(points.abs().flatten().quantile(0.995)) * 1.2
    inside = (points.abs() <= extent).all(dim=1).float().mean()
    assert inside > 0.99
    assert torch.equal(point_map(points), point_map(points, extent))


def test_points_that_all_lie_in_the_origin_are_drawn():
    assert (point_map(torch.zeros(7, 2), size=5) < 255).nonzero().tolist() == [[0, 2, 2]]


@pytest.mark.parametrize("channels", [1, 3])
def test_files_hold_what_was_drawn(tmp_path, channels):
    image = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    path = save(image, tmp_path / "new" / "folder" / "a.png")
    read = np.asarray(Image.open(path)).reshape(5, 7, channels)
    assert np.array_equal(read, image.permute(1, 2, 0).numpy())
