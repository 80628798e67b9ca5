"""Mel spectra of sound: their filters, their logarithms, and the distance of two sounds in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lightning_gen.errors import InputError

LINEAR_HZ = 200 / 3
"""Width of a mel below `BEND_HZ`, in Hz."""
BEND_HZ = 1000.0
"""The frequency from which on mels are logarithmic."""
LOG_STEP = math.log(6.4) / 27
"""Logarithm of the ratio of two frequencies that are a mel apart, above `BEND_HZ`."""
LONGEST_WINDOW = 2**20
WINDOWS, BANDS = (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)
"""The windows and the numbers of bands in which sounds are compared, as in the code of DAC."""
FLOOR = 1e-5
"""The least magnitude of a band whose logarithm is taken, as in the code of DAC."""


@dataclass(frozen=True)
class MelSpectrum:
    """A short-time Fourier transform in bands that are equally wide in mel, those of Slaney's Auditory Toolbox.

    Magnitudes, not powers, of Hann windows that are a quarter apart; the signal is continued by zeros on both sides.
    The bands are triangles from 0 Hz to half the rate, of area 1 in Hz: the filters that librosa makes by default.

    Attributes:
        rate: Samples a second.
        window: Samples in a window.
        bands: Number of bands.

    Raises:
        InputError: A number is below 1, or a band is so narrow that no frequency of the window lies in it. Such a band
            is 0 for every sound, and two sounds would always agree there.
    """

    rate: int
    window: int
    bands: int

    def __post_init__(self) -> None:
        for name in ("rate", "window", "bands"):
            if getattr(self, name) < 1:
                raise InputError(f"a mel spectrum needs a {name} of at least 1, not {getattr(self, name)}")
        if self.window < 4 or not full(self.rate, self.window, self.bands):
            least = 4
            while least < LONGEST_WINDOW and not full(self.rate, least, self.bands):
                least *= 2
            raise InputError(
                f"a window of {self.window} samples at {self.rate:,} Hz leaves some of {self.bands} mel bands without "
                f"a frequency: take a window of {least} samples or more, or fewer bands"
            )

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return self.window // 4

    def of(self, x: Tensor) -> Tensor:
        """The magnitudes ``(n, channels, bands, frames)`` of sounds ``(n, channels, length)``, at least float32."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        with torch.autocast(x.device.type, enabled=False):
            hann = torch.hann_window(self.window, dtype=x.dtype, device=x.device)
            found = torch.stft(
                x.flatten(0, 1), self.window, self.hop, window=hann, pad_mode="constant", return_complex=True
            ).abs()
            bands = filters(self.rate, self.window, self.bands).to(found) @ found
        return bands.unflatten(0, x.shape[:2])

    def log(self, x: Tensor, floor: float = FLOOR) -> Tensor:
        """The decimal logarithms of `of`, those of magnitudes below `floor` being the logarithm of `floor`."""
        return self.of(x).clamp(min=floor).log10()


@lru_cache(maxsize=64)
def filters(rate: int, window: int, bands: int) -> Tensor:
    """The weights of the frequencies of a window in each band, ``(bands, window // 2 + 1)`` float64."""
    top = mel(torch.tensor(rate / 2, dtype=torch.float64))
    edges = hertz(torch.linspace(0, 1, bands + 2, dtype=torch.float64) * top)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    found = torch.arange(window // 2 + 1, dtype=torch.float64) * rate / window
    triangles = torch.minimum((found - lower) / (centre - lower), (upper - found) / (upper - centre)).clamp(min=0)
    return triangles * 2 / (upper - lower)


def full(rate: int, window: int, bands: int) -> bool:
    """Whether a frequency of the window lies in each band."""
    return bool((filters(rate, window, bands) > 0).any(1).all())


def mel(hz: Tensor) -> Tensor:
    """Frequencies in mel, linear below 1,000 Hz and logarithmic above."""
    return torch.where(
        hz < BEND_HZ, hz / LINEAR_HZ, BEND_HZ / LINEAR_HZ + (hz.clamp(min=BEND_HZ) / BEND_HZ).log() / LOG_STEP
    )


def hertz(mels: Tensor) -> Tensor:
    """Frequencies in Hz, the inverse of `mel`."""
    bend = BEND_HZ / LINEAR_HZ
    return torch.where(mels < bend, mels * LINEAR_HZ, BEND_HZ * ((mels - bend).clamp(min=0) * LOG_STEP).exp())


def spectra_of(rate: int, windows: Sequence[int] = WINDOWS, bands: Sequence[int] = BANDS) -> tuple[MelSpectrum, ...]:
    """Mel spectra of several windows.

    Args:
        rate: Samples a second.
        windows: Samples in each window.
        bands: Number of bands for each window.

    Raises:
        InputError: There is no window, their numbers differ, or a band has no frequency.
    """
    if not windows or len(windows) != len(bands):
        raise InputError(
            f"{len(windows)} windows and {len(bands)} numbers of bands were given: give one number of bands for each "
            "window, at least one"
        )
    return tuple(MelSpectrum(rate, window, count) for window, count in zip(windows, bands, strict=True))


def fitting(rate: int, windows: Sequence[int] = WINDOWS, bands: Sequence[int] = BANDS) -> tuple[MelSpectrum, ...]:
    """Mel spectra of several windows, each with at most a number of bands, so many that each band has a frequency."""
    found = []
    for window, most in zip(windows, bands, strict=True):
        count = next((count for count in range(most, 0, -1) if full(rate, window, count)), 1)
        found.append(MelSpectrum(rate, window, count))
    return tuple(found)


def log_mel_distances(x: Tensor, output: Tensor, spectra: Sequence[MelSpectrum], floor: float = FLOOR) -> Tensor:
    """The mean absolute difference of the log10 of magnitudes, of each pair of sounds, ``(n,)``.

    It is a mean over bands and windows in time, and then over the spectra.

    Args:
        x: Sounds ``(n, channels, length)``.
        output: Those that are compared with them, of the same shape.
        spectra: The spectra.
        floor: The least magnitude of which the logarithm is taken.

    Raises:
        InputError: The shapes differ.
    """
    check_same(x, output)
    found = [(each.log(x, floor) - each.log(output, floor)).abs().flatten(1).mean(1) for each in spectra]
    return torch.stack(found).mean(0)


MOST_DB = 100.0
"""The greatest ratio, that of equal sounds, and minus the least."""


def si_sdr_each(x: Tensor, output: Tensor) -> Tensor:
    r"""The scale-invariant signal-to-distortion ratio of each pair of sounds in dB, ``(n,)``; NaN where x is constant.

    :math:`10 \log_{10} (|\alpha x|^2 / |\alpha x - \hat x|^2)` with :math:`\alpha = \hat x^T x / |x|^2`, after the mean
    of each sound was subtracted; from -100 to 100 dB.

    Paper: SDR - half-baked or well done?, Le Roux et al. 2019, https://arxiv.org/abs/1811.02508, equation 3

    Args:
        x: Sounds ``(n, channels, length)``.
        output: Those that are compared with them, of the same shape.

    Raises:
        InputError: The shapes differ.
    """
    check_same(x, output)
    constant = x.flatten(1).amin(1) == x.flatten(1).amax(1)
    x, output = (each.flatten(1).double() for each in (x, output))
    x, output = x - x.mean(1, keepdim=True), output - output.mean(1, keepdim=True)
    scale = (output * x).sum(1, keepdim=True) / x.square().sum(1, keepdim=True)
    target = scale * x
    ratio = target.square().sum(1) / (target - output).square().sum(1)
    found = (10 * ratio.log10()).clamp(-MOST_DB, MOST_DB).nan_to_num(-MOST_DB)  # 0 / 0: the output is constant
    return found.masked_fill(constant, math.nan).float()


def check_same(x: Tensor, output: Tensor) -> None:
    """Check that sounds can be compared.

    Raises:
        InputError: Their shapes differ.
    """
    if x.shape != output.shape:
        raise InputError(
            f"sounds of shapes {tuple(x.shape)} and {tuple(output.shape)} cannot be compared: cut neither, but give "
            "sounds of one length"
        )
