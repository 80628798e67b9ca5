"""Scatter plots: where points, pictures and names are."""

import numpy as np
import torch

from lightning_gen.media import scatter as plots
from lightning_gen.media.scatter import SIDE, apart, colour, places, scatter, scattered

CROSS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
"""Left, right, above and below."""


def centres(image, fill):
    """The mean place ``(x, y)`` of the pixels of a colour within the square of points."""
    near = (image[:, :SIDE, :SIDE].int() - torch.tensor(fill)[:, None, None]).abs().sum(0) < 12
    assert near.any()
    y, x = near.nonzero(as_tuple=True)
    return float(x.float().mean()), float(y.float().mean())


def test_points_lie_at_one_scale_and_the_second_axis_points_up():
    image = scatter(CROSS, np.arange(4), None, "caption")
    left, right, above, below = (centres(image, colour(number)) for number in range(4))
    assert left[0] < above[0] < right[0]
    assert above[1] < left[1] < below[1]
    assert abs((right[0] - left[0]) / (below[1] - above[1]) - 3) < 0.05


def test_equal_points_are_drawn():
    assert np.array_equal(places(np.ones((3, 2))), np.full((3, 2), SIDE / 2))


def test_the_legend_names_the_classes_that_are_there(monkeypatch):
    named = []
    monkeypatch.setattr(plots, "shortened", lambda text, font, width: named.append(text) or text)
    scatter(CROSS, np.array([2, 0, 2, 0]), ("cats", "dogs", "owls"), "caption")
    assert named == ["cats", "owls"]
    assert scatter(CROSS, None, None, "caption").shape[2] == SIDE, "no classes, no legend"


def test_colours_of_classes_differ():
    assert len({colour(number) for number in range(60)}) == 60


def test_pictures_stand_in_the_places_of_their_points():
    colours = torch.tensor([[200, 0, 0], [0, 200, 0], [0, 0, 200], [100, 0, 100]], dtype=torch.uint8)
    image = scattered(CROSS, colours[:, :, None, None].expand(-1, -1, 16, 16), "caption")
    found = [centres(image, fill) for fill in colours.tolist()]
    assert np.allclose(found, places(CROSS, plots.MARGIN + 8), atol=1)


def test_no_picture_covers_another():
    at = np.random.default_rng(0).uniform(50, SIDE - 50, (2000, 2))
    shown = apart(at, 32)
    corners = np.round(at[shown] - 16)
    distance = np.abs(corners[:, None] - corners[None]).max(axis=2)
    assert distance[~np.eye(len(corners), dtype=bool)].min() >= 32
    nearest = np.abs(np.round(at[~shown] - 16)[:, None] - corners[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 32, "what is left out would cover one"
