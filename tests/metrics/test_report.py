"""Reports: what reaches JSON, and what is printed."""

import json

import pytest

from lightning_gen.metrics import Measurement, Report


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_figures_that_are_not_finite_are_null_and_named(value):
    report = Report((Measurement("psnr_db", float(value), "ratio in dB"), Measurement("mse", 0.5, "error")))
    read = json.loads(report.to_json(), parse_constant=refuse)
    assert read["figures"] == {"psnr_db": None, "mse": 0.5}
    assert read["card"]["not_finite"] == {"psnr_db": value}
    assert value in report.to_text()


def test_a_card_that_is_not_finite_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        Report(card={"scale": float("nan")}).to_json()


def test_reports_add_up():
    first = Report((Measurement("a", 1, "one"),), {"seed": 0}, {"b": "of no reason"})
    second = Report((Measurement("c", 2, "two"),), {"samples": 5})
    read = (first + second).as_dict()
    assert list(read["figures"].items()) == [("a", 1), ("c", 2)]
    assert read["card"]["seed"] == 0
    assert read["card"]["samples"] == 5
    assert read["card"]["omitted"] == {"b": "of no reason"}
    assert read["card"]["meanings"] == {"a": "one", "c": "two"}


def test_columns_are_aligned_and_nothing_controls_a_terminal():
    report = Report(
        (Measurement("mse", 0.0123456, "error"), Measurement("psnr_db", 20.5, "ratio")),
        {"seed": 3},
        {"PCA": "too wide"},
    )
    lines = report.to_text().splitlines()
    assert lines[:4] == ["mse      0.012346  error", "psnr_db      20.5  ratio", "no PCA: too wide", ""]
    assert "seed  3" in lines
    assert all(line.isprintable() for line in lines)
