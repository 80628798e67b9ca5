"""Series: the units of a file, standardised values, files of one's own, lines."""

import math

import numpy as np
import pytest
import torch

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError
from lightning_gen.media import Series
from lightning_gen.media.descriptions import described, rebuilt
from lightning_gen.media.lines import HEIGHT, WIDTH, line_grid

MEDIUM = Series(("heat", "flow"), (20.0, -3.0), (4.0, 0.5))


def test_model_values_are_deviations_from_the_mean_in_units_of_the_scale():
    stored = torch.tensor([[[20.0, 24.0, 12.0], [-3.0, -2.0, -3.5]]])
    assert MEDIUM.to_model(stored).tolist() == [[[0.0, 1.0, -2.0], [0.0, 2.0, -1.0]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_in_the_units_of_the_file_come_back(dtype):
    stored = torch.randn(5, 2, 7) * 100
    model = MEDIUM.to_model(stored, dtype)
    assert model.dtype is dtype
    back = MEDIUM.to_stored(model)
    assert back.dtype is torch.float32
    torch.testing.assert_close(back, stored, rtol=1e-5, atol=1e-4)


def test_its_description_is_plain_data_that_gives_it_back():
    stored = described(MEDIUM)
    assert rebuilt(stored) == MEDIUM
    assert checkpoints.describe(MEDIUM)["init_args"]["mean"] in ([20.0, -3.0], (20.0, -3.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("a",), (0.0, 1.0), (1.0,)), "1 names, 2 means and 1 scales"),
        (((), (), ()), "0 names"),
        ((("a",), (0.0,), (0.0,)), "above 0"),
        ((("a",), (0.0,), (math.nan,)), "above 0"),
    ],
)
def test_channels_without_a_mean_or_a_scale_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Series(*arguments)


def test_a_file_of_any_length_that_is_written_is_read_back(tmp_path):
    stored = torch.randn(2, 101) * 3
    MEDIUM.write_file(MEDIUM.to_model(stored[None])[0], tmp_path / "new" / "a.csv")
    lines = (tmp_path / "new" / "a.csv").read_text().splitlines()
    assert lines[0] == "heat,flow"
    assert len(lines) == 102
    torch.testing.assert_close(MEDIUM.read_file(tmp_path / "new" / "a.csv"), stored, rtol=1e-5, atol=1e-4)


def test_the_columns_of_a_file_are_found_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("day,flow,heat\nmon,1,2\ntue,3,4\n")
    assert MEDIUM.read_file(tmp_path / "a.csv").tolist() == [[2.0, 4.0], [1.0, 3.0]]


def test_a_line_goes_up_where_values_do_and_each_channel_has_a_colour():
    rising, flat = torch.linspace(-1, 1, 32), torch.zeros(32)
    drawn = line_grid(torch.stack([torch.stack([rising, flat]), torch.stack([-rising, flat])]), columns=2)
    assert drawn.shape[0] == 3
    assert drawn.shape[2] > 2 * WIDTH > WIDTH > HEIGHT
    red = (drawn[0].int() - drawn[2].int() > 60).numpy()  # the colour of the first channel
    left, right = red[:, : WIDTH + 2], red[:, WIDTH + 4 :]

    def heights(cell):
        return [np.flatnonzero(cell[:, part]).mean() for part in (10, WIDTH - 14)]

    start, end = heights(left)
    assert start > end + HEIGHT / 2, "rows count downwards"
    start, end = heights(right)
    assert end > start + HEIGHT / 2
    assert (drawn[2].int() - drawn[0].int() > 60).any(), "the second channel has another colour"


def test_a_preview_of_zeros_is_drawn():
    assert MEDIUM.preview(torch.zeros(3, 2, 16)).dtype is torch.uint8
