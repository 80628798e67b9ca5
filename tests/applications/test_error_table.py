"""Tables of errors by name: their numbers, their order, their file."""

import csv
import math

import pytest
import torch

from lightning_gen.applications.error_table import ErrorTable
from lightning_gen.applications.reconstruction import squared_errors
from lightning_gen.media import Images, Points


def test_errors_are_those_of_what_is_written():
    x = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    stored = Images().to_stored(torch.tensor([-1.0, 0.5004, 3.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2))
    expected = torch.tensor([0.0, (191 / 255 - 0.5) ** 2, 0.0], dtype=torch.float64)
    torch.testing.assert_close(squared_errors(x, stored, Images()), expected, rtol=1e-5, atol=1e-12)
    points = squared_errors(torch.zeros(2, 3), torch.tensor([[1.0, 2, 3], [0, 0, 3]]), Points())
    torch.testing.assert_close(points, torch.tensor([14 / 3, 3.0], dtype=torch.float64))


def table(n=3, medium=None):
    return ErrorTable([f"sub/é, {index}.png" for index in range(n)], 10.0 ** -torch.arange(n), medium or Images())


def test_the_file_has_a_row_for_each_name(tmp_path):
    table().write(tmp_path / "errors.csv")
    with open(tmp_path / "errors.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == table().names
    assert [float(row["mse"]) for row in rows] == pytest.approx([1, 0.1, 0.01])
    assert [float(row["psnr_db"]) for row in rows] == [0, 10, 20]
    assert table(medium=Points()).columns == ("name", "mse")


def test_means_come_with_their_spread_and_an_error_of_0_has_no_peak():
    report = table().report("own_", "x", "title")
    assert report.as_dict()["figures"] == pytest.approx({"own_mse": 0.37, "own_psnr_db": 10.0})
    assert report.as_dict()["card"]["spreads"]["own_psnr_db"] == [0.0, 20.0]
    perfect = ErrorTable(["a"], torch.zeros(1), Images())
    assert math.isinf(perfect.psnr_db[0])
    assert perfect.report().as_dict()["card"]["not_finite"] == {"psnr_db": "inf"}


def test_of_many_the_largest_errors_are_printed_and_of_few_all_in_order():
    few, many = table(3).to_text(), ErrorTable([f"{i}" for i in range(50)], torch.arange(50) / 100, Images()).to_text()
    assert len(few) == 4
    assert many[0] == "the 10 largest errors of 50"
    assert [line.split()[0] for line in many[2:]] == [str(i) for i in range(49, 39, -1)]
