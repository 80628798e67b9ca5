"""The cache of decoded images: files are decoded once into one array of bytes, which is mapped from the disk.

A GPU would wait for JPEGs that are decoded in every epoch. Here each image is read, turned upright, resized and written
once. Later runs map the array and start at once; an array larger than the memory is read page by page.

The cache always agrees with the files. Each start compares their sizes, times and inodes; a file that was replaced
differs in one of them, even if its time of modification is the same. If some differ, the contents are compared, and
only if these differ too are the images decoded again. The array has a checksum, which is compared if its file was
changed since it was written.
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

FORMAT = 2  # part of the key of a cache: raise it when the same file is decoded to other pixels
READ_AHEAD = 64  # files
BLOCK = 2**18  # bytes that are read at a time
REMEDY = "repair or remove it, or leave out all such images with --data.on_error skip"
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class DecodedImages:
    """Images that were decoded into one array.

    Attributes:
        pixels: uint8 ``(n, channels, height, width)``, mapped from the disk and read-only.
        indices: For each of the n images, its index in the list of names.
        skipped: Names that could not be decoded, each with the reason.
    """

    pixels: np.ndarray
    indices: list[int]
    skipped: Skipped


@dataclass(frozen=True)
class Report:
    """The description of an array; it is written after the array.

    Attributes:
        folder: The folder of the images.
        skipped: Names that could not be decoded, each with the reason.
        stamps: A digest of the stamps of the files before they were read.
        contents: A digest of the bytes of all files.
        checksum: CRC-32 of the pixels.
        written: The stamp of the file of the array.
    """

    folder: str
    skipped: Skipped
    stamps: str
    contents: str
    checksum: int
    written: Stamp | None

    @classmethod
    def read(cls, path: Path, names: Sequence[str]) -> "Report | None":
        """Read the report on images of these names; None if there is none or it is damaged."""
        try:
            report = cls(**json.loads(path.read_bytes()))
            return replace(report, written=tuple(report.written or ())) if set(report.skipped) <= set(names) else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write it atomically."""
        with replacing(path) as file:
            file.write(json.dumps(asdict(self)).encode())


@dataclass(frozen=True)
class Source:
    """The result of reading one file.

    Attributes:
        digest: A digest of its bytes; empty if it cannot be read.
        image: uint8 ``(channels, height, width)``, or the error.
    """

    digest: bytes
    image: np.ndarray | Exception


def decode(
    folder: Path,
    names: Sequence[str],
    shape: Shape,
    *,
    pad: bool = False,
    on_error: OnError = "raise",
    cache_dir: str | None = None,
    title: str = "decoding images",
    remedy: str = REMEDY,
) -> DecodedImages:
    """Decode images once; a later call with unchanged files only maps the array.

    The cache is one ``.npy`` file and a ``.json`` with a `Report`, named after a hash of the folder, the files' names,
    the shape and `pad`; if images have changed, it is replaced. If either file is damaged, this is reported and both
    are made again. Several processes may call this at once.

    Args:
        folder: The folder of the images; nothing is written there.
        names: Paths relative to `folder`.
        shape: ``(channels, height, width)`` of every decoded image, see `read_image`.
        pad: Pad to the shape instead of cropping to it.
        on_error: "raise" raises InputError at an image that cannot be decoded, "skip" leaves it out.
        cache_dir: Folder of the cache, which is made if it is missing; None: `default_cache_dir`.
        title: Title of the progress bar.
        remedy: What to do about an image that cannot be decoded, as the end of a sentence.

    Raises:
        InputError: An image cannot be decoded and `on_error` is "raise", none can be decoded, or the cache cannot be
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
        say(f"the decoded images of {folder} in {cache} are damaged and are made again", sys.stderr)
    if report is None:
        with _writable(cache, bytes_needed=len(names) * math.prod(shape)):
            sources = _ahead(partial(_read, shape=shape, pad=pad), [folder / name for name in names])
            with closing(_progress(sources, len(names), title)) as bar, replacing(array) as file:
                report = _write(file, folder, names, bar, shape, on_error, remedy)
            report = replace(report, stamps=stamps, written=_stamp(array))
            report.write(beside)  # after the array, so that a report never describes a missing array
    if report.skipped and on_error == "raise":
        raise _broken(folder, *next(iter(report.skipped.items())), remedy)
    if len(report.skipped) == len(names):
        raise InputError(
            f"none of the {len(names)} images in {folder} can be decoded: look at them, or name another folder"
        )
    indices = [index for index, name in enumerate(names) if name not in report.skipped]
    return DecodedImages(np.load(array, mmap_mode="r"), indices, report.skipped)


def default_cache_dir() -> Path:
    """Folder of decoded images, below the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``); safe to delete."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "lightning_gen"


def _key(folder: Path, names: Sequence[str], shape: Shape, pad: bool) -> str:
    return hashlib.sha256(repr((FORMAT, str(folder.resolve()), list(names), shape, pad)).encode()).hexdigest()[:32]


def _stamp(path: Path) -> Stamp | None:
    """Size, times and inode of a file; a copy that keeps the time of modification has another inode or change time."""
    try:
        status = path.stat()
    except OSError:  # the decoder reports a broken link, with its name
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _content(path: Path) -> bytes:
    """A digest of the bytes of a file; empty if it cannot be read."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with opened(path) as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError:
        return b""
    return found.digest()


def _compared(report: Report, beside: Path, folder: Path, names: Sequence[str], stamps: str) -> Report | None:
    """The report with the new stamps, if the contents of the files are unchanged; otherwise None."""
    say(f"files in {folder} were changed since they were decoded: comparing their contents", sys.stderr)
    if report.contents != _digest(_ahead(_content, [folder / name for name in names])):
        return None
    report = replace(report, stamps=stamps)
    with suppress(OSError):  # the next run compares them again
        report.write(beside)
    return report


def _holds(array: Path, report: Report, shape: Shape) -> bool:
    """Whether the file of an array is intact."""
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
    """Read files in threads, in their order and a few ahead; Pillow decodes and resizes without the GIL."""
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor() as pool:
        for path in paths:
            ahead.append(pool.submit(read, path))
            if len(ahead) == READ_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _read(path: Path, shape: Shape, pad: bool) -> Source:
    digest = _content(path)  # first: if the file changes meanwhile, the next run sees that
    try:
        return Source(digest, read_image(path, shape, pad))
    except Exception as error:  # decoders raise any error on broken files, from OSError to SyntaxError
        return Source(digest, error)


def _write(
    file: BinaryIO,
    folder: Path,
    names: Sequence[str],
    sources: Iterable[Source],
    shape: Shape,
    on_error: OnError,
    remedy: str,
) -> Report:
    """Append image after image: `write` can report a full disk, on which a memory map would kill the process.

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
            raise _broken(folder, name, skipped[name], remedy)
    file.seek(0)
    _write_header(file, (len(names) - len(skipped), *shape))
    return Report(str(folder), skipped, "", contents.hexdigest(), checksum, None)


def _write_header(file: BinaryIO, shape: Shape) -> None:
    # The header of numpy has room for any number of rows, so it can be rewritten when the number is known.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _broken(folder: Path, name: str, reason: str, remedy: str) -> InputError:
    return InputError(f"the image {folder / name} cannot be decoded ({reason}): {remedy}")


@contextmanager
def _writable(cache: Path, bytes_needed: int) -> Iterator[None]:
    """Raise InputError if the cache cannot be written."""
    full = f"the decoded images need {bytes_needed / 1e6:,.1f} MB in {cache}, which has no room for them"
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
            f"the decoded images cannot be written to {cache} ({error.strerror}): set --data.cache_dir to a folder "
            "that you may write to"
        ) from error


def _remove_abandoned(cache: Path) -> None:
    """Remove partial files of killed processes, of all images: the space may be needed."""
    for name in {path.name[1:].rsplit(".", 2)[0] for path in cache.glob(f".*.npy.*{PARTIAL}")}:
        remove_abandoned(cache / name)


def _progress(results: Iterator[Source], total: int, title: str) -> Generator[Source, None, None]:
    """Show a progress bar on a terminal, and a few lines otherwise."""
    if sys.stderr.isatty():
        yield from track(results, title, total, console=Console(stderr=True))
        return
    every = max(1000, total // 10)
    for done, result in enumerate(results, start=1):
        yield result
        if done % every == 0 or done == total:
            say(f"{title}: {done} of {total}", sys.stderr)
