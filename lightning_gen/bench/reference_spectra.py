"""The distance of mel spectra in the reference loop of an autoencoder."""

import numpy as np
import torch
from torch import Tensor

from lightning_gen.objectives import MelDistance
from lightning_gen.schedules import at


class ReferenceMelDistance:
    """The distance of sounds in mel spectra; its Hann windows and filters are kept.

    Args:
        term: The term whose settings are copied.
        like: A tensor of the type and on the device of the sounds.
    """

    def __init__(self, term: MelDistance, like: Tensor) -> None:
        self.weight = at(term.weight, 0)
        self.floor = term.floor
        self.views = [
            (torch.hann_window(window).to(like), torch.from_numpy(triangles(term.rate, window, bands)).to(like))
            for window, bands in zip(term.windows, term.bands, strict=True)
        ]

    def __call__(self, output: Tensor, x: Tensor) -> Tensor:
        """The distance of sounds ``(n, channels, length)``, a mean over samples, times the numbers of a sample."""
        apart = [(self.log(output, *view) - self.log(x, *view)).abs().mean() for view in self.views]
        return self.weight * sum(apart) / len(apart) * x[0].numel()  # type: ignore[return-value]

    def log(self, x: Tensor, hann: Tensor, filters: Tensor) -> Tensor:
        """The decimal logarithms of the magnitudes of bands."""
        size = len(hann)
        spectrum = torch.stft(
            x.flatten(0, 1), size, size // 4, window=hann, pad_mode="constant", return_complex=True
        ).abs()
        return (filters @ spectrum).clamp(min=self.floor).log10()


def triangles(rate: int, window: int, bands: int) -> np.ndarray:
    """Slaney's filters, ``(bands, window // 2 + 1)``: triangles of area 1 in Hz, equally wide in mel."""
    bend, slope, step = 15.0, 200 / 3, 27 / np.log(6.4)  # 15 mel are 1,000 Hz
    top = rate / 2
    highest = top / slope if top < bend * slope else bend + step * np.log(top / (bend * slope))
    mels = np.linspace(0, highest, bands + 2)
    edges = np.where(mels < bend, slope * mels, bend * slope * np.exp((np.maximum(mels, bend) - bend) / step))
    found = np.fft.rfftfreq(window, 1 / rate)
    return np.stack([np.interp(found, edges[i : i + 3], [0, 2 / (edges[i + 2] - edges[i]), 0]) for i in range(bands)])
