"""Solids: their volumes by closed form, their labels, and that they do not depend on the axes."""

import math

import pytest
import torch

from lightning_gen.data import Solids
from lightning_gen.data.solids import KINDS, TUBE, covered, rotations
from lightning_gen.errors import InputError

VOLUMES = {
    "ellipsoid": 4 / 3 * math.pi,
    "box": 4 / 3 * math.pi,
    "cylinder": 4 / 3 * math.pi,
    "ring": 2 * math.pi**2 * (1 - TUBE) * TUBE**2,
}


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_a_solid_covers_its_volume(kind):
    axes = torch.tensor([[0.3, 0.35, 0.4], [0.45, 0.45, 0.45]])
    turns = rotations(torch.tensor([[1.0, 0.3, -0.2, 0.5], [1.0, 0.0, 0.0, 0.0]]))
    shares = covered(torch.full((2,), kind), axes, torch.zeros(2, 3), turns, 48)
    found = shares.flatten(1).sum(1) * (2 / 48) ** 3
    assert found.tolist() == pytest.approx((VOLUMES[KINDS[kind]] * axes.prod(1)).tolist(), rel=0.05)


def test_rotations_keep_lengths_and_handedness():
    turns = rotations(torch.randn(100, 4)).double()
    assert (turns @ turns.transpose(1, 2) - torch.eye(3)).abs().max() < 1e-5
    assert (torch.linalg.det(turns) - 1).abs().max() < 1e-5


def test_the_axes_of_an_ellipsoid_are_those_of_the_volume():
    centre = torch.tensor([[0.25, 0.0, -0.25]])
    volume = covered(torch.tensor([0]), torch.tensor([[0.3, 0.5, 0.6]]), centre, torch.eye(3)[None], 64)[0]
    places = (2 * torch.arange(64) + 1) / 64 - 1
    for axis, (middle, half) in enumerate(zip(centre[0].tolist(), (0.3, 0.5, 0.6), strict=True)):
        weights = volume.sum([other for other in range(3) if other != axis])
        mean = (weights * places).sum() / weights.sum()
        assert mean == pytest.approx(middle, abs=0.01)
        deviation = ((weights * (places - mean).square()).sum() / weights.sum()).sqrt()
        assert deviation == pytest.approx(half / math.sqrt(5), rel=0.03)


def test_splits_of_solids_differ_and_hold_all_kinds():
    data, again = Solids(size=8, count=200), Solids(size=8, count=200)
    data.setup()
    again.setup()
    assert torch.equal(data.train_set[:].x, again.train_set[:].x)
    assert not torch.equal(data.val_set[:].x, data.test_set[:].x)
    assert data.train_set[:].x.dtype is torch.uint8
    assert data.train_set[:].labels.bincount(minlength=4).min() > 30
    assert (data.train_set[:].x.flatten(1).amax(1) > 100).all()


@pytest.mark.parametrize("options", [{"size": 7}, {"count": 5}])
def test_bad_options_of_solids_are_refused(options):
    with pytest.raises(InputError, match=f"--data.{next(iter(options))}"):
        Solids(**options)
