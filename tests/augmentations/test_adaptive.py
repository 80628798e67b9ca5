"""ADA: its probability against a simulation, each operation against numpy, scipy and torchvision."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torchvision.transforms.v2 import functional

from lightning_gen.augmentations import ADA
from lightning_gen.augmentations.adaptive import blits, color_matrix, covered, warps
from lightning_gen.augmentations.geometry import blit, resampled, warp
from lightning_gen.data import Digits
from lightning_gen.errors import InputError
from lightning_gen.objectives import RelativisticPaired
from lightning_gen.regularizers import R1
from lightning_gen.schedules import Cosine, Linear


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape):
    return 2 * torch.rand(shape, generator=source(7)) - 1


def fixed(probability, *groups):
    """ADA of some of its groups at a probability that stays."""
    return ADA(None, probability, **{group: group in groups for group in ("pixels", "geometry", "color")})


def likely(hits, p):
    """Whether a frequency lies within four standard deviations of the binomial mean."""
    return abs(hits.float().mean().item() - p) <= 4 * (p * (1 - p) / len(hits)) ** 0.5


# the probability ---------------------------------------------------------------------------------------------------


def simulate(signs, counts, target, adjust_images, interval, p=0.0):
    """Section 3.1 in plain Python; the probability after each update."""
    history, window = [], []
    for sign, count in zip(signs, counts, strict=True):
        window.append((sign, count))
        if len(window) == interval:
            images = sum(n for _, n in window)
            r = sum(s * n for s, n in window) / images
            p = min(max(p + float(np.sign(r - target)) * images / adjust_images, 0.0), 1.0)
            window = []
        history.append(p)
    return history


@pytest.mark.parametrize(("target", "interval", "adjust_images"), [(0.6, 4, 3000), (0.0, 1, 500), (-0.2, 3, 700)])
def test_probability_follows_the_papers_rule(target, interval, adjust_images):
    ada = ADA(target, adjust_images=adjust_images, interval=interval)
    rng = np.random.default_rng(0)
    signs = np.clip(rng.normal(target, 0.5, 200) + 0.4 * np.sin(np.arange(200) / 20), -1, 1).astype(np.float32).tolist()
    counts = rng.integers(16, 65, 200).tolist()
    seen = []
    for sign, count in zip(signs, counts, strict=True):
        ada.adapt(torch.tensor(sign), count)
        seen.append(ada.metrics()["augmentation_probability"].item())
    want = simulate(signs, counts, target, adjust_images, interval)
    assert seen == pytest.approx(want, abs=1e-5)
    assert min(want) == 0
    assert len(set(want)) > 20


def test_half_a_million_images_take_it_from_nothing_to_always():
    ada = ADA()
    for _ in range(500):
        ada.adapt(torch.tensor(1.0), 1000)
    assert ada.current_probability.item() == pytest.approx(1)
    for _ in range(40):
        ada.adapt(torch.tensor(1.0), 1000)
    assert ada.current_probability.item() == 1


def test_it_says_at_the_start_where_a_run_is_too_short_for_it():
    (line,) = ADA().summary(80_000)
    assert line.startswith("ADA: its probability can reach 0.16 in 80,000 images")
    assert "--model.augmentation.adjust_images, now 500,000" in line
    assert ADA(probability=0.95).summary(80_000)[0].startswith("ADA: its probability can reach 1.00")
    for long_enough in (ADA().summary(500_000), ADA(target=None).summary(10), ADA().summary(None)):
        assert long_enough == []


def test_resumed_in_the_middle_of_an_interval():
    whole, first = ADA(adjust_images=1000), ADA(adjust_images=1000)
    signs = torch.tensor([0.9, 0.8, 1.0, 0.7, 0.2, 1.0, 0.9])
    for index, sign in enumerate(signs):
        whole.adapt(sign, 20 + index)
        if index < 6:
            first.adapt(sign, 20 + index)
    second = ADA(adjust_images=1000)
    second.load_state_dict(first.state_dict())
    second.adapt(signs[6], 26)
    assert {name: value.item() for name, value in second.state_dict().items()} == {
        name: value.item() for name, value in whole.state_dict().items()
    }
    assert 0 < whole.current_probability < 1
    assert whole.updates == 3
    x = images(4, 3, 8, 8)
    assert torch.equal(second(x, source()), whole(x, source()))


def test_a_fixed_probability_stays_and_wins_over_a_checkpoint():
    ada = ADA(target=None, probability=0.25)
    for _ in range(8):
        ada.adapt(torch.tensor(1.0), 100_000)
    ada.load_state_dict(ADA(probability=0.75).state_dict())
    assert ada.metrics()["augmentation_probability"].item() == 0.25


def test_figures_do_not_change_afterwards():
    ada = ADA(interval=1, adjust_images=100)
    metric = ada.metrics()["augmentation_probability"]
    ada.adapt(torch.tensor(1.0), 10)
    assert metric == 0
    assert ada.metrics()["augmentation_probability"].item() == pytest.approx(0.1)


def test_a_sign_that_is_no_number_is_forgotten():
    ada = ADA(interval=1, adjust_images=100)
    for sign in (float("nan"), 1.0, 1.0, 1.0):
        ada.adapt(torch.tensor(sign), 10)
    assert ada.current_probability.item() == pytest.approx(0.3)


def test_trains_with_a_penalty_and_hears_of_each_update(gan, trainer, monkeypatch):
    heard, adapt = [], ADA.adapt

    def overheard(ada, real_sign, images):
        heard.append((real_sign.item(), images))
        adapt(ada, real_sign, images)

    monkeypatch.setattr(ADA, "adapt", overheard)
    ada = ADA(target=0.0, probability=0.5, adjust_images=4000, interval=2)
    trainer(max_steps=12).fit(gan(augmentation=ada, penalties={"r1": R1()}), Digits(size=8))
    signs, counts = zip(*heard, strict=True)
    assert len(signs) == 6
    assert ada.current_probability.item() == pytest.approx(simulate(signs, counts, 0.0, 4000, 2, 0.5)[-1])
    assert ada.current_probability.item() != 0.5


def test_a_scheduled_probability_is_that_of_the_images_seen(gan, trainer):
    ada = ADA(None, Linear(end_images=100, first=0.0, last=0.5))
    assert ada.metrics()["augmentation_probability"] == 0
    for images, expected in ((20, 0.1), (50, 0.25), (1000, 0.5)):
        ada.advance(images)
        ada.adapt(torch.tensor(1.0), 1000)
        assert ada.metrics()["augmentation_probability"].item() == pytest.approx(expected)
    used = []
    ada.register_forward_hook(lambda m, args, out: used.append(ada.current_probability.item()))
    module = gan(objective=RelativisticPaired(), augmentation=ada)
    trainer(max_steps=6, limit_val_batches=0).fit(module, Digits(size=8, batch_size=16))
    in_an_update = 4  # real and fake samples of the discriminator's, of the generator's fake and real ones
    assert used == pytest.approx([0.08] * in_an_update + [0.16] * in_an_update + [0.24] * in_an_update)


def test_the_published_schedules_of_the_probability():
    """0 to .55 along half a cosine of 20 million images: 0, .0805, .275, .4695 and .55 at its quarters."""
    ada = ADA(None, Cosine(end_images=20_000_000, first=0.0, last=0.55))
    for share, expected in ((0, 0.0), (0.25, 0.0805), (0.5, 0.275), (0.75, 0.4695), (1, 0.55), (2, 0.55)):
        ada.advance(int(share * 20_000_000))
        assert ada.current_probability.item() == pytest.approx(expected, abs=1e-4)


def test_a_checkpoint_of_a_scheduled_probability_has_the_state_of_any_other():
    scheduled = ADA(None, Linear(end_images=100, first=0.0, last=1.0))
    assert scheduled.state_dict().keys() == ADA().state_dict().keys()
    scheduled.advance(50)
    other = ADA(None, Linear(end_images=100, first=0.0, last=1.0))
    other.load_state_dict(scheduled.state_dict())
    x = images(8, 3, 8, 8)
    assert torch.equal(other(x, source()), scheduled(x, source()))


def test_a_target_and_a_schedule_are_refused():
    with pytest.raises(InputError, match="a target and a schedule of its probability: give target null"):
        ADA(0.6, Linear(end_images=100))


@pytest.mark.parametrize("name", ["pixels", "geometry", "color", "cutout"])
def test_a_share_out_of_range_is_refused(name):
    for share in (1.5, -0.1, float("nan")):
        with pytest.raises(InputError, match=f"ADA cannot have {name} .*: give true, false or a share"):
            ADA(**{name: share})


@pytest.mark.parametrize(
    "options", [{"target": 1.5}, {"probability": -0.5}, {"interval": 0}, {"adjust_images": 0}], ids=str
)
def test_impossible_arguments_are_refused(options):
    with pytest.raises(InputError, match=r"ADA cannot .*: give"):
        ADA(**options)


# how often ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_never_is_the_identity_to_the_bit(channels):
    x = images(16, channels, 9, 9) * 3
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ADA()(x, source()), x)


def test_autocast_takes_nothing_away():
    x, ada = images(16, 3, 9, 9), ADA(None, 0.7)
    with torch.autocast("cpu", torch.bfloat16):
        changed = ada(x, source())
    assert torch.equal(changed, ada(x, source()))


@pytest.mark.parametrize("p", [0.2, 0.7, 1.0])
def test_half_of_those_chosen_are_flipped(p):
    ramp = torch.linspace(-1, 1, 16).expand(3000, 1, 3, 16)
    flipped = fixed(p, "pixels")(ramp, source())
    assert likely(flipped[:, 0, 1, 8] < flipped[:, 0, 1, 7], p / 2)


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_those_not_chosen_stay_to_the_bit(p):
    x = images(3000, 1, 3, 4)
    same = (fixed(p, "color")(x, source()) == x).all((1, 2, 3))
    assert likely(same, (1 - p) ** 2 * (1 - p / 2))  # no brightness, no contrast, no flip that shows
    same = (fixed(p, "geometry")(x, source()) == x).all((1, 2, 3))
    assert likely(same, (1 - p) ** 4)  # no scale, stretch, translation and neither rotation


def test_a_group_may_have_a_share_of_the_probability():
    x, p = images(3000, 1, 3, 4), 0.6
    half = ADA(None, p, pixels=False, geometry=False, color=0.5)
    assert likely((half(x, source()) == x).all((1, 2, 3)), (1 - p / 2) ** 2 * (1 - p / 4))
    for name in ("pixels", "geometry", "color", "cutout"):
        others = dict.fromkeys(("pixels", "geometry", "color", "cutout"), False)
        whole, shared = ADA(None, p / 2, **others | {name: True}), ADA(None, p, **others | {name: 0.5})
        assert torch.equal(whole(x, source()), shared(x, source()))


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_a_rectangle_of_half_the_sides_is_cut_out(p):
    size = (12, 17)
    cut = ADA(None, p, pixels=False, geometry=False, color=False, cutout=True)(torch.ones(4000, 2, *size), source())
    hidden = cut == 0
    assert torch.equal(cut, (~hidden).float())
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    lines, columns = hidden[:, 0].any(2), hidden[:, 0].any(1)
    assert torch.equal(hidden[:, 0], lines[:, :, None] & columns[:, None])
    # a line is hidden where the centre, uniform in [0, 1], is less than a quarter away
    for seen, side in ((lines, size[0]), (columns, size[1])):
        places = (np.arange(side) + 0.5) / side
        odds = np.minimum(places + 0.25, 1) - np.maximum(places - 0.25, 0)
        for index in range(side):
            assert likely(seen[:, index], p * odds[index])
    assert likely(hidden.flatten(1).any(1), p)


def test_what_a_centre_covers_by_hand():
    shown = covered(8, torch.tensor([0.5, 0.0, 0.95]))
    assert shown.int().tolist() == [[0, 0, 1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]]


def test_cutout_comes_last_and_changes_no_other_number():
    x = images(64, 3, 8, 8)
    plain, cut = ADA(None, 1.0)(x, source()), ADA(None, 1.0, cutout=True)(x, source())
    assert torch.equal(torch.where(cut == 0, plain, cut), plain)
    assert (cut == 0).any((1, 2, 3)).all()


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_either_rotation_has_the_probability_of_one_operation(p):
    _, affine = warps(images(3000, 1, 8, 8), torch.tensor(p), source())
    assert likely(affine.matrix[:, 0, 1] != 0, p)
    assert likely(affine.shift.any(1), p)


def test_turns_are_quarters_and_only_of_squares():
    everywhere = torch.tensor(1.0)
    _, square = blits(images(4000, 1, 8, 8), everywhere, source())
    quarters = torch.atan2(square.matrix[:, 1, 0], square.matrix[:, 1, 1]) / (np.pi / 2)
    for quarter in range(4):
        assert likely((quarters - quarter).remainder(4).round().remainder(4) == 0, 0.25)
    torch.testing.assert_close(quarters.round(), quarters)
    chosen, oblong = blits(images(4000, 1, 8, 9), everywhere, source())
    assert torch.equal(oblong.matrix.abs(), torch.eye(2).expand(4000, 2, 2))
    assert chosen.all()


# how strongly ------------------------------------------------------------------------------------------------------


def assert_normal(value, std):
    """Mean and standard deviation within four standard errors, and the right share within one."""
    n = len(value)
    assert abs(value.mean()) < 4 * std / n**0.5
    assert abs(value.std() / std - 1) < 4 / (2 * n) ** 0.5
    assert likely(value.abs() < std, 0.6827)


def assert_any_angle(angle):
    """No direction, and no pair of opposite ones, is preferred."""
    for k in (1, 2):
        assert torch.polar(torch.ones_like(angle), k * angle).mean().abs() < 4 / len(angle) ** 0.5


def test_strengths_of_the_geometry():
    _, affine = warps(images(4000, 1, 16, 24).double(), torch.tensor(1.0), source())
    motion = torch.linalg.inv(affine.matrix)
    left, sides, right = torch.linalg.svd(motion)
    assert_normal(torch.log2(sides.prod(1)) / 2, 0.2)
    spread = torch.log2(sides[:, 0] / sides[:, 1]) / 2  # |N(0, 0.2²)|, the larger side comes first
    assert_normal(spread * torch.randn(4000, generator=source()).sign(), 0.2)
    assert_any_angle(2 * torch.atan2(left[:, 1, 0], left[:, 0, 0]))
    assert_any_angle(2 * torch.atan2(right[:, 0, 1], right[:, 0, 0]))
    moved = -torch.einsum("nij,nj->ni", motion, affine.shift)
    assert_normal(moved[:, 0], 24 / 8)
    assert_normal(moved[:, 1], 16 / 8)


def test_strengths_of_the_translation_by_whole_pixels():
    _, affine = blits(images(6000, 1, 16, 25), torch.tensor(1.0), source())
    moved = affine.shift * torch.tensor([[1.0, -1.0]])
    for axis, reach in ((0, 25 / 8), (1, 16 / 8)):
        assert torch.equal(moved[:, axis], moved[:, axis].round())
        for pixels in range(-4, 5):
            low, high = max(pixels - 0.5, -reach), min(pixels + 0.5, reach)
            assert likely(moved[:, axis] == pixels, max(high - low, 0) / (2 * reach))


def test_strengths_of_the_colors():
    """The matrix and offset of each image, fitted to its pixels, taken apart again."""
    x = images(4000, 3, 3, 3).double()
    y = fixed(1.0, "color")(x, source())
    pixels = torch.cat([x.flatten(2), torch.ones(4000, 1, 9)], 1).mT
    fit = torch.linalg.lstsq(pixels, y.flatten(2).mT)
    torch.testing.assert_close(pixels @ fit.solution, y.flatten(2).mT)
    matrix, offset = fit.solution[:, :3].mT, fit.solution[:, 3]
    luma = matrix.sum((1, 2)) / 3
    torch.testing.assert_close(matrix.sum(2), luma[:, None].expand(-1, 3))  # grey stays grey
    assert likely(luma < 0, 0.5)
    assert_normal(torch.log2(luma.abs()), 0.5)
    assert_normal((offset / luma[:, None])[:, 0], 0.2)
    chroma = torch.sqrt(torch.linalg.det(matrix) / luma)
    assert_normal(torch.log2(chroma / luma.abs()), 1.0)
    cos = (matrix.diagonal(dim1=1, dim2=2).sum(1) - luma) / (2 * chroma)
    sin = (matrix[:, 0, 2] - matrix[:, 0, 1]) / (2 * chroma) * 3**0.5
    assert_any_angle(torch.atan2(sin, cos))


def test_strengths_where_there_is_no_hue():
    for channels, flips in ((1, 0.5), (2, 0.0), (5, 0.0)):
        x = torch.tensor([0.0, 1.0]).expand(4000, channels, 1, 2)
        black, white = fixed(1.0, "color")(x, source())[:, -1, 0].T
        gain = white - black
        assert likely(gain < 0, flips)
        assert_normal(torch.log2(gain.abs()), 0.5)
        assert_normal(black / gain, 0.2)


# each operation ----------------------------------------------------------------------------------------------------


def test_blits_are_those_of_numpy():
    x = images(1, 3, 8, 8)
    for mirror in (1, -1):
        for turns in range(4):
            for right, down in ((0, 0), (2, -1), (-7, 5)):
                amounts = (torch.tensor([float(mirror)]), torch.tensor([float(turns)]))
                got = resampled(x, blit(*amounts, torch.tensor([[float(right), float(down)]])))[0]
                want = np.rot90(x[0].numpy()[..., ::mirror], -turns, (1, 2))
                want = np.pad(want, ((0, 0), (7, 7), (7, 7)), mode="reflect")
                np.testing.assert_allclose(got, want[:, 7 - down : 15 - down, 7 - right : 15 - right], atol=2e-5)


def smooth(h, w):
    """A picture without fine detail or symmetry, which any good interpolation reads alike."""
    y, x = np.mgrid[:h, :w]
    return torch.from_numpy(np.sin(x / 5) * np.cos(y / 7) + x / 40 - y / 60).float()[None, None]


def test_rotation_and_scale_are_those_of_torchvision():
    x = smooth(31, 31)
    one, still = torch.ones(1), torch.zeros(1, 2)
    for degrees, scale in ((30.0, 1.0), (-75.0, 1.0), (0.0, 1.3), (20.0, 0.8)):
        angle = torch.tensor([np.radians(degrees)]).float()
        got = resampled(x, warp(scale * one, angle, one, 0 * one, still))
        want = functional.affine(x, degrees, [0, 0], scale, [0, 0], functional.InterpolationMode.BILINEAR)
        torch.testing.assert_close(got[..., 10:21, 10:21], want[..., 10:21, 10:21], atol=0.02, rtol=0)  # bilinear


def homogeneous(a=1.0, b=0.0, c=0.0, d=1.0, x=0.0, y=0.0):
    return np.array([[a, b, x], [c, d, y], [0, 0, 1]])


def turned(angle):
    return homogeneous(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))


def test_all_geometry_is_the_inverse_of_the_papers_product():
    mirror, turns, tx, ty, scale, before, stretch, after, fx, fy = -1.0, 3.0, 2.0, -1.0, 1.2, 0.7, 0.8, -2.0, 1.3, -0.4
    motion = (
        homogeneous(x=fx, y=fy)
        @ turned(after)
        @ homogeneous(stretch, d=1 / stretch)
        @ turned(before)
        @ homogeneous(scale, d=scale)
        @ homogeneous(x=tx, y=ty)
        @ turned(turns * np.pi / 2)
        @ homogeneous(mirror)
    )
    scalars = [torch.tensor([value], dtype=torch.float64) for value in (mirror, turns, scale, before, stretch, after)]
    whole = blit(*scalars[:2], torch.tensor([[tx, ty]]).double())
    affine = whole.after(warp(*scalars[2:], torch.tensor([[fx, fy]]).double()))
    want = np.linalg.inv(motion)
    np.testing.assert_allclose(affine.matrix[0], want[:2, :2], atol=1e-6)
    np.testing.assert_allclose(affine.shift[0], want[:2, 2], atol=1e-6)


def test_pixels_and_geometry_are_sampled_once_and_in_this_order():
    """In pictures of their own coordinates, which show where each pixel came from."""
    size, same = 33, source()
    ramp = torch.linspace(-16, 16, size)
    x = torch.stack(torch.meshgrid(ramp, ramp, indexing="xy")).expand(32, 2, size, size)
    once = fixed(1.0, "pixels", "geometry")(x, source())
    (_, first), (_, second) = (draw(x, torch.tensor(1.0), same) for draw in (blits, warps))
    reached = torch.einsum("nij,jhw->nihw", second.matrix, x[0]) + second.shift[..., None, None]
    middle = reached.abs().amax(1) < 10  # whence the translation does not reach the rim
    assert middle.float().mean() > 0.25
    twice = resampled(resampled(x, first), second)
    torch.testing.assert_close(once.movedim(1, 3)[middle], twice.movedim(1, 3)[middle], atol=1e-3, rtol=0)


def test_colors_are_the_papers_product():
    contrast, saturation, angle = 1.3, 0.6, 2.1
    v = np.ones((3, 1)) / 3**0.5
    for flip in (0, 1):
        want = (v @ v.T + (np.eye(3) - v @ v.T) * saturation) @ Rotation.from_rotvec(angle * v[:, 0]).as_matrix()
        want = want @ (np.eye(3) - 2 * flip * v @ v.T) @ (contrast * np.eye(3))
        sign = 1 - 2 * flip
        amounts = (torch.tensor([a], dtype=torch.float64) for a in (contrast * sign, contrast * saturation, angle))
        np.testing.assert_allclose(color_matrix(*amounts)[0], want, atol=1e-12)


def test_a_flip_of_luma_makes_black_white_and_keeps_the_hue():
    matrix = color_matrix(torch.tensor([-1.0]), torch.tensor([1.0]), torch.tensor([0.0]))[0]
    torch.testing.assert_close(matrix @ torch.ones(3), -torch.ones(3))
    torch.testing.assert_close(matrix @ torch.tensor([1.0, -1.0, 0.0]), torch.tensor([1.0, -1.0, 0.0]))
