"""What a file holds is told by its first bytes."""

import gzip
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from lightning_gen.contents import content_of


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: path.touch(), "nothing"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "pickled Python objects"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "an array of numpy"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"), "a zip archive"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), "a file that is compressed by gzip"),
        (lambda path: Image.new("L", (1, 1)).save(path, "PNG"), "a PNG image"),
        (lambda path: Image.new("L", (1, 1)).save(path, "JPEG"), "a JPEG image"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda path: path.write_text("<!DOCTYPE html>"), "a web page"),
        (lambda path: path.write_text("a,b\n1,2\n"), "something else"),
    ],
)
def test_a_file_is_told_by_its_start(tmp_path, write, expected):
    write(tmp_path / "file")
    assert expected in content_of(tmp_path / "file")


def test_a_folder_has_no_content(tmp_path):
    with pytest.raises(OSError, match="it is a folder, a pipe or a device and no file"):
        content_of(tmp_path)
