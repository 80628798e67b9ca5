"""The cache of decoded images: files are decoded once into one array of bytes, which is mapped from the disk.

A GPU would wait for JPEGs that are decoded in every epoch. Here each image is read, turned upright, resized and written
once. Later runs map the array and start at once; an array larger than the memory is read page by page.

The cache always agrees with the files. Each start compares their sizes, times and inodes; a file that was replaced
differs in one of them, even if its time of modification is the same. If some differ, their contents are compared, and
only those files are decoded again whose contents differ too. Nor is a file decoded again because others were added,
removed or repaired, or because decoding was interrupted. The array has a checksum, which is compared if its file was
changed since it was written.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias, TypeVar

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
Place = TypeVar("Place")
Result = TypeVar("Result")

FORMAT = 2  # part of the key of a cache: raise it when the same file is decoded to other pixels
READ_AHEAD = 64  # files
BLOCK = 2**18  # bytes that are read at a time
SILENT_SECONDS = 2.0  # after which a line says how far reading is
LISTED = 20  # images that a message names
REMEDY = "repair or remove {them}, or leave {them} out with --data.on_error skip"
KEPT = "; all other images are decoded and kept"
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


class Entry(NamedTuple):
    """One file of images.

    Attributes:
        stamp: A digest of its size, times and inode before it was read.
        contents: A digest of its bytes; empty if it could not be read.
        problem: Why it could not be decoded; None for an image, which has a row in the array.
    """

    stamp: str
    contents: str
    problem: str | None


@dataclass(frozen=True)
class Report:
    """The description of an array; it is written after the array.

    Attributes:
        folder: The folder of the images.
        files: The files by name, those with an image in the order of the rows. Fewer than were asked for if decoding
            was interrupted.
        checksum: CRC-32 of the pixels.
        written: The stamp of the file of the array.
    """

    folder: str
    files: dict[str, Entry]
    checksum: int
    written: Stamp | None

    @classmethod
    def read(cls, path: Path) -> "Report | None":
        """Read a report; None if there is none or it is damaged."""
        try:
            report = cls(**json.loads(path.read_bytes()))
            files = {name: Entry(*entry) for name, entry in report.files.items()}
            return replace(report, files=files, written=tuple(report.written or ()))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write it atomically."""
        with replacing(path) as file:
            file.write(json.dumps(vars(self)).encode())

    @property
    def rows(self) -> dict[str, int]:
        """The rows of the images by name."""
        decoded = (name for name, entry in self.files.items() if entry.problem is None)
        return {name: row for row, name in enumerate(decoded)}

    @property
    def skipped(self) -> Skipped:
        """Names that could not be decoded, each with the reason."""
        return {name: entry.problem for name, entry in self.files.items() if entry.problem is not None}


@dataclass(frozen=True)
class Earlier:
    """Images that were decoded before.

    Attributes:
        report: The description of the array.
        pixels: The array, ``(n, channels, height, width)``.
        rows: The rows of the images by name.
    """

    report: Report
    pixels: np.ndarray
    rows: dict[str, int]

    @classmethod
    def open(cls, report: Report, array: Path) -> "Earlier":
        """Map an array."""
        rows = report.rows
        return cls(report, np.load(array, mmap_mode="r") if rows else np.empty(0), rows)

    def find(self, name: str, *, stamp: str = "", contents: str = "") -> "Source | None":
        """The image of a name, if it was decoded and its file has the stamp or the contents; otherwise None."""
        entry = self.report.files.get(name)
        if entry is None or entry.problem is not None:
            return None
        same = (stamp and entry.stamp == stamp) or (contents and entry.contents == contents)
        return Source(entry, self.pixels[self.rows[name]]) if same else None


class Way(NamedTuple):
    """How images are fitted to a shape; the arguments of `read_image`."""

    pad: bool = False
    half: int | None = None
    nearest: bool = False


class Source(NamedTuple):
    """The result of reading one file.

    Attributes:
        entry: The file.
        image: uint8 ``(channels, height, width)``; None if it cannot be decoded.
    """

    entry: Entry
    image: np.ndarray | None


def decode(
    folder: Path,
    names: Sequence[str],
    shape: Shape,
    *,
    pad: bool = False,
    half: int | None = None,
    nearest: bool = False,
    on_error: OnError = "raise",
    remedy: str = REMEDY,
    cache_dir: str | None = None,
    title: str = "decoding images",
) -> DecodedImages:
    """Decode images once; a later call with unchanged files only maps the array.

    The cache is one ``.npy`` file and a ``.json`` with a `Report`, named after a hash of the folder, the shape and
    `pad`, and one of the files' names; if images have changed, it is replaced. If either file is damaged, this is
    reported and both are made again. Several processes may call this at once.

    Args:
        folder: The folder of the images; nothing is written there.
        names: Paths relative to `folder`.
        shape: ``(channels, height, width)`` of every decoded image, see `read_image`.
        pad: Pad to the shape instead of cropping to it.
        half: 0 or 1 to decode the left or the right half of each image alone, see `read_image`.
        nearest: Pick pixels instead of averaging, see `read_image`.
        on_error: "raise" raises InputError if images cannot be decoded, after all others were; "skip" leaves them out.
        remedy: What to do about images that cannot be decoded, ``{them}``, for the message.
        cache_dir: Folder of the cache, which is made if it is missing; None: `default_cache_dir`.
        title: Title of the progress bar.

    Raises:
        InputError: Images cannot be decoded and `on_error` is "raise", none can be decoded, or the cache cannot be
            written.
    """
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    way = Way(pad, half, nearest)
    place, stem = _place(folder, shape, way), _digest(list(names))
    array, beside = (cache / f"{place}{stem}{suffix}" for suffix in (".npy", ".json"))
    stamps = {name: _digest(stamp(folder / name)) for name in names}
    report = Report.read(beside)
    whole = report is not None and _holds(array, report, shape)
    if beside.exists() and not whole:
        say(f"the decoded images of {folder} in {cache} are damaged and are made again", sys.stderr)
    current = _current(report, beside, folder, stamps) if report is not None and whole else None
    if current is not None and on_error == "raise" and _decodable(folder, current.skipped, shape, way):
        current = None  # what kept them from being decoded was not in the files
    if current is None:
        found = [(report, array)] if report is not None and whole else _others(cache, place, shape)
        earlier = next((Earlier.open(*each) for each in found), None)
        with _writable(cache, bytes_needed=len(names) * math.prod(shape)):
            current = _decode(folder, stamps, shape, way, array, earlier, title)
    skipped = current.skipped
    if skipped and on_error == "raise":
        raise broken(folder, skipped, len(names), remedy + KEPT)
    if len(skipped) == len(names):
        raise InputError(
            f"none of the {len(names)} images in {folder} can be decoded: look at them, or name another folder"
        )
    indices = [index for index, name in enumerate(names) if name not in skipped]
    return DecodedImages(np.load(array, mmap_mode="r"), indices, skipped)


def default_cache_dir() -> Path:
    """Folder of decoded images, below the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``); safe to delete."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "lightning_gen"


def _place(folder: Path, shape: Shape, way: Way) -> str:
    """The start of the names of all caches of a folder."""
    return _digest((FORMAT, str(folder.resolve()), shape, way.pad, *([] if way == Way(way.pad) else way[1:])))


def stamp(path: Path) -> Stamp | None:
    """Size, times and inode of a file; a copy that keeps the time of modification has another inode or change time."""
    try:
        status = path.stat()
    except OSError:  # the decoder reports a broken link, with its name
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


def _content(path: Path) -> str:
    """A digest of the bytes of a file; empty if it cannot be read."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with opened(path) as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError:
        return ""
    return found.hexdigest()


def _current(report: Report, beside: Path, folder: Path, stamps: dict[str, str]) -> Report | None:
    """The report with the present stamps, if it is of all files and their contents are unchanged; otherwise None."""
    if list(report.files) != list(stamps):
        return None
    changed = [name for name, entry in report.files.items() if entry.stamp != stamps[name]]
    if not changed:
        return report
    say(f"files in {folder} were changed since they were decoded: comparing their contents", sys.stderr)
    contents = read_ahead(_content, [folder / name for name in changed])
    if any(report.files[name].contents != content for name, content in zip(changed, contents, strict=True)):
        return None
    files = {name: entry._replace(stamp=stamps[name]) for name, entry in report.files.items()}
    report = replace(report, files=files)
    with suppress(OSError):  # the next run compares them again
        report.write(beside)
    return report


def _decodable(folder: Path, names: Iterable[str], shape: Shape, way: Way) -> bool:
    """Whether one of some images can be decoded."""
    return any(_read(folder / name, name, "", shape, way, None).image is not None for name in names)


def _others(cache: Path, place: str, shape: Shape) -> Iterator[tuple[Report, Path]]:
    """Intact arrays of the same folder with other files, the latest first."""
    for beside in sorted(cache.glob(f"{place}*.json"), key=lambda path: (stamp(path) or (0, 0))[1], reverse=True):
        report, array = Report.read(beside), beside.with_suffix(".npy")
        if report is not None and _holds(array, report, shape):
            yield report, array


def _holds(array: Path, report: Report, shape: Shape) -> bool:
    """Whether the file of an array of images of a shape is intact."""
    count = len(report.rows)
    if not count:
        return True
    try:
        pixels = np.load(array, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    if pixels.dtype != np.uint8 or pixels.shape != (count, *shape) or not pixels.flags.c_contiguous:
        return False
    if stamp(array) == report.written:
        return True
    flat, checksum = pixels.reshape(-1), 0
    for start in range(0, len(flat), BLOCK):
        checksum = zlib.crc32(flat[start : start + BLOCK].data, checksum)
    return checksum == report.checksum


def read_ahead(read: Callable[[Place], Result], paths: Iterable[Place]) -> Generator[Result, None, None]:
    """Read files in threads, in their order and a few ahead; Pillow decodes and resizes without the GIL.

    Closed early, it reads no further file.
    """
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor() as pool:
        try:
            for path in paths:
                ahead.append(pool.submit(read, path))
                if len(ahead) == READ_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for reading in ahead:
                reading.cancel()


def _decode(
    folder: Path, stamps: dict[str, str], shape: Shape, way: Way, array: Path, earlier: Earlier | None, title: str
) -> Report:
    """Write the array and its report; if this is interrupted, the images so far.

    Args:
        folder: The folder of the images.
        stamps: The names of the files in their order, with their stamps.
        shape: The shape of every decoded image.
        way: How images are fitted to the shape.
        array: The file of the array.
        earlier: Images that need not be decoded again; or None.
        title: Title of the progress bar.
    """
    known = sum(earlier.find(name, stamp=stamp) is not None for name, stamp in stamps.items()) if earlier else 0
    if known:
        say(f"{title}: {known} of {len(stamps)} were decoded before", sys.stderr)

    def read(name: str) -> Source:
        return _read(folder / name, name, stamps[name], shape, way, earlier)

    with (
        closing(read_ahead(read, stamps)) as sources,
        closing(progress(sources, len(stamps), title)) as bar,
        replacing(array) as file,
    ):
        report, stopped = _write(file, folder, stamps, bar, shape)
        if stopped is not None and len(report.files) <= len(earlier.report.files if earlier else ()):
            raise stopped
    report = replace(report, written=stamp(array))
    report.write(array.with_suffix(".json"))  # after the array, so that a report never describes a missing array
    if stopped is not None:
        raise stopped
    return report


def _read(path: Path, name: str, stamp: str, shape: Shape, way: Way, earlier: Earlier | None) -> Source:
    """Read one file, or find its image among those that were decoded earlier."""
    if earlier is not None and (found := earlier.find(name, stamp=stamp)):
        return found
    contents = _content(path)  # first: if the file changes meanwhile, the next run sees that
    if earlier is not None and (found := earlier.find(name, contents=contents)):
        return found._replace(entry=found.entry._replace(stamp=stamp))
    try:
        return Source(Entry(stamp, contents, None), read_image(path, shape, *way))
    except Exception as error:  # decoders raise any error on broken files, from OSError to SyntaxError
        return Source(Entry(stamp, contents, reason(error)), None)


def _write(
    file: BinaryIO, folder: Path, names: Collection[str], sources: Iterable[Source], shape: Shape
) -> tuple[Report, BaseException | None]:
    """Append image after image: `write` can report a full disk, on which a memory map would kill the process.

    Returns:
        The report, without the stamp of the array, and what interrupted it: Ctrl-C or another signal, or None.
    """
    files: dict[str, Entry] = {}
    checksum, rows, stopped = 0, 0, None
    _write_header(file, (len(names), *shape))
    start = file.tell()
    try:
        for name, (entry, image) in zip(names, sources, strict=True):
            if image is not None:
                file.write(image.data)
                checksum, rows = zlib.crc32(image.data, checksum), rows + 1
            files[name] = entry
    except (KeyboardInterrupt, SystemExit) as interruption:
        stopped = interruption
    file.truncate(start + rows * math.prod(shape))  # without a part of an image
    file.seek(0)
    _write_header(file, (rows, *shape))
    return Report(str(folder), files, checksum, None), stopped


def _write_header(file: BinaryIO, shape: Shape) -> None:
    # The header of numpy has room for any number of rows, so it can be rewritten when the number is known.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def broken(folder: Path, skipped: Skipped, count: int, remedy: str) -> InputError:
    """The error for images that cannot be decoded.

    Args:
        folder: The folder of the images.
        skipped: Their names, each with the reason.
        count: Number of all images.
        remedy: What to do about them, ``{them}``.
    """
    one = len(skipped) == 1
    remedy = remedy.format(them="it" if one else "them")
    if one:
        (name, problem), *_ = skipped.items()
        return InputError(f"the image {folder / name} cannot be decoded ({problem}): {remedy}")
    listed = ", ".join(f"{name} ({problem})" for name, problem in [*skipped.items()][:LISTED])
    more = f" and {len(skipped) - LISTED:,} more" if len(skipped) > LISTED else ""
    return InputError(f"{len(skipped):,} of {count:,} images in {folder} cannot be decoded, {listed}{more}: {remedy}")


def unreadable(folder: Path, reasons: Skipped, count: int, noun: str, remedy: str) -> InputError:
    """The error for files that cannot be read, of which each reason is a sentence that names the file.

    Args:
        folder: The folder of the files.
        reasons: Their names, each with the reason.
        count: Number of all files.
        noun: What they are, in the plural.
        remedy: What to do about them, ``{them}``.
    """
    listed = "; ".join([*reasons.values()][:LISTED])
    more = f"; and {len(reasons) - LISTED:,} more" if len(reasons) > LISTED else ""
    remedy = remedy.format(them="it" if len(reasons) == 1 else "them")
    return InputError(f"{len(reasons):,} of {count:,} {noun} in {folder} cannot be read: {listed}{more}: {remedy}")


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


def progress(results: Iterable[Result], total: int, title: str, calm: bool = False) -> Generator[Result, None, None]:
    """Show a progress bar on a terminal, and otherwise lines: after 2, 4, 8, ... seconds, and after every tenth.

    Args:
        results: What is waited for.
        total: Their number.
        title: Title of the bar.
        calm: Whether nothing but a long wait is worth a line.
    """
    if sys.stderr.isatty() and not calm:
        yield from track(results, title, total, console=Console(stderr=True))
        return
    every, start, wait = max(1000, total // 10), time.monotonic(), SILENT_SECONDS
    for done, result in enumerate(results, start=1):
        yield result
        waited = time.monotonic() - start
        if waited >= wait or not (calm or (done % every and done != total)):
            say(f"{title}: {done} of {total}", sys.stderr)
            wait = max(wait, 2 * waited)
