"""Sprites against areas, centres and axes in closed form and against shapes drawn point by point."""

import inspect

import numpy as np
import pytest
import torch

from lightning_gen.data import Sprites
from lightning_gen.data.sprites import LARGEST_SIDE
from lightning_gen.errors import InputError

SHAPES = range(3)


def everything(data):
    data.setup()
    parts = [part[:] for part in (data.train_set, data.val_set, data.test_set)]
    return torch.cat([part.x for part in parts]), torch.cat([part.labels for part in parts])


def values(data, name, factors):
    """The values of one factor in each row."""
    place = data.factor_names.index(name)
    return torch.tensor(data.factor_values[name], dtype=torch.float64)[factors[:, place]]


def moments(data, factors):
    """Ink in squared units, its mean x and y, and its central second moments, where an image goes from -1 to 1."""
    ink = data.draw(factors).squeeze(1).double() / 255 * (2 / data.size) ** 2
    axis = (2 * torch.arange(data.size).double() + 1) / data.size - 1
    area = ink.sum((1, 2))
    x, y = (ink.sum(1) * axis).sum(1) / area, (ink.sum(2) * axis).sum(1) / area
    right, down = axis - x[:, None], axis - y[:, None]
    second = [torch.einsum("nyx,ny,nx->n", ink, down**j, right**i) / area for i, j in ((2, 0), (1, 1), (0, 2))]
    return area, x, y, second


def covered(shape, scale, degrees, x, y, size, fine=8):
    """How much of each pixel a shape covers, by asking `fine` x `fine` points in it; written with complex numbers."""
    axis = (np.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    place = (axis - x)[None, :] - 1j * (axis - y)[:, None]  # the imaginary axis points up
    place = place / (LARGEST_SIDE * scale) * np.exp(1j * np.deg2rad(degrees))
    if shape == 0:
        inside = (abs(place.real) < 0.5) & (abs(place.imag) < 0.5)
    elif shape == 1:
        inside = 2 * place.real**2 + place.imag**2 / 2 < 1 / np.pi
    else:
        side = (1 + np.pi / 4) ** -0.5
        tip = place - 1j * heart_tip(side)  # from the lower tip
        turned = tip * np.exp(-0.25j * np.pi)  # the square goes from 0 to its side on both axes
        square = (turned.real > 0) & (turned.real < side) & (turned.imag > 0) & (turned.imag < side)
        discs = [abs(turned - side * centre) < side / 2 for centre in (1 + 0.5j, 0.5 + 1j)]
        inside = square | discs[0] | discs[1]
    return inside.reshape(size, fine, size, fine).mean((1, 3))


def heart_tip(side):
    """Height of the lower tip over the centre of mass, from the masses of the square and of its two half-discs."""
    half_disc, lever = np.pi * side**2 / 8, 4 * (side / 2) / (3 * np.pi)
    heights = [side / 2**0.5, (1.5 * side + lever) / 2**0.5]  # over the tip, of the square and of a half-disc
    return -(side**2 * heights[0] + 2 * half_disc * heights[1]) / (side**2 + 2 * half_disc)


@pytest.mark.parametrize("size", [16, 33])
def test_every_combination_of_factors_is_another_image(size):
    data = Sprites(size=size)
    x, labels = everything(data)
    assert data.shape == (1, size, size) == tuple(x.shape[1:])
    assert x.dtype == torch.uint8
    assert len({image.tobytes() for image in x.numpy()}) == len(x) == len(data.factors) == 15_552
    assert torch.bincount(labels).tolist() == [5184] * data.num_classes
    assert (len(data.train_set), len(data.val_set), len(data.test_set)) == (12_442, 1555, 1555)


def test_factors_are_all_combinations_of_their_values():
    data = Sprites(scales=2, orientations=3, positions=4)
    assert data.factor_names == ("shape", "scale", "orientation", "x", "y")
    assert data.factor_sizes == (3, 2, 3, 4, 4)
    assert len(data.factors.unique(dim=0)) == len(data.factors) == 3 * 2 * 3 * 4 * 4
    assert data.factors.amax(0).tolist() == [2, 1, 2, 3, 3]
    assert data.factor_values["shape"] == ("square", "ellipse", "heart")
    assert data.factor_values["scale"] == (0.5, 1)
    assert data.factor_values["orientation"] == (0, 30, 60)
    assert data.factor_values["x"] == pytest.approx((-0.5, -1 / 6, 1 / 6, 0.5))


@pytest.mark.parametrize("shape", SHAPES)
def test_area_and_centre_of_mass_are_those_of_the_factors(shape):
    data = Sprites(size=64)
    factors = data.factors[data.factors[:, 0] == shape][::7]
    area, x, y, _ = moments(data, factors)
    expected = (LARGEST_SIDE * values(data, "scale", factors)) ** 2
    torch.testing.assert_close(area, expected, rtol=0.015, atol=0)
    pixel = 2 / data.size
    torch.testing.assert_close(x, values(data, "x", factors), rtol=0, atol=0.06 * pixel)
    torch.testing.assert_close(y, values(data, "y", factors), rtol=0, atol=0.06 * pixel)


def test_an_ellipse_has_two_axes_and_lies_as_its_orientation_says():
    data = Sprites(size=128, positions=2)
    factors = data.factors[(data.factors[:, 0] == 1) & (data.factors[:, 1] == 3)]
    _, _, _, (xx, xy, yy) = moments(data, factors)
    turn = 0.5 * torch.atan2(2 * xy, xx - yy).rad2deg() % 180  # of the long axis, clockwise from the right
    torch.testing.assert_close(turn, 90 + values(data, "orientation", factors), rtol=0, atol=0.3)
    spread = torch.hypot(xx - yy, 2 * xy) / (xx + yy)
    torch.testing.assert_close(spread, torch.full_like(spread, (4 - 1) / (4 + 1)), rtol=0.01, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_are_as_bright_as_the_shape_covers_of_them(shape):
    data = Sprites(size=32)
    factors = data.factors[data.factors[:, 0] == shape][::97]
    for image, chosen in zip(data.draw(factors), factors, strict=True):
        arguments = [data.factor_values[name][i] for name, i in zip(data.factor_names[1:], chosen[1:], strict=True)]
        error = np.abs(image[0].numpy() / 255 - covered(shape, *arguments, data.size))
        assert error.max() < 0.25  # the distance to the outline does not know its corners
        assert error.sum() < 0.05 * (image / 255).sum()


def test_shapes_have_their_symmetries_and_no_others():
    data = Sprites(size=31, positions=3)
    square, ellipse, heart = data.draw(torch.tensor([[shape, 3, 0, 1, 1] for shape in SHAPES])).squeeze(1)
    for image in (square, ellipse, heart):
        assert torch.equal(image, image.fliplr())
    assert torch.equal(square, square.rot90())
    assert torch.equal(ellipse, ellipse.flipud())
    assert not torch.equal(ellipse, ellipse.rot90())
    assert not torch.equal(heart, heart.flipud())


def test_no_shape_is_cut_off():
    data = Sprites(size=64, positions=2)
    images = data.draw(data.factors).squeeze(1)
    assert max(int(edge.max()) for edge in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])) == 0


def test_images_can_be_drawn_by_their_factors_in_any_order():
    data = Sprites(size=16, positions=3)
    rows = torch.randperm(len(data.factors))[:50]
    assert torch.equal(data.draw(data.factors[rows]), data.draw(data.factors)[rows])
    assert data.draw(data.factors[:0]).shape == (0, 1, 16, 16)


def test_splits_hold_every_image_once_with_its_shape_as_label():
    data = Sprites(size=16, positions=3)
    x, labels = everything(data)
    drawn = data.draw(data.factors)
    shapes = {image.tobytes(): shape for image, shape in zip(drawn.numpy(), data.factors[:, 0].tolist(), strict=True)}
    assert len(shapes) == len(x)
    assert [shapes[image.tobytes()] for image in x.numpy()] == labels.tolist()


def test_seed_decides_the_splits_alone_and_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    first, again, other = (Sprites(size=16, positions=3, seed=seed) for seed in (0, 0, 1))
    ours, same, others = (everything(data)[0] for data in (first, again, other))
    assert torch.equal(ours, same)
    assert not torch.equal(ours, others)
    assert torch.equal(first.draw(first.factors), other.draw(other.factors))
    assert torch.equal(torch.get_rng_state(), before)


def test_live_arguments_rebuild_the_same_images():
    data = Sprites(size=16, scales=2, orientations=3, positions=3, seed=5)
    names = [name for name in inspect.signature(Sprites.__init__).parameters if name != "self"]
    again = Sprites(**{name: getattr(data, name) for name in names})
    assert torch.equal(everything(data)[0], everything(again)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 15}, "--data.size must be at least 16, not 15"),
        ({"scales": 1}, "--data.scales must be at least 2"),
        ({"orientations": 0}, "--data.orientations must be at least 2"),
        ({"positions": 1}, "--data.positions must be at least 2"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Sprites(**arguments)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (torch.tensor([[3, 0, 0, 0, 0]]), "3, 4, 9, 12, 12 values of shape, scale, orientation, x, y, counted from 0"),
        (torch.tensor([[0, 0, -1, 0, 0]]), "no such value"),
        (torch.tensor([0, 0, 0, 0, 0]), r"give whole numbers \(n, 5\)"),
        (torch.zeros(1, 5), "whole numbers"),
    ],
)
def test_factors_that_there_are_not_are_refused(factors, message):
    with pytest.raises(InputError, match=message):
        Sprites().draw(factors)
