"""Jumps in columns of times: at rows that were taken out, and nowhere else."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from lightning_gen.media.csv_times import Jumps, jumps_of

START = datetime(2024, 3, 1, 23, 30)


def clock(count=100, step=timedelta(minutes=10)):
    """Times at equal distances."""
    return [START + step * row for row in range(count)]


def without(values, first, last):
    return values[:first] + values[last:]


@pytest.mark.parametrize(
    "written",
    [
        datetime.isoformat,
        str,
        lambda time: f" {time:%Y-%m-%d %H:%M} ",
        lambda time: time.isoformat() + "Z",
        lambda time: time.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
    ],
    ids=("iso", "space", "minutes", "zulu", "zone"),
)
def test_rows_that_were_taken_out_are_a_jump(written):
    values = list(map(written, clock()))
    assert jumps_of(values, numbers=False) is None
    assert jumps_of(without(values, 40, 41), numbers=False) == Jumps(40, 1)
    assert jumps_of(without(without(values, 60, 90), 20, 25), numbers=False) == Jumps(20, 2)


def test_time_that_stands_still_or_leads_back_is_a_jump():
    values = list(map(str, clock()))
    assert jumps_of(values[:50] + values[49:], numbers=False) == Jumps(50, 1)
    assert jumps_of(values + values, numbers=False) == Jumps(100, 1), "two devices in one file"


def test_clocks_that_are_not_exact_and_months_do_not_jump():
    late = np.random.default_rng(0).uniform(0, 120, size=100)
    values = [time + timedelta(seconds=float(each)) for time, each in zip(clock(), late, strict=True)]
    assert jumps_of(list(map(str, values)), numbers=False) is None
    months = [f"{2000 + row // 12}-{1 + row % 12:02d}-01" for row in range(60)]
    assert jumps_of(months, numbers=False) is None
    assert jumps_of(without(months, 30, 31), numbers=False) == Jumps(30, 1)


def test_numbers_are_times_only_where_they_may_be_and_rise():
    seconds = [str(1.7e9 + 60 * row) for row in range(100)]
    assert jumps_of(seconds, numbers=True) is None
    assert jumps_of(without(seconds, 7, 9), numbers=True) == Jumps(7, 1)
    assert jumps_of(without(seconds, 7, 9), numbers=False) is None
    assert jumps_of(seconds[:50] + seconds[20:], numbers=True) is None, "they are no times"


@pytest.mark.parametrize("values", [["mon", "tue", "wed"], ["2024-03-01", "later", "2024-03-02"], ["2024-03-01"] * 5])
def test_what_is_no_time_or_never_goes_on_has_no_jumps(values):
    assert jumps_of(values, numbers=True) is None
