"""Files of compress: each byte is covered, and each way to be wrong has a sentence."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_gen.applications.container import FORMAT, MAGIC, PREFIX, Header, packed, shortened, unpacked
from lightning_gen.errors import InputError

PATH = Path("x.lgz")
HEADER = Header("1.0", "0" * 16, "1" * 16, (3, 8, 8), (2, 2), (16,), 3, 2, 123, (4, 5), ("a.png", "b/ü.png", "c"))
PAYLOAD = bytes(range(40))
FILE = packed(HEADER, PAYLOAD)


def forged(change):
    """A file with another header whose checksums are right."""
    fields = json.loads(zlib.decompress(HEADER.to_bytes()))
    change(fields)
    head = zlib.compress(json.dumps(fields).encode())
    start = struct.pack("<8sHIQ", MAGIC, FORMAT, len(head), len(PAYLOAD))
    body = start + struct.pack("<I", zlib.crc32(start)) + head + PAYLOAD
    return body + struct.pack("<I", zlib.crc32(body))


def test_a_file_gives_back_what_was_packed():
    header, payload = unpacked(FILE, PATH)
    assert header == HEADER
    assert payload == PAYLOAD


@pytest.mark.parametrize("flip", [1, 128])
def test_each_byte_that_is_flipped_is_an_error(flip):
    for place in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[place] ^= flip
        with pytest.raises(InputError, match=r"copy it again|no file that compress wrote"):
            unpacked(bytes(damaged), PATH)


def test_each_place_where_a_file_is_cut_is_an_error():
    for length in range(len(FILE)):
        wanted = f"ends after {length} of {len(FILE)} bytes: copy" if length >= PREFIX.size else "ends after|no file"
        with pytest.raises(InputError, match=wanted):
            unpacked(FILE[:length], PATH)
    with pytest.raises(InputError, match="goes on for 2 bytes after its"):
        unpacked(FILE + b"ab", PATH)


def test_a_newer_format_asks_for_an_update():
    start = struct.pack("<8sHIQ", MAGIC, FORMAT + 1, 9, 9)
    with pytest.raises(InputError, match=r"x.lgz has format 2 and this version reads 1: update lightning_gen"):
        unpacked(start + struct.pack("<I", zlib.crc32(start)) + b"anything", PATH)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(names=["a", "../../etc/passwd", "c"]),
        lambda fields: fields.update(names=["a", "/etc/passwd", "c"]),
        lambda fields: fields.update(names=["a", "b\\..\\c", "c"]),
        lambda fields: fields.update(names="../"),
        lambda fields: fields.update(names=["a", "a", "c"]),
        lambda fields: fields.update(names=["a", 3, "c"]),
        lambda fields: fields.update(count=-3),
        lambda fields: fields.update(count=10**12),
        lambda fields: fields.update(sizes=[]),
        lambda fields: fields.update(map_size=[2, 2.5]),
        lambda fields: fields.update(labels=[0]),
        lambda fields: fields.update(labels=[0, 1, -1]),
        lambda fields: fields.update(weights=7),
        lambda fields: fields.pop("pixels"),
    ],
)
def test_a_forged_header_names_no_file_outside_and_takes_no_memory(change):
    with pytest.raises(InputError, match="damaged, the header"):
        unpacked(forged(change), PATH)


def test_the_forgery_is_read_where_nothing_is_changed():
    assert unpacked(forged(lambda fields: None), PATH) == (HEADER, PAYLOAD)


def test_numbered_names_take_no_room():
    names = [f"test/{index:06d}" for index in range(3)]
    assert shortened(names) == "test/"
    assert replace(HEADER, names="test/").listed_names() == names
    assert shortened(["a", "b"]) == ("a", "b")
    assert shortened(["000001"]) == ("000001",)
    many = replace(HEADER, names=shortened([f"test/{index:06d}" for index in range(10_000)]), count=10_000)
    assert len(many.to_bytes()) < 300
