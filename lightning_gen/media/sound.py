"""Sounds: 16 bits in memory and in files, [-1, 1) in models, players and mel spectra as the preview."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid

from lightning_gen.errors import InputError
from lightning_gen.media.base import ErrorMeasure, Medium
from lightning_gen.media.heat import heat
from lightning_gen.media.images import to_uint8
from lightning_gen.media.sound_files import ENDINGS, FULL_SCALE, read_sound, read_wave, write_sound
from lightning_gen.outputs import WAVE, Kind
from lightning_gen.records import Shape
from lightning_gen.spectra import BANDS, FLOOR, WINDOWS, MelSpectrum, fitting, log_mel_distances, si_sdr_each

PLAYERS = 8
"""Samples of a preview that can be played."""
BANDS_SHOWN, FRAMES_SHOWN = 64, 96
"""Height and width of a cell in pixels."""
WINDOW_SECONDS = 0.032
"""About the length of a window of the preview."""
SHOWN = (-3.0, 0.5)
"""The log10 of the magnitudes that are drawn black and white, which are 70 dB apart."""


@dataclass(frozen=True)
class Sound(Medium):
    """Sounds ``(channels, length)``, stored as int16; model values are floats in [-1, 1), stored ones / 32,768.

    Attributes:
        rate: Samples a second.
        channels: Number of channels of people's own files as they are read: 1 for the mean of all.

    Raises:
        InputError: The rate or the number of channels is below 1.
    """

    rate: int
    channels: int = 1

    noun: ClassVar[str] = "sounds"
    values: ClassVar[str] = "amplitudes"
    place: ClassVar[str] = "amplitude"
    unit: ClassVar[str] = "amplitudes in [-1, 1]"
    error_unit: ClassVar[str] = "of amplitudes in [-1, 1]"
    compared_as: ClassVar[str] = "amplitudes in [-1, 1], reconstructions clipped"
    dimensions: ClassVar[int] = 1
    bounded: ClassVar[bool] = True
    step: ClassVar[float | None] = 1 / FULL_SCALE
    single: ClassVar[Kind | None] = WAVE
    files: ClassVar[tuple[str, ...]] = ENDINGS

    def __post_init__(self) -> None:
        if min(self.rate, self.channels) < 1:
            raise InputError(
                f"sounds have a rate and a number of channels of at least 1, not {self.rate} and {self.channels}"
            )

    def to_model(self, stored: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Divide int16 by 32,768; floats are only cast.

        Raises:
            InputError: The values are of another type.
        """
        if stored.dtype == torch.int16:
            return stored.to(torch.float32).div_(FULL_SCALE).to(dtype)
        if stored.is_floating_point():
            return stored.to(dtype)
        raise InputError(
            f"sounds of type {str(stored.dtype).removeprefix('torch.')} are not understood: give int16, or floats in "
            "[-1, 1]"
        )

    def to_stored(self, x: Tensor) -> Tensor:
        """Round to int16; values beyond its range are clipped and never wrap."""
        return (x.detach().float() * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1).to(torch.int16).cpu()

    def comparable(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Both as they are, reconstructions clipped."""
        return x, output.clamp(-1, 1)

    @property
    def has_psnr(self) -> bool:
        """False: a peak says little about sound, whose loudness is free."""
        return False

    @property
    def errors(self) -> tuple[ErrorMeasure, ...]:
        """Scale-invariant signal-to-distortion ratio and distance of log-mel spectra."""
        return (
            ErrorMeasure(
                "si_sdr_db",
                "scale-invariant signal-to-distortion ratio in dB, mean over sounds",
                "higher is better",
                {"of": "sounds minus their means, silent ones left out", "range_db": [-100, 100]},
                si_sdr_each,
            ),
            log_mel_measure(self.rate),
        )

    # previews --------------------------------------------------------------------------------------------------------

    def preview(self, samples: Tensor, columns: int | None = None) -> Tensor:
        """Plot the log-mel spectrum of each sound in a cell: time to the right, frequency up, 70 dB black to white.

        All cells have the same scale, so that a sound and its reconstruction can be compared.
        """
        x = samples.detach().float().cpu().mean(1, keepdim=True)
        least, most = SHOWN
        logs = self._shown.log(x)[:, 0].flip(1)  # low frequencies at the bottom
        cells = interpolate(logs[:, None], (BANDS_SHOWN, FRAMES_SHOWN), mode="bilinear", antialias=True)[:, 0]
        pixels = to_uint8(heat(cells.sub(least).clamp(min=0), most - least))
        return make_grid(pixels, nrow=columns or math.ceil(math.sqrt(len(pixels))), padding=2, pad_value=32)

    def preview_values(self, shape: Shape) -> int:
        """The numbers of a cell."""
        return 3 * BANDS_SHOWN * FRAMES_SHOWN

    @property
    def _shown(self) -> MelSpectrum:
        window = 2 ** max(4, round(math.log2(self.rate * WINDOW_SECONDS)))
        return fitting(self.rate, (window,), (BANDS_SHOWN,))[0]

    def log(self, board: Any, tag: str, samples: Tensor, picture: Tensor, step: int) -> None:
        """Write the mel spectra of all samples, and a player for each of the first 8, in one channel."""
        super().log(board, tag, samples, picture, step)
        for index, sound in enumerate(samples[:PLAYERS].detach().float().cpu().mean(1).clamp(-1, 1)):
            board.add_audio(f"{tag}/{index}", sound, step, sample_rate=self.rate)

    # files -----------------------------------------------------------------------------------------------------------

    def write_single(self, sample: Tensor, target: Path) -> None:
        """Write one sound ``(1, channels, length)`` as .wav of 16 bits."""
        write_sound(self.to_stored(sample)[0].numpy(), self.rate, target, lasting=False)

    def read_single(self, source: Path) -> Tensor:
        """Read a .wav file of 16 bits, int16 ``(1, channels, length)``.

        Raises:
            InputError: The file is missing, or is of another kind or rate.
        """
        values, rate = read_wave(source)
        if rate != self.rate:
            raise InputError(f"{source} has {rate:,} samples a second and not {self.rate:,}: resample it")
        return torch.from_numpy(values)[None]

    def read_file(self, path: Path) -> Tensor:
        """Read a person's own file of any length, rate and channels; see `read_sound`.

        Raises:
            InputError: It is missing, broken, empty or unfit, or a package is missing.
        """
        return torch.from_numpy(read_sound(path, self.rate, self.channels))

    def write_file(self, x: Tensor, path: Path) -> None:
        """Write a sound ``(channels, length)`` of any length, in the format of the ending.

        Raises:
            InputError: It cannot be written.
        """
        write_sound(self.to_stored(x).numpy(), self.rate, path)


def log_mel_measure(
    rate: int, windows: Sequence[int] = WINDOWS, bands: Sequence[int] = BANDS, floor: float = FLOOR
) -> ErrorMeasure:
    """The distance of log-mel spectra as a measure, with its protocol.

    Args:
        rate: Samples a second.
        windows: Samples in each window.
        bands: At most so many bands for each window; so many fewer that each band has a frequency.
        floor: The least magnitude of which the logarithm is taken.
    """
    spectra = fitting(rate, windows, bands)
    protocol = {
        "rate": rate,
        "windows": list(windows),
        "hop": "a quarter of the window",
        "bands": [each.bands for each in spectra],
        "scale": "Slaney's mel, triangles of area 1",
        "of": f"log10 of magnitudes, at least {floor:g}; mean absolute difference, mean over windows",
    }
    return ErrorMeasure(
        "log_mel_distance",
        "mean absolute difference of log10 mel magnitudes, mean over sounds",
        "lower is better",
        protocol,
        lambda x, output: log_mel_distances(x, output, spectra, floor),
    )
