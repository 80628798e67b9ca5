import gzip
import struct
import tracemalloc

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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (struct.pack(">HBB", 0, 8, 255) + struct.pack(">I", 1) * 255 + b"0", "is no IDX file of unsigned bytes"),
        (struct.pack(">HBBIII", 0, 8, 3, *(2**32 - 1,) * 3), "by its header, would take"),
        (struct.pack(">HBBIII", 0, 8, 3, 0, *(2**32 - 1,) * 2), "by its header, would take"),
    ],
    ids=["255 dimensions", "too large", "too large, but empty"],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_is_not_believed(tmp_path, content, expected, compressed):
    path = tmp_path / ("images.gz" if compressed else "images")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(InputError, match=expected):
        read_idx(path)


def test_no_more_is_unpacked_than_the_header_states(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(CONTENT + bytes(8 * 2**20), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"damaged .*another number of bytes than its header states\): download it"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(name):
        raise PermissionError(13, "Permission denied", str(name))

    monkeypatch.setattr("lightning_gen.data.idx.opened", refuse)
    with pytest.raises(InputError, match=r"images may not be read or written \(Permission denied\)"):
        read_idx(tmp_path / "images")
    monkeypatch.undo()
    with pytest.raises(InputError, match="it is a folder, a pipe or a device and no file"):
        read_idx(tmp_path)
