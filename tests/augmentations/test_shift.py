"""Shifts that come around."""

import pytest
import torch

from lightning_gen.augmentations import Shift
from lightning_gen.errors import InputError


@pytest.mark.parametrize("shape", [(1, 12), (2, 6, 8), (1, 3, 4, 5)])
def test_a_shift_rolls_all_channels_of_a_sample_alike(shape):
    x = torch.randn(20, *shape)
    moved = Shift(0.5)(x, torch.Generator().manual_seed(0))
    axes = tuple(range(1, len(shape)))
    rolls = torch.cartesian_prod(*(torch.arange(side) for side in shape[1:])).view(-1, len(axes)).tolist()
    found = set()
    for before, after in zip(x, moved, strict=True):
        matches = [roll for roll in rolls if torch.equal(before.roll(roll, axes), after)]
        assert matches
        found.add(tuple(matches[0]))
    assert len(found) > 5, "samples move by different numbers"


def test_a_shift_is_no_larger_than_its_share():
    x = torch.eye(40)[:1].repeat(500, 1)[:, None]
    moved = Shift(0.1)(x, torch.Generator().manual_seed(0)).argmax(2).flatten()
    assert set(moved.tolist()) == {36, 37, 38, 39, 0, 1, 2, 3, 4}
    assert torch.equal(Shift(0.0)(x, torch.Generator()), x)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(InputError, match="Shift cannot have share"):
        Shift(share)
