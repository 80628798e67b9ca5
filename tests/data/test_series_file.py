"""Windows of a series: parts in time that share no point, the scale of training alone."""

import numpy as np
import pytest
import torch

from lightning_gen.data import SeriesFile
from lightning_gen.errors import InputError
from lightning_gen.media import Series


def write(path, columns):
    values = np.stack(list(columns.values()))
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in values.T)]) + "\n")
    return str(path)


@pytest.fixture
def clock(tmp_path):
    """A series whose value is the time, beside one of noise."""
    noise = np.random.default_rng(0).normal(size=1000)
    return write(tmp_path / "a.csv", {"time": np.arange(1000), "noise": noise})


@pytest.mark.parametrize("gap", [None, 0, 5])
@pytest.mark.parametrize("stride", [1, 7, 16])
def test_no_point_in_time_is_in_two_parts_and_the_gap_is_in_none(clock, gap, stride):
    data = SeriesFile(clock, window=16, stride=stride, gap=gap)
    data.setup()
    times = [set(part[:].x[:, 0].flatten().int().tolist()) for part in (data.train_set, data.val_set, data.test_set)]
    assert all(times)
    wanted = 16 if gap is None else gap
    assert max(times[0]) + wanted < min(times[1])
    assert max(times[1]) + wanted < min(times[2])
    assert max(times[2]) > 1000 - stride - 1, "the end of the file is used"


def test_windows_are_consecutive_points_of_all_columns(clock):
    data = SeriesFile(clock, window=16, stride=5)
    data.setup()
    x = data.val_set[:].x
    assert x.dtype is torch.float32
    assert (x[:, 0].diff(dim=1) == 1).all()
    assert (x[1:, 0, 0] - x[:-1, 0, 0] == 5).all()
    starts = [f"val@{int(start)}" for start in x[:, 0, 0]]
    assert data.sample_names("val") == starts


def test_the_scale_is_that_of_the_training_part_alone(clock):
    data = SeriesFile(clock, window=16, val_fraction=0.1, test_fraction=0.2)
    assert isinstance(data.medium, Series)
    training = np.loadtxt(clock, delimiter=",", skiprows=1)[:700]
    assert data.medium.mean == pytest.approx(training.mean(0))
    assert data.medium.scale == pytest.approx(training.std(0))
    data.setup()
    assert data.scaled(data.test_set[:]).x[:, 0].mean() > 1.5, "later times are beyond the training part"


def test_columns_are_chosen_and_others_are_named(tmp_path):
    numbers = np.arange(300.0)
    path = write(tmp_path / "a.csv", {"day": ["mon"] * 300, "a": numbers, "b": -numbers})
    assert SeriesFile(path, window=8).contents() == ["2 columns: a, b", "left out columns that hold no numbers: day"]
    data = SeriesFile(path, window=8, columns=["b"])
    data.setup()
    assert data.shape == (1, 8)
    assert data.train_set[0].x[0, 1] == -1
    assert data.contents() == ["1 columns: b"]


def test_where_the_time_of_the_file_jumps_is_told(tmp_path):
    hours = np.arange(np.datetime64("2024-03-01T00"), np.datetime64("2024-03-21T00"))
    kept = np.delete(hours, slice(100, 103))
    columns = {"time": kept.astype(str), "a": np.arange(len(kept))}
    (jump,) = SeriesFile(write(tmp_path / "a.csv", columns), window=8).contents()[2:]
    assert jump == (
        "'time' jumps from 2024-03-05T03 to 2024-03-05T07 in line 102, and windows take all rows as equally far apart: "
        "fill in the rows between, or cut the file there"
    )
    whole = write(tmp_path / "whole.csv", {"time": hours.astype(str), "a": np.arange(len(hours))})
    assert len(SeriesFile(whole, window=8).contents()) == 2
    seconds = kept.astype("datetime64[s]").astype(int)
    path = write(tmp_path / "seconds.csv", {"time": seconds, "a": np.arange(len(kept)), "b": seconds})
    (jump,) = SeriesFile(path, window=8, columns=["a"]).contents()[1:]
    assert "jumps from 1709607600 to 1709622000 in line 102, and" in jump


def test_a_part_of_size_0_is_empty(clock):
    data = SeriesFile(clock, window=16, val_fraction=0.2, test_fraction=0.0)
    data.setup()
    assert len(data.test_set) == 0
    assert int(data.val_set[:].x[:, 0].max()) > 990


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 1001}, "train part .* has 700 of 1,000 points in time and a window has 1001"),
        ({"window": 100, "val_fraction": 0.05}, r"val part .* has 0 of 1,000 .* lower --data.window or --data.gap"),
        ({"columns": ["noise", "flow"]}, "no column 'flow'"),
        ({"val_fraction": 0.6, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"stride": 0}, "--data.stride must be at least 1"),
        ({"gap": -1}, "--data.gap must be at least 0"),
        ({"window": 4}, "--data.window must be at least 8"),
    ],
)
def test_bad_options_are_refused(clock, options, message):
    with pytest.raises(InputError, match=message):
        SeriesFile(clock, **options)


@pytest.mark.parametrize("level", [0.0, 3.0, 1e9])
def test_a_column_that_is_constant_in_training_is_refused(tmp_path, level):
    tiny = level + (np.arange(500) % 3 if level > 10 else np.r_[np.zeros(350), np.arange(150)])
    path = write(tmp_path / "a.csv", {"a": np.arange(500), "still": tiny})
    with pytest.raises(InputError, match=r"column 'still' .* is constant in the training part"):
        SeriesFile(path, window=8)
    assert SeriesFile(path, window=8, columns=["a"]).shape == (1, 8)
