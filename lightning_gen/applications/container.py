r"""The file format ``.lgz``: what it takes to decode the indices in it, and to notice that it cannot be done.

A file is ``prefix | header | payload | checksum``. The prefix has the same 26 bytes in every format, little-endian:
magic, number of the format, length of the header, length of the payload, CRC-32 of these. The header is JSON, deflated
by zlib; the payload is of the range coder; the checksum is the CRC-32 of all before it. So each byte is covered, and a
file that was cut says by how much.
"""

import json
import re
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from lightning_gen.errors import InputError
from lightning_gen.media.windows import Windows
from lightning_gen.outputs import Kind
from lightning_gen.records import Shape

FORMAT = 1
"""Number of the format that is written, and the only one that is read."""
MAGIC = b"\x89LGZ\r\n\x1a\n"
"""The first bytes: as those of PNG they show a transfer that changed line ends or the eighth bit."""
PREFIX = struct.Struct("<8sHIQI")
CHECKSUM = struct.Struct("<I")
KEY = 16
"""Hexadecimal digits of keys in a file: 64 bits."""
SHOWN = 8
"""Hexadecimal digits of keys in messages."""
LARGEST_HEADER = 2**28
"""Maximum size in bytes of an inflated header."""
LGZ = Kind("file of compress", ".lgz", re.compile(rb"\x89LGZ"))


@dataclass(frozen=True)
class WholeFile:
    """A file whose windows are consecutive samples.

    Attributes:
        name: Its name.
        sides: Its sides, such as its length.
    """

    name: str
    sides: Shape


@dataclass(frozen=True)
class Header:
    """What a file says of the indices in it.

    Attributes:
        version: Version of the library that wrote it.
        weights: The first `KEY` digits of the key of the weights that decode: of the bottleneck and the decoder.
        tables: Those of the key of the tables.
        shape: Shape of a sample.
        map_size: Height and width of a map of indices.
        sizes: Codes of each codebook.
        count: Number of samples.
        batch_size: Samples that were decoded at a time, and must be to give the same bits.
        indices: CRC-32 of the indices.
        pixels: CRC-32 of the decoded stored values, one for each batch.
        names: Names of the samples; a list, or the text before a number of six digits from 0.
        labels: Class indices of the samples, for conditional models.
        wholes: The files whose windows the samples are, without overlaps; empty where each is a file of its own, and in
            files of earlier versions.
    """

    version: str
    weights: str
    tables: str
    shape: Shape
    map_size: Shape
    sizes: Shape
    count: int
    batch_size: int
    indices: int
    pixels: tuple[int, ...]
    names: tuple[str, ...] | str
    labels: tuple[int, ...] | None = None
    wholes: tuple[WholeFile, ...] = ()

    def windows(self) -> list[Windows]:
        """Where the windows of each of `wholes` lie."""
        return [Windows(whole.sides, self.shape[1:]) for whole in self.wholes]

    def listed_names(self) -> list[str]:
        """The name of each sample."""
        return numbered(self.names, self.count) if isinstance(self.names, str) else list(self.names)

    def to_bytes(self) -> bytes:
        """The header as it is written."""
        return zlib.compress(json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False).encode(), 9)

    @classmethod
    def of(cls, data: bytes) -> "Header":
        """Read a header.

        Raises:
            ValueError: It is none.
        """
        inflate = zlib.decompressobj()
        try:
            text = inflate.decompress(data, LARGEST_HEADER)
            if not inflate.eof or inflate.unused_data:
                raise ValueError("the header is too long")
            found = json.loads(text)
            wholes = tuple(WholeFile(each["name"], as_tuple(each["sides"])) for each in found.get("wholes", ()))
            values = {each.name: as_tuple(found[each.name]) for each in fields(cls) if each.name != "wholes"}
        except (zlib.error, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"the header cannot be read ({error})") from error
        header = cls(**values, wholes=wholes)
        header.check()
        return header

    def check(self) -> None:
        """Check the types and ranges of all that is used to allocate memory and to name files.

        Raises:
            ValueError: Some are impossible.
        """
        whole = (self.count, self.batch_size, *self.shape, *self.map_size, *self.sizes)
        labels = () if self.labels is None else self.labels
        if not all(type(each) is int and each > 0 for each in whole) or len(self.map_size) != 2 or not self.sizes:
            raise ValueError("the header has impossible sizes")
        if len(self.pixels) != -(-self.count // self.batch_size) or len(labels) not in (0, self.count):
            raise ValueError("the header has checksums or labels of another number of samples")
        if not all(type(each) is int and each >= 0 for each in (*self.pixels, *labels, self.indices)):
            raise ValueError("the header has checksums or labels that are no numbers")
        if not all(type(each) is str for each in (self.version, self.weights, self.tables)):
            raise ValueError("the header has keys that are no text")
        names = [self.names] if isinstance(self.names, str) else self.names
        if not isinstance(self.names, str) and len(set(names)) != self.count:
            raise ValueError("the header has names of another number of samples")
        if not all(self._possible(whole) for whole in self.wholes):
            raise ValueError("the header has files of impossible sizes")
        if self.wholes and sum(map(len, self.windows())) != self.count:
            raise ValueError("the header has files of another number of samples")
        for name in (*names, *(whole.name for whole in self.wholes)):
            if not isinstance(name, str) or not safe(name):
                raise ValueError("the header has names of files outside of a folder")

    def _possible(self, whole: WholeFile) -> bool:
        """Whether a file of these sides may have so many samples, before any are counted."""
        window = self.shape[1:]
        return len(whole.sides) == len(window) and all(
            type(side) is int and 0 < side <= self.count * most for side, most in zip(whole.sides, window, strict=True)
        )


def as_tuple(value: Any) -> Any:
    """A value of JSON, lists as tuples."""
    return tuple(value) if isinstance(value, list) else value


def safe(name: str) -> bool:
    """Whether a name is a path that stays below a folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\:\0")


def numbered(start: str, count: int) -> list[str]:
    """Names of samples of an array or a split: a text, such as ``test/``, and numbers of six digits."""
    return [f"{start}{index:06d}" for index in range(count)]


def shortened(names: list[str]) -> tuple[str, ...] | str:
    """Names as a header keeps them: only their start, where they are numbered."""
    start = names[0][:-6] if names else ""
    return start if names and names == numbered(start, len(names)) else tuple(names)


def packed(header: Header, payload: bytes) -> bytes:
    """A complete file."""
    head = header.to_bytes()
    lengths = PREFIX.pack(MAGIC, FORMAT, len(head), len(payload), 0)[: -CHECKSUM.size]
    body = lengths + CHECKSUM.pack(zlib.crc32(lengths)) + head + payload
    return body + CHECKSUM.pack(zlib.crc32(body))


def unpacked(data: bytes, path: Path) -> tuple[Header, bytes]:
    """The header and the payload of a file.

    Args:
        data: The content of the file.
        path: Its name, for messages.

    Raises:
        InputError: It is of another kind or format, was cut or is damaged.
    """
    if not data.startswith(MAGIC[: len(data)]) or not data:
        raise InputError(f"{path} is no file that compress wrote: give one that ends in {LGZ.ending}")
    if len(data) < PREFIX.size:
        raise InputError(f"{path} ends after {len(data):,} bytes, within its first {PREFIX.size}: copy it again")
    _, number, head, length, checksum = PREFIX.unpack_from(data)
    if zlib.crc32(data[: PREFIX.size - CHECKSUM.size]) != checksum:
        raise damaged(path, "its first bytes are others than were written")
    if number != FORMAT:
        raise InputError(f"{path} has format {number} and this version reads {FORMAT}: update lightning_gen")
    whole = PREFIX.size + head + length + CHECKSUM.size
    if len(data) < whole:
        raise InputError(f"{path} ends after {len(data):,} of {whole:,} bytes: copy it again")
    if len(data) > whole:
        raise InputError(f"{path} goes on for {len(data) - whole:,} bytes after its {whole:,}: copy it again")
    body = data[: -CHECKSUM.size]
    if zlib.crc32(body) != CHECKSUM.unpack(data[-CHECKSUM.size :])[0]:
        raise damaged(path, "its checksum is that of other bytes")
    try:
        return Header.of(data[PREFIX.size : PREFIX.size + head]), body[PREFIX.size + head :]
    except ValueError as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, what: str) -> InputError:
    """The error of a file that is not as it was written."""
    return InputError(f"{path} is damaged, {what}: copy it again")
