import inspect
import itertools
import math

import pytest
import torch

from lightning_gen.augmentations import GaussianNoise, Masking, PatchMasking, SaltAndPepper
from lightning_gen.errors import InputError

CORRUPTIONS = (
    (GaussianNoise, {"scale": 0.3}),
    (Masking, {"fraction": 0.4, "value": 0.0}),
    (PatchMasking, {"fraction": 0.4, "size": 3, "value": -0.5}),
    (SaltAndPepper, {"fraction": 0.2}),
)
every_corruption = pytest.mark.parametrize(("cls", "arguments"), CORRUPTIONS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def grey(n=50, channels=3):
    return torch.full((n, channels, 32, 32), 0.25)


@every_corruption
def test_shapes_stay_and_the_originals_too(cls, arguments):
    for shape in ((2,), (1, 8, 9), (3, 8, 8)):
        if cls is PatchMasking and len(shape) == 1:
            continue  # points have no patches
        torch.manual_seed(0)
        x = torch.rand(6, *shape)
        original = x.clone()
        damaged = cls(**arguments)(x, source())
        assert damaged.shape == x.shape
        assert torch.equal(x, original)
        assert not torch.equal(damaged, x), shape


@every_corruption
def test_only_the_generator_given_is_drawn_from(cls, arguments):
    corruption, state = cls(**arguments), torch.get_rng_state()
    assert torch.equal(corruption(grey(), source(1)), corruption(grey(), source(1)))
    assert not torch.equal(corruption(grey(), source(1)), corruption(grey(), source(2)))
    assert torch.equal(torch.get_rng_state(), state)


@every_corruption
def test_constructor_arguments_are_attributes(cls, arguments):
    assert set(inspect.signature(cls).parameters) == set(arguments)
    assert {name: getattr(cls(**arguments), name) for name in arguments} == arguments


@every_corruption
def test_none_of_it_is_the_identity(cls, arguments):
    nothing = {name: 0.0 for name in arguments if name != "size"}
    assert torch.equal(cls(**nothing)(grey(), source()), grey())


def test_noise_has_the_scale_it_says():
    noise = GaussianNoise(0.5)(grey(), source()) - grey()
    assert noise.mean().abs() < 0.005
    assert noise.std().item() == pytest.approx(0.5, rel=0.01)


def test_masking_hits_the_fraction_it_says_and_whole_pixels():
    hit = Masking(0.3)(grey(), source()) == -1
    assert hit.float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(hit, hit[:, :1].expand_as(hit))
    assert (Masking(1.0, value=0.5)(grey(), source()) == 0.5).all()


def test_coordinates_of_points_are_masked_one_by_one():
    hit = Masking(0.5, value=0.0)(torch.ones(20_000, 2), source()) == 0
    assert hit.all(1).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_salt_and_pepper_come_in_equal_parts():
    x = SaltAndPepper(0.4)(grey(), source())
    assert (x == -1).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (x == 1).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (x == 0.25).float().mean().item() == pytest.approx(0.6, abs=0.01)


@every_corruption
def test_what_is_called_hidden_is_what_was_replaced(cls, arguments):
    x, hidden = cls(**arguments).corrupt(grey(), source())
    assert torch.equal(x, cls(**arguments)(grey(), source()))
    if hidden is not None:
        assert hidden.shape == (50, 1, 32, 32)
        assert torch.equal(hidden.expand_as(x), x != 0.25)


@pytest.mark.parametrize(("fraction", "size", "side"), [(0.75, 4, (32, 32)), (0.5, 5, (11, 23)), (0.3, 16, (8, 9))])
def test_as_many_whole_patches_are_hidden_in_each_picture(fraction, size, side):
    hidden = PatchMasking(fraction, size).corrupt(torch.zeros(40, 3, *side), source()).hidden
    rows, columns = math.ceil(side[0] / size), math.ceil(side[1] / size)
    patches = hidden[:, 0, ::size, ::size]
    assert patches.shape == (40, rows, columns)
    assert (patches.sum((1, 2)) == round(fraction * rows * columns)).all()
    for y, x in itertools.product(range(side[0]), range(side[1])):
        assert torch.equal(hidden[:, 0, y, x], patches[:, y // size, x // size])


def test_every_patch_is_hidden_as_often():
    hidden = PatchMasking(0.75, 8).corrupt(torch.zeros(20_000, 1, 32, 32), source()).hidden[:, 0, ::8, ::8]
    torch.testing.assert_close(hidden.float().mean(0), torch.full((4, 4), 0.75), atol=0.015, rtol=0)
    together = (hidden[:, 0, 0] & hidden[:, 0, 1]).float().mean()
    assert together.item() == pytest.approx(0.75 * 11 / 15, abs=0.015)


def test_patches_are_of_pictures_and_of_a_pixel_at_least():
    with pytest.raises(InputError, match="use Masking for points"):
        PatchMasking()(torch.zeros(5, 2), source())
    with pytest.raises(InputError, match="cannot have size 0: give patches of at least 1 pixel"):
        PatchMasking(size=0)


IMPOSSIBLE = [lambda: Masking(1.5), lambda: SaltAndPepper(-0.1), lambda: GaussianNoise(-1.0), lambda: PatchMasking(1.1)]


@pytest.mark.parametrize("build", IMPOSSIBLE)
def test_impossible_amounts_are_refused(build):
    with pytest.raises(InputError, match=r"cannot have (fraction|scale) -?\d\.\d: give"):
        build()


@pytest.mark.parametrize("sides", [(37,), (8, 10), (8, 9, 10)])
def test_patches_of_samples_of_any_dimensions_are_hidden_whole(sides):
    x = torch.rand(5, 2, *sides) + 1
    masking = PatchMasking(0.5, 4, value=0.0)
    damaged = masking.corrupt(x, torch.Generator().manual_seed(0))
    assert damaged.hidden.shape == (5, 1, *sides)
    assert torch.equal(damaged.x == 0, damaged.hidden.expand_as(x))
    patches = damaged.hidden[:, 0]
    for axis, side in enumerate(sides, start=1):  # the first place of each patch says what all of it are
        first = torch.arange(side) // 4 * 4
        assert torch.equal(patches, patches.index_select(axis, first))
        patches = patches.index_select(axis, torch.arange(0, side, 4))
    count = patches[0].numel()
    assert (patches.flatten(1).sum(1) == round(0.5 * count)).all()
