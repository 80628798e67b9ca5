"""The cache of decoded sounds: files are decoded and cut into windows once, into one array that is mapped from disk.

The cache agrees with the files: each start compares their sizes, times and inodes. A file that differs in one of them
is decoded again, and the windows of the others are copied. So are they if files were added or removed, as a folder has
one array for each way of cutting.
"""

import hashlib
import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from lightning_gen.data.cache import REMEDY, OnError, default_cache_dir, progress, read_ahead, stamp, unreadable
from lightning_gen.errors import InputError
from lightning_gen.files import replacing
from lightning_gen.media.sound_files import FULL_SCALE, Header, header_of, read_sound
from lightning_gen.media.windows import Windows
from lightning_gen.paths import expanded
from lightning_gen.terminal import say

FORMAT = 1
"""Part of the key of a cache: raise it when the same file is decoded to other windows."""


@dataclass(frozen=True)
class Cutting:
    """How sounds are cut into windows.

    Attributes:
        rate: Samples a second.
        length: Samples in a window.
        channels: Channels of a window; 1 for the mean of all.
        overlap: Share of a window that the next one covers too, at least; from 0 to below 1.
        silence_db: Windows whose level is below it, in dB of a full-scale square, are left out; None to keep all.
    """

    rate: int
    length: int
    channels: int
    overlap: float
    silence_db: float | None

    def windows(self, frames: int) -> Windows:
        """The windows of a sound with a number of frames."""
        return Windows((frames,), (self.length,), self.overlap)


@dataclass(frozen=True)
class Decoded:
    """What became of one file.

    Attributes:
        rate: The rate of the file; 0 if it cannot be read.
        stated: Frames that its header states, at the rate of the windows, rounded up.
        frames: Frames that were decoded, at the rate of the windows.
        starts: The first frames of the windows that were kept, in order.
        silent: The number of windows that were left out.
        problem: Why it cannot be read; None for a sound.
    """

    rate: int = 0
    stated: int = 0
    frames: int = 0
    starts: tuple[int, ...] = ()
    silent: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class DecodedSounds:
    """Windows of sounds in one array.

    Attributes:
        windows: int16 ``(n, channels, length)``, mapped from the disk and read-only.
        files: What became of each file, by name, in the order of the windows.
    """

    windows: np.ndarray
    files: dict[str, Decoded]

    @cached_property
    def skipped(self) -> dict[str, str]:
        """Names of files that cannot be read, each with the reason."""
        return {name: file.problem for name, file in self.files.items() if file.problem is not None}

    @property
    def rates(self) -> Counter[int]:
        """How many files have each rate."""
        return Counter(file.rate for file in self.files.values() if file.problem is None)


@dataclass(frozen=True)
class Earlier:
    """Sounds that were decoded before.

    Attributes:
        sounds: Their windows, and what became of each file.
        stamps: The stamp of each file when it was read, by name.
    """

    sounds: DecodedSounds
    stamps: dict[str, list[int] | None]

    @classmethod
    def open(cls, array: Path, cutting: Cutting) -> "Earlier | None":
        """What is in the cache; None if there is nothing, or it is damaged."""
        try:
            report = json.loads(array.with_suffix(".json").read_bytes())
            if report["array"] != _stamp(array):
                return None
            files = {
                name: Decoded(**{**file, "starts": tuple(file["starts"])}) for name, file in report["files"].items()
            }
            windows = np.load(array, mmap_mode="r") if any(file.starts for file in files.values()) else _none(cutting)
            stamps = {name: report["stamps"][name] for name in files}
        except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
            return None
        expected = (sum(len(file.starts) for file in files.values()), cutting.channels, cutting.length)
        intact = windows.shape == expected and windows.dtype == np.int16
        return cls(DecodedSounds(windows, files), stamps) if intact else None

    @cached_property
    def rows(self) -> dict[str, slice]:
        """The rows of the windows of each file, by name."""
        counts = [len(file.starts) for file in self.sounds.files.values()]
        ends = accumulate(counts)
        return {name: slice(end - count, end) for name, count, end in zip(self.sounds.files, counts, ends, strict=True)}

    def find(self, name: str, stamp: list[int] | None) -> tuple[Decoded, np.ndarray] | None:
        """What became of a file that has this stamp, with its windows; None if it differs or could not be read."""
        file = self.sounds.files.get(name)
        if file is None or file.problem is not None or stamp is None or self.stamps[name] != stamp:
            return None
        return file, self.sounds.windows[self.rows[name]]


def decode_sounds(
    folder: Path, names: Sequence[str], cutting: Cutting, on_error: OnError = "raise", cache_dir: str | None = None
) -> DecodedSounds:
    """Decode sounds and cut them once; a later call decodes those that changed, and maps the array if none did.

    Args:
        folder: The folder of the sounds; nothing is written there.
        names: Paths relative to `folder`.
        cutting: How they are cut.
        on_error: "raise" raises InputError if files cannot be read, after all others were; "skip" leaves them out.
        cache_dir: Folder of the cache, which is made if it is missing; None: `default_cache_dir`.

    Raises:
        InputError: Files cannot be read and `on_error` is "raise", all are broken or silent, the cache cannot be
            written or has no room, or a package is missing.
    """
    cache = expanded(cache_dir) if cache_dir else default_cache_dir()
    key = repr((FORMAT, str(folder.resolve()), cutting)).encode()
    array = cache / f"sound{hashlib.blake2b(key, digest_size=12).hexdigest()}.npy"
    stamps = {name: _stamp(folder / name) for name in names}
    earlier = Earlier.open(array, cutting)
    if earlier is not None and list(earlier.stamps.items()) == list(stamps.items()):
        found = earlier.sounds
    else:
        found = _decode(folder, stamps, cutting, array, earlier)
    if found.skipped and on_error == "raise":
        raise unreadable(folder, found.skipped, len(names), "sounds", REMEDY)
    if not len(found.windows):
        silent = sum(file.silent for file in found.files.values())
        raise InputError(
            f"none of the {len(names):,} files in {folder} has a sound: "
            + (
                f"{silent:,} windows are below --data.silence_db {cutting.silence_db:g}: lower it"
                if silent
                else "look at them, or name another folder"
            )
        )
    return found


def _decode(
    folder: Path, stamps: dict[str, list[int] | None], cutting: Cutting, array: Path, earlier: Earlier | None
) -> DecodedSounds:
    """Write the array and what became of the files beside it.

    Args:
        folder: The folder of the sounds.
        stamps: The names of the files in their order, with their stamps.
        cutting: How they are cut.
        array: The file of the array.
        earlier: Sounds that need not be decoded again; or None.
    """
    names = list(stamps)
    kept = {name: found for name in names if earlier is not None and (found := earlier.find(name, stamps[name]))}
    if kept:
        say(f"decoding sounds: {len(kept):,} of {len(names):,} were decoded before", sys.stderr)
    others = [name for name in names if name not in kept]

    def header(name: str) -> Header | str:
        try:
            return header_of(folder / name)
        except InputError as error:
            return str(error)

    def read(name: str) -> tuple[Decoded, np.ndarray | None]:
        return kept.get(name) or _read(folder / name, headers[name], cutting)

    with closing(read_ahead(header, others)) as reading:
        headers = dict(zip(others, progress(reading, len(others), "reading headers", calm=True), strict=True))
    planned = sum(len(file.starts) for file, _ in kept.values()) + sum(
        len(cutting.windows(each.resampled(cutting.rate))) for each in headers.values() if isinstance(each, Header)
    )
    needed = 2 * planned * cutting.channels * cutting.length
    try:
        array.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(array.parent).free
        if needed > free:
            raise InputError(
                f"by their headers the sounds in {folder} are {planned:,} windows of {needed / 1e6:,.1f} MB together, "
                f"and {array.parent} has {free / 1e6:,.1f} MB: set --data.cache_dir to a folder on a larger disk, a "
                "lower --data.rate or a smaller --data.overlap"
            )
        files: dict[str, Decoded] = {}
        with closing(read_ahead(read, names)) as sounds, replacing(array) as file:
            _write_header(file, (planned, cutting.channels, cutting.length))
            rows = 0
            for name, (decoded, windows) in zip(names, progress(sounds, len(names), "decoding sounds"), strict=True):
                files[name] = decoded
                if windows is not None:
                    file.write(np.ascontiguousarray(windows).data)
                    rows += len(windows)
            file.seek(0)
            _write_header(file, (rows, cutting.channels, cutting.length))
        report = {
            "folder": str(folder),
            "stamps": stamps,
            "array": _stamp(array),
            "files": {name: asdict(decoded) for name, decoded in files.items()},
        }
        with replacing(array.with_suffix(".json")) as beside:
            beside.write(json.dumps(report).encode())
        return DecodedSounds(np.load(array, mmap_mode="r") if rows else _none(cutting), files)
    except OSError as error:
        raise InputError(
            f"the decoded sounds cannot be written to {array.parent} ({error.strerror or error}): set "
            "--data.cache_dir to a folder that you may write to and that has room"
        ) from error


def _read(path: Path, header: Header | str, cutting: Cutting) -> tuple[Decoded, np.ndarray | None]:
    """Read one file: what became of it, and its windows ``(n, channels, length)`` that are not silent."""
    if isinstance(header, str):
        return Decoded(problem=header), None
    try:
        x = read_sound(path, cutting.rate, cutting.channels)
    except InputError as error:
        return Decoded(problem=str(error)), None
    places = cutting.windows(x.shape[1])
    cut = places.cut(torch.from_numpy(x)).numpy()
    loud = levels_db(cut) >= (-math.inf if cutting.silence_db is None else cutting.silence_db)
    starts = tuple(start for (start,), kept in zip(places.starts, loud, strict=True) if kept)
    stated = header.resampled(cutting.rate)
    return Decoded(header.rate, stated, x.shape[1], starts, int((~loud).sum())), cut[loud]


def levels_db(windows: np.ndarray) -> np.ndarray:
    """The root mean square of each of the windows ``(n, ...)`` in dB of full scale, ``(n,)``."""
    power = np.square(windows.reshape(len(windows), -1) / FULL_SCALE).mean(1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def _stamp(path: Path) -> list[int] | None:
    """The stamp of a file as JSON reads it; None if it cannot be asked."""
    found = stamp(path)
    return None if found is None else list(found)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    # The header of numpy has room for any number of rows, so it can be rewritten when the number is known.
    np.lib.format.write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": shape})


def _none(cutting: Cutting) -> np.ndarray:
    return np.empty((0, cutting.channels, cutting.length), np.int16)
