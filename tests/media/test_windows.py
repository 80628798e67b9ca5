"""Windows of a whole: they cover it, and joined they give it back."""

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.media.windows import Windows

CASES = [((10,), (4,)), ((4,), (4,)), ((3,), (8,)), ((9, 14), (4, 6)), ((7, 3, 12), (4, 4, 5)), ((1,), (4,))]


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(("sides", "window"), CASES)
def test_windows_cover_the_whole_and_give_it_back(sides, window, overlap):
    whole = torch.randn(2, *sides)
    windows = Windows(sides, window, overlap)
    cut = windows.cut(whole)
    assert cut.shape == (len(windows), 2, *window)
    assert len(windows) == len(windows.starts)
    torch.testing.assert_close(windows.join(cut), whole, atol=1e-6, rtol=0)


def test_stored_values_are_cut_as_they_are():
    whole = torch.arange(10, dtype=torch.int16)[None]
    assert Windows((10,), (4,)).cut(whole)[:, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]


def test_a_short_whole_is_padded_with_its_last_value():
    assert Windows((2,), (4,)).cut(torch.tensor([[5.0, 6.0]])).tolist() == [[[5.0, 6.0, 6.0, 6.0]]]


def test_where_windows_disagree_the_nearer_middle_counts_more():
    joined = Windows((6,), (4,), 0.5).join(torch.stack([torch.zeros(1, 4), torch.ones(1, 4)]))
    assert joined[0].tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_missing_windows_are_refused():
    windows = Windows((10,), (4,))
    with pytest.raises(InputError, match="3 windows cannot be joined from 2"):
        windows.join(torch.zeros(2, 1, 4))
    with pytest.raises(InputError, match="cannot be joined from 0"):
        windows.join([])


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_an_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(InputError, match="overlap"):
        Windows((10,), (4,), overlap)


def test_other_numbers_of_sides_are_refused():
    with pytest.raises(InputError, match="as many sides"):
        Windows((10, 10), (4,))
