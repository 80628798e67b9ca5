"""Points: maps of where they lie, files."""

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.media import Points
from lightning_gen.media.points import point_map


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
    drawn = Points().preview(torch.randn(500, dimensions))
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


def test_samples_of_other_shapes_are_points_of_all_their_numbers():
    samples = torch.randn(50, 2, 7)
    assert torch.equal(Points().preview(samples), point_map(samples.flatten(1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_are_stored_as_they_are(tmp_path, dtype):
    points = torch.randn(9, 3, dtype=dtype)
    assert torch.equal(Points().to_model(Points().to_stored(points), dtype), points)
    Points().write(points, tmp_path / "a.npy")
    read = Points().read(tmp_path / "a.npy")
    assert read.dtype == dtype
    assert torch.equal(read, points)


def test_points_have_no_files_of_their_own(tmp_path):
    with pytest.raises(InputError, match=r"points have no files of their own: .* ends in \.png or \.npy"):
        Points().write(torch.randn(3, 2), tmp_path / "folder")
    with pytest.raises(InputError, match="points have no files of their own"):
        Points().read(tmp_path)


def test_errors_are_in_the_units_of_the_data():
    x = torch.randn(2, 3)
    assert torch.equal(Points().comparable(x, 5 * x)[1], 5 * x)
    assert Points.error_scale == 1
