"""Sounds in files: WAV, FLAC, OGG and MP3, of any length, rate and number of channels."""

import io
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_gen.errors import InputError
from lightning_gen.files import opened
from lightning_gen.memory import require_room
from lightning_gen.outputs import writing

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".mp3": "MP3"}
"""The formats of sound by the endings of files."""
ENDINGS = tuple(FORMATS)
FULL_SCALE = 32768
"""The stored value of 1."""
LEAST_RATE, MOST_RATE = 1000, 768_000
"""Rates of sound in Hz; a header that states another one is wrong."""
BLOCK = 2**20
"""Frames that are decoded at a time."""
EXACT = ("FLOAT", "DOUBLE")
"""Encodings that store any number, so that values beyond 1 are no rounding of a decoder."""


@dataclass(frozen=True)
class Header:
    """What the header of a file states.

    Attributes:
        rate: Samples a second, in each channel.
        channels: Number of channels.
        frames: Number of samples in each channel; the file may hold fewer.
    """

    rate: int
    channels: int
    frames: int

    def resampled(self, rate: int) -> int:
        """The number of frames at another rate, at least 1."""
        return max(1, -(-self.frames * rate // self.rate))


def header_of(path: Path) -> Header:
    """Read the header of a file alone.

    Raises:
        InputError: The file is missing or broken, states no frame or no rate of sound, or a package is missing.
    """
    with _decoding(path) as file:
        return _checked(file, path)


def read_sound(path: Path, rate: int, channels: int) -> np.ndarray:
    """Read a file: int16 ``(channels, length)``.

    One channel is the mean of all; for more, the file must have as many. Another rate is resampled by soxr. Values of
    16 bits stay exactly; those of more bits are rounded. What the decoder of a lossy format or the resampling makes
    greater than 1 is clipped and never wraps.

    Args:
        path: The file.
        rate: Samples a second.
        channels: Number of channels.

    Raises:
        InputError: The file is missing, broken or empty, does not fit into memory, has other channels, or holds
            numbers that are not finite or beyond 1; or a package is missing.
    """
    with _decoding(path) as file:
        header = _checked(file, path)
        require_room(
            4 * (header.frames * header.channels + header.resampled(rate) * channels),
            f"{path}, whose header states {header.frames:,} frames at {header.rate:,} Hz,",
            "cut the file, or repair its header",
        )
        blocks = list(_blocks(file))
        exact = file.subtype in EXACT
    x = np.concatenate(blocks, axis=1) if blocks else np.empty((header.channels, 0), np.float32)
    if not x.shape[1]:
        raise InputError(f"{path} holds no sound, though its header states {header.frames:,} frames: remove it")
    if not np.isfinite(x).all():
        raise InputError(f"{path} holds values that are not finite: replace its inf and nan, or remove it")
    largest = float(np.abs(x).max())
    if exact and largest > 1:
        raise InputError(
            f"{path} holds values up to {largest:.3g}, beyond 1, which would be clipped: divide it by {largest:.3g}"
        )
    if channels == 1:
        x = x.mean(0, keepdims=True)
    elif len(x) != channels:
        raise InputError(f"{path} has {len(x)} channels and not {channels}: convert it, or leave it out")
    if header.rate != rate:
        x = _package("soxr").resample(x.T, header.rate, rate).T
    return np.clip(np.rint(x * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def write_sound(x: np.ndarray, rate: int, path: Path, lasting: bool = True) -> None:
    """Write int16 ``(channels, length)`` to a file whose ending says the format; .wav needs no package.

    Raises:
        InputError: The ending is another one, the file cannot be written, or a package is missing.
    """
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise InputError(f"{path} has no ending of sound: give a name that ends in {' or '.join(ENDINGS)}")
    encoded = io.BytesIO()
    if kind == ".wav":
        with wave.open(encoded, "wb") as file:
            file.setparams((len(x), 2, rate, x.shape[1], "NONE", ""))
            file.writeframes(np.ascontiguousarray(x.T, dtype="<i2").tobytes())
    else:
        soundfile = _package("soundfile")
        try:
            soundfile.write(encoded, x.T, rate, format=FORMATS[kind])
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path} could not be written ({error}): write .wav, which takes any rate") from error
    with writing(path, lasting) as target:
        target.write(encoded.getbuffer())


def read_wave(path: Path) -> tuple[np.ndarray, int]:
    """Read a .wav file of 16 bits, as `write_sound` writes it: int16 ``(channels, length)`` and the rate; no package.

    Raises:
        InputError: The file is missing or is of another kind.
    """
    try:
        with opened(path) as binary, wave.open(binary) as file:
            if file.getsampwidth() != 2:
                raise wave.Error(f"{8 * file.getsampwidth()} bits a value")
            values = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            return np.ascontiguousarray(values.reshape(-1, file.getnchannels()).T), file.getframerate()
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise InputError(f"the sound {path} cannot be read ({error}): give a .wav file of 16 bits") from error


def require_packages() -> None:
    """Check that the packages which read people's own files are installed.

    Raises:
        InputError: One is missing.
    """
    for name in ("soundfile", "soxr"):
        _package(name)


@contextmanager
def _decoding(path: Path) -> Iterator[Any]:
    """Open a file to decode it; what the decoder does not understand becomes one sentence."""
    soundfile = _package("soundfile")
    try:
        with opened(path) as binary, soundfile.SoundFile(binary) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): give the path of a sound") from error
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be decoded ({str(error).strip()}): give WAV, FLAC, OGG or MP3, or remove it"
        ) from error


def _checked(file: Any, path: Path) -> Header:
    header = Header(file.samplerate, file.channels, file.frames)
    if not header.frames:
        raise InputError(f"{path} holds no sound: remove it")
    if not LEAST_RATE <= header.rate <= MOST_RATE:
        raise InputError(
            f"the header of {path} states {header.rate:,} samples a second, a rate that no sound has: repair the "
            "header, or remove the file"
        )
    return header


def _blocks(file: Any) -> Iterator[np.ndarray]:
    """The decoded frames of a file, ``(channels, frames)``; what is there, whatever the header states."""
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block.T


def _package(name: str) -> Any:
    try:
        return __import__(name)
    except (ImportError, OSError) as error:  # OSError: libsndfile cannot be loaded
        raise InputError(
            f"sounds are read and written by the package {name}, which is missing: install it by pip install "
            "'lightning_gen[sound]'"
        ) from error
