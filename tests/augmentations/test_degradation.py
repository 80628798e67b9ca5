import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.augmentations import (
    Blur,
    Degradations,
    Downsampling,
    Edges,
    GaussianNoise,
    Grey,
    Hole,
    Masking,
)
from lightning_gen.errors import InputError

EVERY = (
    *(Blur((0.0, 2.0)), Blur(1.0), Downsampling(4), Edges(), Grey(), Hole((0.25, 0.5)), GaussianNoise(), Masking()),
    Degradations([Blur(1.0), Downsampling(2), GaussianNoise(0.1)]),
)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=4, channels=3, sides=(32, 24)):
    return torch.rand(n, channels, *sides, generator=source(9)) * 2 - 1


@pytest.mark.parametrize("degradation", EVERY, ids=lambda each: type(each).__name__)
def test_the_shape_is_the_one_that_was_said_and_the_given_generator_alone_is_drawn_from(degradation):
    x, state = pictures(), torch.get_rng_state()
    original = x.clone()
    made = degradation(x, source())
    assert tuple(made.shape[1:]) == degradation.source_shape((3, 32, 24))
    assert torch.equal(x, original)
    assert torch.equal(made, degradation(x, source()))
    assert torch.equal(torch.get_rng_state(), state)


def keys(distance):
    t = np.abs(distance)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def imresize_weights(side, factor):
    """The weights of MATLAB's imresize, which repeats pixels beyond a border as in a mirror."""
    small = side // factor
    matrix = np.zeros((small, side))
    for row in range(small):
        centre = (row + 0.5) * factor - 0.5
        pixels = np.arange(int(np.floor(centre - 2 * factor)), int(np.ceil(centre + 2 * factor)) + 1)
        weights = keys((pixels - centre) / factor)
        mirror = np.concatenate([np.arange(side), np.arange(side)[::-1]])
        np.add.at(matrix[row], mirror[pixels % (2 * side)], weights / weights.sum())
    return matrix


def test_inside_downsampling_is_that_of_matlab():
    x = pictures(2, sides=(48, 40))
    expected = np.einsum("ih,nchw,jw->ncij", imresize_weights(48, 4), x.double().numpy(), imresize_weights(40, 4))
    difference = np.abs(Downsampling(4)(x, source()).numpy() - np.clip(expected, -1, 1))
    assert difference[..., 2:-2, 2:-2].max() < 0.51 / 127.5  # rounded to 8 bits
    assert difference.max() > 0.51 / 127.5


def test_downsampled_values_are_those_of_8_bits_and_of_pillow():
    stored = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    x = torch.from_numpy(stored)[None, None] / 127.5 - 1
    small = (Downsampling(4)(x, source()) + 1) * 127.5
    torch.testing.assert_close(small, small.round(), atol=1e-4, rtol=0)
    theirs = np.asarray(Image.fromarray(stored).resize((8, 8), Image.Resampling.BICUBIC))
    assert np.abs(small[0, 0].numpy() - theirs).max() < 1.01


def test_grey_is_that_of_pillow():
    stored = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    x = torch.from_numpy(stored).permute(2, 0, 1)[None] / 127.5 - 1
    grey = (Grey()(x, source()) + 1) * 127.5
    assert np.abs(grey[0, 0].numpy() - np.asarray(Image.fromarray(stored).convert("L"))).max() < 1


def test_a_blurred_point_is_a_gaussian_of_that_width_and_mean():
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    y = Blur(2.0)(x, source())[0, 0]
    places = torch.arange(41, dtype=torch.float64) - 20
    assert y.sum().item() == pytest.approx(1)
    assert (y.sum(0) * places**2).sum().item() == pytest.approx(4, rel=0.03)  # cut off at three standard deviations
    torch.testing.assert_close(y[20, 21] / y[20, 20], torch.tensor(np.exp(-1 / 8)))


def test_a_blur_keeps_even_images_and_takes_small_ones():
    for sides in ((1, 1), (2, 3), (16, 16)):
        torch.testing.assert_close(
            Blur(3.0)(torch.full((2, 3, *sides), 0.3), source()), torch.full((2, 3, *sides), 0.3)
        )
    assert torch.equal(Blur(0.0)(pictures(), source()), pictures())
    torch.testing.assert_close(Blur((0.0, 0.0))(pictures(), source()), pictures())


def test_the_blur_of_each_image_is_its_own_and_does_not_depend_on_the_others():
    x = pictures(1).repeat(6, 1, 1, 1)
    spread = Blur((0.5, 3.0))(x, source()).std((1, 2, 3))
    assert len(spread.unique()) == 6
    once = Blur((2.0, 2.0))(x, source())
    torch.testing.assert_close(once[:1], Blur(2.0)(x[:1], source()))


def test_outlines_are_dark_where_the_image_changes_and_nowhere_else():
    x = torch.full((1, 3, 9, 12), -1.0)
    x[..., 6:] = 1
    drawing = Edges(gain=1.0)(x, source())
    assert (drawing[..., 5:7] == 0).all()  # |gradient| 1/2
    assert (drawing[..., :5] == 1).all()
    assert (drawing[..., 7:] == 1).all()
    assert (Edges()(x, source())[..., 5:7] == -1).all()
    assert torch.equal(Edges()(x[:, :1], source()), Edges()(x.transpose(2, 3)[:, :1], source()).transpose(2, 3))


def test_holes_are_whole_rectangles_inside_of_the_image_anywhere():
    x = torch.ones(4000, 2, 8, 12)
    damaged, hidden = Hole(0.5)(x, source()), Hole(0.5).corrupt(x, source()).hidden
    assert torch.equal(damaged == 0, hidden.expand_as(x))
    assert (hidden.sum((1, 2, 3)) == 4 * 6).all()
    assert (hidden.any(3).sum(2) == 4).all()
    assert (hidden.any(2).sum(2) == 6).all()
    first = hidden[:, 0].any(2).float().argmax(1)
    assert torch.bincount(first, minlength=5).min() > 700  # of 5 places
    sizes = Hole((0.25, 0.75)).corrupt(x, source()).hidden.any(3).sum(2)
    assert set(sizes.flatten().tolist()) == {2, 3, 4, 5, 6}
    assert torch.equal(Hole(0.0)(x, source()), x)
    assert (Hole(1.0, value=-1.0)(x, source()) == -1).all()


def test_steps_follow_one_another():
    steps = [Grey(), Downsampling(2)]
    x = pictures()
    assert torch.equal(Degradations(steps)(x, source()), steps[1](steps[0](x, source()), source()))
    assert Degradations(steps).source_shape((3, 8, 8)) == (1, 4, 4)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Downsampling(4).source_shape((3, 30, 32)), "multiples of 4, not 30: set --data.size .* such as 32"),
        (lambda: Downsampling(0), "cannot have factor 0"),
        (lambda: Grey().source_shape((1, 8, 8)), "3 channels, not 1"),
        (lambda: Edges().source_shape((4, 8, 8)), "1 or 3 channels, not 4"),
        (lambda: Blur().source_shape((2,)), "Blur degrades images"),
        (lambda: Hole()(torch.zeros(3, 2), source()), "Hole degrades images"),
        (lambda: Blur((2.0, 1.0)), "give a number, or the least and the most"),
        (lambda: Hole((0.5, 1.5)), "cannot have side 1.5"),
        (lambda: Degradations([]), "no steps"),
    ],
)
def test_what_cannot_be_degraded_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
