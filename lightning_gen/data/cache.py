"""Pictures of any kind are decoded once, into one array of bytes that is mapped from the disk.

Decoding JPEGs anew in every epoch keeps a GPU waiting. Here each picture is read, turned upright, resized and written
once; later runs map the array and start at once, and an array larger than the memory is read page by page.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import sys
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from lightning_gen.errors import InputError
from lightning_gen.paths import expanded
from lightning_gen.records import Shape

OnError: TypeAlias = Literal["raise", "skip"]
Skipped: TypeAlias = dict[str, str]
Result: TypeAlias = np.ndarray | Exception

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a picture, and what Pillow calls pictures with so many."""

FORMAT = 1  # part of the key of a cache: to be raised when the same file would be decoded to other pixels
OVERSAMPLING = 3  # a picture may be shrunk by fast means to this many times its final size, by Lanczos from there
DECODED_AHEAD = 64
SECONDS_UNTIL_ABANDONED = 3600
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

    The cache is one ``.npy`` file and a ``.json`` of what was skipped, named after a hash of the folder, the files'
    names, sizes and times of change, the shape and `pad`. Several processes may call this at once.

    Args:
        folder: Where the pictures are; nothing is written there.
        names: Paths relative to `folder`.
        shape: ``(channels, height, width)`` that every picture is brought to, see `read_picture`.
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
    array, report = stem.with_suffix(".npy"), stem.with_suffix(".json")
    if not (array.exists() and report.exists()):
        with _writable(cache, bytes_needed=len(names) * math.prod(shape)):
            results = _read_all([folder / name for name in names], shape, pad)
            with closing(_progress(results, len(names), title)) as bar, published(array) as file:
                skipped = _write(file, folder, names, bar, shape, on_error)
                with published(report) as text:  # before the array, so that an array in place is complete
                    text.write(json.dumps({"folder": str(folder), "skipped": skipped}).encode())
    skipped = json.loads(report.read_text())["skipped"]
    if skipped and on_error == "raise":
        raise _broken(folder, *next(iter(skipped.items())))
    if len(skipped) == len(names):
        raise InputError(f"none of the {len(names)} pictures in {folder} can be decoded: look at them, or name another")
    kept = [index for index, name in enumerate(names) if name not in skipped]
    return DecodedImages(np.load(array, mmap_mode="r"), kept, skipped)


def default_cache_dir() -> Path:
    """Folder of decoded pictures, below the user's cache (``$XDG_CACHE_HOME`` or ``~/.cache``); safe to delete."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "lightning_gen"


def read_picture(path: Path, shape: Shape, pad: bool = False) -> np.ndarray:
    """Read one picture as uint8 ``(channels, height, width)``.

    Its EXIF orientation is applied; of an animation the first frame is taken. Transparency is laid over white unless
    four channels are asked for. 16-bit grey is divided by 257, so that 65535 becomes 255. Size is brought to the shape
    by an antialiased Lanczos filter.

    Args:
        path: A file of any format that Pillow reads.
        shape: ``(channels, height, width)``, with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
        pad: False fits the short side and crops the centre of the long one; True fits the long side and pads the short
            one with black (transparent black in RGBA).

    Raises:
        Exception: Whatever Pillow's decoders raise on a broken file.
    """
    channels, height, width = shape
    with Image.open(path) as image:
        image.draft(None, (OVERSAMPLING * max(height, width),) * 2)  # a JPEG can be decoded at a fraction of its size
        picture = _with_channels(ImageOps.exif_transpose(image), channels)
    fitted = _padded(picture, height, width) if pad else _cropped(picture, height, width)
    return np.ascontiguousarray(np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1))


def _with_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floats of an unknown range")
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.has_transparency_data and channels != 4:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(MODES[channels])


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale to 8 bits; Pillow's own conversion clips at 255. Some formats and versions hold 16 bits in 32."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are integers of more than 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _cropped(image: Image.Image, height: int, width: int) -> Image.Image:
    if image.width * height <= image.height * width:
        box_width, box_height = float(image.width), image.width * height / width
    else:
        box_width, box_height = image.height * width / height, float(image.height)
    # Whole pixels: half a pixel of shift would blur a picture that only needs cropping.
    left, top = round((image.width - box_width) / 2), round((image.height - box_height) / 2)
    box = (left, top, left + box_width, top + box_height)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=OVERSAMPLING)


def _padded(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    resized = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=OVERSAMPLING)
    canvas.paste(resized, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def _key(folder: Path, names: Sequence[str], shape: Shape, pad: bool) -> str:
    key = hashlib.sha256(repr((FORMAT, str(folder.resolve()), shape, pad)).encode())
    for name in names:
        key.update(repr((name, _stamp(folder / name))).encode())
    return key.hexdigest()[:32]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere is reported by the decoder, with its name
        return None
    return status.st_size, status.st_mtime_ns


def _read_all(paths: Iterable[Path], shape: Shape, pad: bool) -> Iterator[Result]:
    """Read pictures in threads (Pillow decodes and resizes without the GIL), in their order, a few ahead."""
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor() as pool:
        for path in paths:
            ahead.append(pool.submit(_try_to_read, path, shape, pad))
            if len(ahead) == DECODED_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _try_to_read(path: Path, shape: Shape, pad: bool) -> Result:
    try:
        return read_picture(path, shape, pad)
    except Exception as error:  # decoders of broken files raise anything from OSError to SyntaxError
        return error


def _write(
    file: BinaryIO,
    folder: Path,
    names: Sequence[str],
    results: Iterable[Result],
    shape: Shape,
    on_error: OnError,
) -> Skipped:
    """Append picture after picture: `write` can report a full disk, where a memory map would end the process."""
    skipped: Skipped = {}
    _write_header(file, (len(names), *shape))
    for name, result in zip(names, results, strict=True):
        if isinstance(result, np.ndarray):
            file.write(result.data)
            continue
        skipped[name] = _reason(result)
        if on_error == "raise":
            raise _broken(folder, name, skipped[name])
    file.seek(0)
    _write_header(file, (len(names) - len(skipped), *shape))
    return skipped


def _write_header(file: BinaryIO, shape: Shape) -> None:
    # numpy leaves room for any number of rows, so the header can be written again once they are counted.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its content is not a picture"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _broken(folder: Path, name: str, reason: str) -> InputError:
    return InputError(
        f"the picture {folder / name} cannot be decoded ({reason}): mend or remove it, or leave out all such pictures "
        "with --data.on_error skip"
    )


@contextmanager
def published(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name whole or not at all, whoever else writes it at the same time."""
    partial_path = path.with_name(f"lightning_gen-{uuid.uuid4().hex}.partial")
    try:
        with partial_path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial_path, path)
    finally:
        partial_path.unlink(missing_ok=True)


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
    """Remove what a killed process has left behind; a living one writes all the time."""
    for path in cache.glob("lightning_gen-*.partial"):
        with suppress(OSError):  # another process has removed it, or it is another user's
            if time.time() - path.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
                path.unlink()


def _progress(results: Iterator[Result], total: int, title: str) -> Generator[Result, None, None]:
    """Show a bar on a terminal, and a few plain lines elsewhere."""
    if sys.stderr.isatty():
        yield from track(results, title, total, console=Console(stderr=True))
        return
    every = max(1000, total // 10)
    for done, result in enumerate(results, start=1):
        yield result
        if done % every == 0 or done == total:
            print(f"{title}: {done} of {total}", file=sys.stderr)
