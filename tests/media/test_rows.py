"""Previews with one class in each row: the labels, and the names beside them."""

import pytest
import torch

from lightning_gen.media.rows import rows_of, with_names

NAMES = ("cats", "dogs", "boots")


def margin(image, names):
    """The part with the names, as ``(height, width)``."""
    shown = with_names(image, names)
    width = image.shape[2]
    assert torch.equal(shown[:, :, -width:], image), "the image is as it was"
    assert torch.equal(shown[:1, :, :-width].expand(len(image), -1, -1), shown[:, :, :-width])
    return shown[0, :, :-width]


def test_labels_are_row_by_row_and_the_last_row_may_be_shorter():
    rows = rows_of([2, 0], 5, NAMES)
    assert rows.labels.tolist() == [2, 2, 2, 0, 0]
    assert (rows.columns, rows.names) == (3, ("boots", "cats"))


def test_rows_without_samples_have_no_name():
    rows = rows_of(range(10), 4)
    assert (rows.labels.tolist(), rows.columns, rows.names) == ([0, 1, 2, 3], 1, tuple("0123"))


def test_classes_without_a_name_have_their_number():
    assert rows_of([1, 4], 2, NAMES).names == ("dogs", "4")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("height", [3 * 66 + 2, 3 * 258 + 2])
def test_each_name_is_in_the_middle_of_its_row(channels, height):
    image = torch.randint(0, 256, (channels, height, 40), dtype=torch.uint8)
    names = margin(image, NAMES)
    parts = names[: height // 3 * 3].reshape(3, height // 3, -1)
    for part in parts:
        lines = (part > 100).any(1).nonzero().flatten().float()
        assert len(lines) > 5
        assert abs(float(lines.mean()) - height / 6) < height / 3 * 0.1
    assert not torch.equal(parts[0], parts[1])
    alike = margin(image, ("dogs", *NAMES[1:]))[: height // 3]
    assert int((alike > 100).sum()) == pytest.approx(int((parts[1] > 100).sum()), rel=0.1)


def test_without_names_nothing_is_added():
    image = torch.zeros(1, 20, 20, dtype=torch.uint8)
    assert with_names(image, ()) is image


def test_a_long_name_is_cut_to_a_part_of_it():
    image = torch.zeros(1, 132, 60, dtype=torch.uint8)
    long = margin(image, ("x" * 500, "y")).shape[1]
    assert margin(image, ("x" * 5, "y")).shape[1] < long < 200
    assert torch.equal(margin(image, ("x" * 400, "y")), margin(image, ("x" * 500, "y")))


@pytest.mark.parametrize("name", ["\ue000\ue001", "a\nb", "\x1b[2J"])
def test_a_name_that_no_font_can_show_is_replaced_by_the_number(name):
    assert rows_of([1, 0], 2, ("cats", name)).names == ("1", "cats")
