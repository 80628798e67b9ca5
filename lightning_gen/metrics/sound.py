"""How far reconstructed sounds are from their originals."""

from collections.abc import Iterable, Sequence

from torch import Tensor

from lightning_gen.media import Sound
from lightning_gen.media.sound import log_mel_measure
from lightning_gen.metrics.reconstruction import MeanError, mean_error
from lightning_gen.spectra import BANDS, FLOOR, WINDOWS


def si_sdr(pairs: Iterable[tuple[Tensor, Tensor]]) -> MeanError:
    """The scale-invariant signal-to-distortion ratio in dB; see `lightning_gen.spectra.si_sdr_each`.

    Sounds that are constant have none: they are left out and counted.

    Args:
        pairs: Batches of sounds and of their reconstructions, both ``(n, channels, length)``.

    Raises:
        InputError: There is no sound, or shapes differ.
    """
    return mean_error(Sound(1).errors[0], pairs, "sound")


def log_mel_distance(
    pairs: Iterable[tuple[Tensor, Tensor]],
    rate: int,
    windows: Sequence[int] = WINDOWS,
    bands: Sequence[int] = BANDS,
    floor: float = FLOOR,
) -> MeanError:
    """The mean absolute difference of log10 mel magnitudes; see `lightning_gen.spectra.log_mel_distances`.

    Published distances are of other windows, bands, floors and rates, and are other numbers.

    Args:
        pairs: Batches of sounds and of their reconstructions, both ``(n, channels, length)``.
        rate: Samples a second.
        windows: Samples in each window.
        bands: At most so many bands for each window; so many fewer that each band has a frequency.
        floor: The least magnitude of which the logarithm is taken.

    Raises:
        InputError: There is no sound, or shapes differ.
    """
    return mean_error(log_mel_measure(rate, windows, bands, floor), pairs, "sound")
