"""Columns of CSV files: separators, gaps, words among numbers."""

import numpy as np
import pytest

from lightning_gen.errors import InputError
from lightning_gen.media.csv_table import columns_text, read_columns


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_read_with_any_separator(tmp_path, separator):
    lines = [("day", "a", "b"), ("mon", "1", "2e3"), ("tue", "-4.5", "6")]
    (tmp_path / "a.csv").write_text("\ufeff" + "\r\n".join(map(separator.join, lines)) + "\r\n\r\n")
    found = read_columns(tmp_path / "a.csv")
    assert found.names == ("a", "b")
    assert found.left_out == ("day",)
    assert found.values.tolist() == [[1.0, -4.5], [2000.0, 6.0]]


def test_what_is_written_is_read_to_the_bit(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    (tmp_path / "a.csv").write_text(columns_text(["x", "y, or z", "w"], values))
    found = read_columns(tmp_path / "a.csv")
    assert found.names == ("x", "y, or z", "w")
    assert (found.values.astype(np.float32) == values).all()


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("", None, "holds no rows"),
        ("a,b\n", None, "holds no rows"),
        ("1,2\n3,4\n", None, "first line .* holds numbers, not names"),
        ("a,b\n1,2\n,4\n5,6\n,8\n", None, "line 3 of .* has nothing in column 'a', the first of 2 such lines"),
        ("a,b\n1,2\n3,x\n", None, "line 3 of .* has 'x', no finite number, in column 'b'"),
        ("a\n1\nnan\n", None, "line 3 of .* 'nan'"),
        ("a\n1\ninf\n", None, "line 3 of .* 'inf'"),
        ("a,b\n1,2\n\n3\n", None, "line 4 of .* has 1 columns and the first line names 2"),
        ("a,a\n1,2\n", None, "several columns 'a'"),
        ("a,b\n1,2\n", ["b", "c"], "no column 'c': its columns are a, b"),
        ("a\nx\n", None, "no column whose first value is a number"),
        ("a;b\n1,5;2,5\n", None, "no column whose first value is a number: .* such as 1.5 and not 1,5"),
        ("a;b\n1,5;2\n", ["a"], "line 2 of .* '1,5', no finite number"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_with_its_line(tmp_path, text, names, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_columns(tmp_path / "a.csv", names)


def test_files_that_are_missing_or_no_text_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_columns(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_columns(tmp_path / "a.csv")
