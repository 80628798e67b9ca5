"""What every augmentation keeps, and DiffAugment against loops over samples."""

import copy
import inspect
from itertools import product

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from lightning_gen.augmentations import ADA, AdaptiveAugmentation, DiffAugment, GaussianNoise, Masking, SaltAndPepper
from lightning_gen.augmentations.differentiable import recolored, translated
from lightning_gen.errors import InputError

AUGMENTATIONS = (
    ADA(target=None, probability=1.0),
    ADA(target=None, probability=0.5, pixels=False, color=False),
    ADA(probability=0.5, pixels=False, geometry=False),
    DiffAugment(),
    DiffAugment(color=False, cutout=0.3),
    GaussianNoise(0.3),
    Masking(0.4, value=0.0),
    SaltAndPepper(0.2),
)
every_augmentation = pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda a: type(a).__name__)
every_differentiable = pytest.mark.parametrize("augmentation", AUGMENTATIONS[:5], ids=lambda a: type(a).__name__)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, dtype=torch.float32):
    return 2 * torch.rand(shape, generator=source(7), dtype=torch.float64).to(dtype) - 1


@every_augmentation
def test_shapes_stay_and_the_originals_too(augmentation):
    for shape in ((1, 8, 8), (3, 9, 16), (2, 1, 5), (4, 7, 7), (3, 1, 1)):
        x = images(8, *shape)
        original = x.clone()
        changed = augmentation(x, source())
        assert (changed.shape, changed.dtype, changed.device) == (x.shape, x.dtype, x.device)
        assert torch.equal(x, original)
        assert changed.isfinite().all()
        assert shape[1:] == (1, 1) or not torch.equal(changed, x), shape


@every_augmentation
@pytest.mark.parametrize("autocast", [False, True])
def test_dtypes_stay(augmentation, autocast):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        x = images(6, 3, 8, 8, dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            changed = augmentation(x, source())
        assert changed.dtype == dtype
        reference = augmentation(x.float(), source())
        # noise may fall on the other side of a threshold only in a handful of pixels
        assert ((changed.float() - reference).abs() > 0.05).float().mean() < 0.01, dtype


@every_augmentation
def test_only_the_generator_given_is_drawn_from(augmentation):
    x, state = images(6, 3, 8, 8), torch.get_rng_state()
    assert torch.equal(augmentation(x, source(1)), augmentation(x, source(1)))
    assert not torch.equal(augmentation(x, source(1)), augmentation(x, source(2)))
    assert torch.equal(torch.get_rng_state(), state)


@every_augmentation
def test_each_sample_has_its_own_numbers(augmentation):
    same = images(1, 3, 8, 8).expand(16, -1, -1, -1)
    assert len(augmentation(same, source()).flatten(1).unique(dim=0)) > 4


@every_augmentation
def test_constructor_arguments_are_plain_attributes(augmentation):
    for name in inspect.signature(type(augmentation)).parameters:
        assert isinstance(getattr(augmentation, name), (bool, int, float, type(None)))


@every_augmentation
def test_nothing_is_read_back_from_the_device(augmentation):
    """Fake tensors have no values: whatever asks for one raises."""
    augmentation = copy.deepcopy(augmentation)
    with FakeTensorMode(allow_non_fake_inputs=True):
        changed = augmentation(torch.zeros(4, 3, 8, 8), source())
        if isinstance(augmentation, AdaptiveAugmentation):
            augmentation.adapt(changed.sign().mean(), 4)
        with pytest.raises(DataDependentOutputException):
            changed.sum().item()


@every_differentiable
def test_gradients_agree_with_finite_differences(augmentation):
    x = images(3, 3, 5, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augmentation(x, source()), x)


def test_gradient_penalties_may_pass_through():
    x = images(3, 3, 5, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: DiffAugment()(x, source()), x)


@pytest.mark.parametrize("augmentation", [ADA(), DiffAugment()])
def test_points_are_refused(augmentation):
    with pytest.raises(InputError, match=r"changes images.* the samples have the shape \(2,\): (take|leave)"):
        augmentation(torch.zeros(4, 2), source())


# DiffAugment -----------------------------------------------------------------------------------------------------


def test_all_off_is_the_identity():
    x = images(6, 3, 8, 8)
    assert torch.equal(DiffAugment(color=False, translation=0.0, cutout=0.0)(x, source()), x)


def test_colors_as_the_paper_writes_them():
    x, b, s, c = images(5, 3, 6, 4), *torch.rand(3, 5, 1, 1, 1).unbind()
    for got, image, *amounts in zip(recolored(x, b, s, c), x, b, s, c, strict=True):
        brightness, saturation, contrast = (amount.item() for amount in amounts)
        want = image.numpy() + brightness
        grey = want.mean(0, keepdims=True)
        want = grey + saturation * (want - grey)
        want = want.mean() + contrast * (want - want.mean())
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_saturation_leaves_grey_alone():
    x, one = images(5, 1, 6, 4), torch.ones(5, 1, 1, 1)
    assert torch.equal(recolored(x, 0 * one, 2 * torch.rand(5, 1, 1, 1), one), x)


def test_colors_are_drawn_from_the_papers_ranges():
    """Red, white and black: the mean gives the brightness, distances the two factors."""
    n = 4000
    x = torch.zeros(n, 3, 1, 3)
    x[:, 0, 0, 0], x[:, :, 0, 1], x[:, :, 0, 2] = 1.0, 1.0, -1.0
    y = DiffAugment(translation=0.0, cutout=0.0)(x, source())
    brightness = y.mean((1, 2, 3)) - x.mean()
    contrast = (y[:, 0, 0, 1] - y[:, 0, 0, 2]) / 2
    saturation = (y[:, 0, 0, 0] - y[:, 1, 0, 0]) / contrast
    for value, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0.0, 2.0)):
        share = ((value - low) / (high - low)).sort().values
        gap = (share - torch.linspace(0, 1, n)).abs().max()  # Kolmogorov and Smirnov: 1.95 / sqrt(n) at 0.1 %
        assert gap < 1.95 / n**0.5
    assert torch.corrcoef(torch.stack([brightness, contrast, saturation])).triu(1).abs().max() < 0.06


def test_translation_moves_whole_pixels_and_zeros_follow():
    x = images(40, 2, 5, 7)
    down, right = torch.randint(-6, 7, (40,)), torch.randint(-8, 9, (40,))
    for got, image, y, z in zip(translated(x, down, right), x, down.tolist(), right.tolist(), strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (8, 8), (8, 8)))
        np.testing.assert_array_equal(got, padded[:, 8 - y : 13 - y, 8 - z : 15 - z])


def test_translation_reaches_an_eighth_in_each_direction():
    x = images(1, 1, 16, 24).expand(600, -1, -1, -1)
    moved = DiffAugment(color=False, cutout=0.0)(x, source())
    every = {translated(x[:1], torch.tensor([y]), torch.tensor([z])) for y, z in product(range(-2, 3), range(-3, 4))}
    seen = moved.unique(dim=0)
    assert len(seen) == len(every) == 35
    assert all(any(torch.equal(image, want[0]) for want in every) for image in seen)


@pytest.mark.parametrize(("size", "hole"), [(8, 4), (6, 3), (5, 3)])
def test_cutout_has_its_centre_anywhere(size, hole):
    x = torch.ones(1500, 2, size, size)
    cut = DiffAugment(color=False, translation=0.0)(x, source())
    want = set()
    for y, z in product(range(size + 1 - hole % 2), repeat=2):
        image = np.ones((size + 2 * hole, size + 2 * hole))
        y, z = y + hole - hole // 2, z + hole - hole // 2
        image[y : y + hole, z : z + hole] = 0
        want.add(image[hole:-hole, hole:-hole].astype(bool).tobytes())
    assert {image.bool().numpy().tobytes() for image in cut[:, 0]} == want
    assert torch.equal(cut[:, 0], cut[:, 1])


@pytest.mark.parametrize("options", [{"translation": -0.1}, {"cutout": 1.5}])
def test_impossible_shares_are_refused(options):
    with pytest.raises(InputError, match=r"DiffAugment cannot have (translation|cutout) -?\d\.\d: give a share"):
        DiffAugment(**options)


# signals and volumes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [(9,), (5, 7), (4, 5, 6)])
def test_any_sides_are_shifted_and_cut_as_a_loop_does(sides):
    x = images(30, 2, *sides)
    shifts = [torch.randint(-side, side + 1, (30,)) for side in sides]
    margin = max(sides)
    for got, sample, *moved in zip(translated(x, *shifts), x, *(each.tolist() for each in shifts), strict=True):
        padded = np.pad(sample.numpy(), [(0, 0), *[(margin, margin)] * len(sides)])
        window = (slice(margin - by, margin - by + side) for by, side in zip(moved, sides, strict=True))
        np.testing.assert_array_equal(got, padded[(slice(None), *window)])
    cut = DiffAugment(color=False, translation=0.0)(torch.ones(40, 1, *sides), source())
    most = np.prod([int(side / 2 + 0.5) for side in sides])
    hidden = (cut == 0).flatten(1).sum(1)
    assert 0 < hidden.max() <= most
    for mask in (cut[:, 0] == 0).numpy():
        places = np.argwhere(mask)
        if len(places):
            assert len(places) == np.prod(places.max(0) - places.min(0) + 1), "a rectangle"


def test_signals_get_a_gain_and_a_sign():
    x = images(4000, 1, 6)
    factor = DiffAugment(translation=0.0, cutout=0.0)(x, source()) / x
    assert (factor.amax((1, 2)) - factor.amin((1, 2))).abs().max() < 1e-5, "one factor a signal"
    factor = factor[:, 0, 0]
    assert 0.5 <= factor.abs().min() < 0.51
    assert 1.49 < factor.abs().max() <= 1.5
    assert abs(float((factor > 0).float().mean()) - 0.5) < 0.03  # 3.3 deviations of a fair coin


def test_what_changes_images_alone_names_what_fits_signals():
    with pytest.raises(InputError, match="take DiffAugment, which changes signals"):
        ADA()(torch.zeros(2, 1, 64), source())
    with pytest.raises(InputError, match="and the samples have the shape"):
        DiffAugment()(torch.zeros(2, 5), source())
