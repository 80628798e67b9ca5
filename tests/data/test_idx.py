import gzip
import struct

import numpy as np
import pytest
from torchvision.datasets.mnist import read_image_file

from lightning_gen.data.idx import find_idx, read_idx
from lightning_gen.errors import InputError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = struct.pack(">HBBIII", 0, 8, 3, 2, 3, 4) + IMAGES.tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_was_written(tmp_path, compressed):
    path = tmp_path / ("images.gz" if compressed else "images")
    path.write_bytes(gzip.compress(CONTENT) if compressed else CONTENT)
    assert np.array_equal(read_idx(path), IMAGES)
    assert find_idx(tmp_path, "images") == path
    assert find_idx(tmp_path, "labels") is None


def test_agrees_with_torchvision(tmp_path):
    (tmp_path / "images").write_bytes(CONTENT)
    assert np.array_equal(read_idx(tmp_path / "images"), read_image_file(str(tmp_path / "images")).numpy())


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"\0", CONTENT[:9], CONTENT[:4]])
def test_truncated_file_is_refused(tmp_path, content):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(InputError, match=r"images is damaged .*: download it again"):
        read_idx(tmp_path / "images")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", struct.pack(">HBBI", 0, 13, 1, 1) + b"1234"],
    ids=["empty", "PNG", "of floats"],
)
def test_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(InputError, match="is no IDX file of unsigned bytes"):
        read_idx(tmp_path / "images")


@pytest.mark.parametrize(
    "content", [gzip.compress(CONTENT)[:-9], b"not compressed"], ids=["cut short", "not compressed"]
)
def test_damaged_compression_is_refused(tmp_path, content):
    (tmp_path / "images.gz").write_bytes(content)
    with pytest.raises(InputError, match="download it again"):
        read_idx(tmp_path / "images.gz")
