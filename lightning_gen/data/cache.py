"""Pictures of any kind are decoded once, into one array of bytes that is mapped from the disk.

Decoding JPEGs anew in every epoch keeps a GPU waiting. Here each picture is read, turned upright, resized and written
once; later runs map the array and start at once, and an array larger than the memory is read page by page.

What is mapped is what the files hold. Each start asks for the files' sizes, times and inodes: one that another was
copied, unpacked or moved over differs in one of them, even where it says that it was written at the same time. Where
some differ, contents are compared, and only where these differ as well are the pictures decoded again. The array has a
checksum, which is compared where its file was touched since it was written.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import sys
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from lightning_gen.data.decoder import read_image, reason
from lightning_gen.errors import InputError
from lightning_gen.files import PARTIAL, opened, remove_abandoned, replacing
from lightning_gen.paths import expanded
from lightning_gen.records import Shape
from lightning_gen.terminal import say

OnError: TypeAlias = Literal["raise", "skip"]
Skipped: TypeAlias = dict[str, str]
Stamp: TypeAlias = tuple[int, ...]
Result = TypeVar("Result")

FORMAT = 2  # part of the key of a cache: to be raised when the same file would be decoded to other pixels
READ_AHEAD = 64  # files
BLOCK = 2**18  # bytes that are read at a time
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class DecodedImages:
    """Pictures that were decoded into one array.

    Attributes:
        pixels: uint8 ``(n, channels, height, width)``, mapped from the disk and read-only.
        kept: For each of the n pictures, its place among the names that were asked for.
        skipped: Names that could not be decoded, each with the reason.
    """

    pixels: np.ndarray
    kept: list[int]
    skipped: Skipped


@dataclass(frozen=True)
class Report:
    """What is written beside an array, once it is in its place.

    Attributes:
        folder: Where the pictures are.
        skipped: Names that could not be decoded, each with the reason.
        stamps: A digest of the files' stamps before they were read.
        contents: A digest of the bytes of all files.
        checksum: CRC-32 of the pixels.
        written: The stamp of the array's file.
    """

    folder: str
    skipped: Skipped
    stamps: str
    contents: str
    checksum: int
    written: Stamp | None

    @classmethod
    def read(cls, path: Path, names: Sequence[str]) -> "Report | None":
        """The report on pictures of these names; None where there is none or it is damaged."""
        try:
            report = cls(**json.loads(path.read_bytes()))
            return replace(report, written=tuple(report.written or ())) if set(report.skipped) <= set(names) else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        with replacing(path) as file:
            file.write(json.dumps(asdict(self)).encode())


@dataclass(frozen=True)
class Source:
    """What was read of one file.

    Attributes:
        digest: Of its bytes; empty where it cannot be read.
        picture: uint8 ``(channels, height, width)``, or why there is none.
    """

    digest: bytes
    picture: np.ndarray | Exception


def decode(
    folder: Path,
    names: Sequence[str],
    shape: Shape,
    *,
    pad: bool = False,
    on_error: OnError = "raise",
    cache_dir: str | None = None,
    title: str = "decoding pictures",
) -> DecodedImages:
    """Decode pictures once; a later call with the same files, unchanged, only maps what the first has written.

    The cache is one ``.npy`` file and a ``.json`` with a `Report`, named after a hash of the folder, the files' names,
    the shape and `pad`; pictures that have changed take the place of older ones. Where either file is damaged, that
    is said and both are made again. Several processes may call this at once.

    Args:
        folder: Where the pictures are; nothing is written there.
        names: Paths relative to `folder`.
        shape: ``(channels, height, width)`` that every picture is brought to, see `read_image`.
        pad: Pad to the shape instead of cropping to it.
        on_error: Whether a picture that cannot be decoded ends the call or is left out.
        cache_dir: Folder of the cache, made where it is missing; `default_cache_dir` if None.
        title: What the progress bar says.

    Raises:
        InputError: A picture cannot be decoded and `on_error` is "raise", none can be decoded, or the cache cannot be
            written.
    """
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    stem = cache / _key(folder, names, shape, pad)
    array, beside = stem.with_suffix(".npy"), stem.with_suffix(".json")
    stamps = _digest(repr(_stamp(folder / name)).encode() for name in names)
    report = Report.read(beside, names)
    damaged = report is None and beside.exists()
    if report is not None and report.stamps != stamps:
        report = _compared(report, beside, folder, names, stamps)
    if report is not None and not _holds(array, report, (len(names) - len(report.skipped), *shape)):
        report, damaged = None, True
    if damaged:
        say(f"the decoded pictures of {folder} in {cache} are damaged and are made again", sys.stderr)
    if report is None:
        with _writable(cache, bytes_needed=len(names) * math.prod(shape)):
            sources = _ahead(partial(_read, shape=shape, pad=pad), [folder / name for name in names])
            with closing(_progress(sources, len(names), title)) as bar, replacing(array) as file:
                report = _write(file, folder, names, bar, shape, on_error)
            report = replace(report, stamps=stamps, written=_stamp(array))
            report.write(beside)  # after the array, so that what a report tells of is there
    if report.skipped and on_error == "raise":
        raise _broken(folder, *next(iter(report.skipped.items())))
    if len(report.skipped) == len(names):
        raise InputError(f"none of the {len(names)} pictures in {folder} can be decoded: look at them, or name another")
    kept = [index for index, name in enumerate(names) if name not in report.skipped]
    return DecodedImages(np.load(array, mmap_mode="r"), kept, report.skipped)


def default_cache_dir() -> Path:
    """Folder of decoded pictures, below the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``); safe to delete."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "lightning_gen"


def _key(folder: Path, names: Sequence[str], shape: Shape, pad: bool) -> str:
    return hashlib.sha256(repr((FORMAT, str(folder.resolve()), list(names), shape, pad)).encode()).hexdigest()[:32]


def _stamp(path: Path) -> Stamp | None:
    """What differs once a file was touched; a copy that keeps its time is another inode, or was changed later."""
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere is reported by the decoder, with its name
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _content(path: Path) -> bytes:
    """A digest of the bytes of a file; empty where it cannot be read."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with opened(path) as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError:
        return b""
    return found.digest()


def _compared(report: Report, beside: Path, folder: Path, names: Sequence[str], stamps: str) -> Report | None:
    """The report with the stamps of files that were touched; None where they hold something else now."""
    say(f"files in {folder} were touched since they were decoded: comparing what they hold", sys.stderr)
    if report.contents != _digest(_ahead(_content, [folder / name for name in names])):
        return None
    report = replace(report, stamps=stamps)
    with suppress(OSError):  # then they are compared again the next time
        report.write(beside)
    return report


def _holds(array: Path, report: Report, shape: Shape) -> bool:
    """Whether a file holds the pixels that were written to it."""
    if shape[0] == 0:
        return True
    try:
        pixels = np.load(array, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    if pixels.dtype != np.uint8 or pixels.shape != shape or not pixels.flags.c_contiguous:
        return False
    if _stamp(array) == report.written:
        return True
    flat, checksum = pixels.reshape(-1), 0
    for start in range(0, len(flat), BLOCK):
        checksum = zlib.crc32(flat[start : start + BLOCK].data, checksum)
    return checksum == report.checksum


def _ahead(read: Callable[[Path], Result], paths: Iterable[Path]) -> Iterator[Result]:
    """Read files in threads (Pillow decodes and resizes without the GIL), in their order, a few ahead."""
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor() as pool:
        for path in paths:
            ahead.append(pool.submit(read, path))
            if len(ahead) == READ_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _read(path: Path, shape: Shape, pad: bool) -> Source:
    digest = _content(path)  # first: of a file that changes meanwhile, the next run sees that it is another
    try:
        return Source(digest, read_image(path, shape, pad))
    except Exception as error:  # decoders of broken files raise anything from OSError to SyntaxError
        return Source(digest, error)


def _write(
    file: BinaryIO,
    folder: Path,
    names: Sequence[str],
    sources: Iterable[Source],
    shape: Shape,
    on_error: OnError,
) -> Report:
    """Append picture after picture: `write` can report a full disk, where a memory map would end the process.

    Returns:
        The report, without stamps.
    """
    skipped: Skipped = {}
    contents, checksum = hashlib.blake2b(digest_size=16), 0
    _write_header(file, (len(names), *shape))
    for name, source in zip(names, sources, strict=True):
        contents.update(source.digest)
        if isinstance(source.image, np.ndarray):
            file.write(source.image.data)
            checksum = zlib.crc32(source.image.data, checksum)
            continue
        skipped[name] = reason(source.image)
        if on_error == "raise":
            raise _broken(folder, name, skipped[name])
    file.seek(0)
    _write_header(file, (len(names) - len(skipped), *shape))
    return Report(str(folder), skipped, "", contents.hexdigest(), checksum, None)


def _write_header(file: BinaryIO, shape: Shape) -> None:
    # numpy leaves room for any number of rows, so the header can be written again once they are counted.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _broken(folder: Path, name: str, reason: str) -> InputError:
    return InputError(
        f"the picture {folder / name} cannot be decoded ({reason}): mend or remove it, or leave out all such pictures "
        "with --data.on_error skip"
    )


@contextmanager
def _writable(cache: Path, bytes_needed: int) -> Iterator[None]:
    """Say in one sentence why the cache cannot be written."""
    full = f"the decoded pictures need {bytes_needed / 1e6:,.1f} MB in {cache}, which has no room for them"
    remedy = "set --data.cache_dir to a folder on a larger disk, or a smaller --data.size"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        if shutil.disk_usage(cache).free < bytes_needed:
            raise InputError(f"{full}: {remedy}")
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise InputError(f"{full}: {remedy}") from error
        raise InputError(
            f"the decoded pictures cannot be written to {cache} ({error.strerror}): set --data.cache_dir to a folder "
            "that you may write to"
        ) from error


def _remove_abandoned(cache: Path) -> None:
    """Remove what killed processes have left behind, of other pictures too: the room may be needed."""
    for name in {path.name[1:].rsplit(".", 2)[0] for path in cache.glob(f".*.npy.*{PARTIAL}")}:
        remove_abandoned(cache / name)


def _progress(results: Iterator[Source], total: int, title: str) -> Generator[Source, None, None]:
    """Show a bar on a terminal, and a few plain lines elsewhere."""
    if sys.stderr.isatty():
        yield from track(results, title, total, console=Console(stderr=True))
        return
    every = max(1000, total // 10)
    for done, result in enumerate(results, start=1):
        yield result
        if done % every == 0 or done == total:
            say(f"{title}: {done} of {total}", sys.stderr)
