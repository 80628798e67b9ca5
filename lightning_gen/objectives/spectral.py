"""The distance of sounds in mel spectra, as a term."""

from collections.abc import Sequence

from torch import Tensor

from lightning_gen.ranges import ABOVE_0, require
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.spectra import BANDS, FLOOR, WINDOWS, log_mel_distances, spectra_of
from lightning_gen.terms import Term


class MelDistance(Term):
    """The distance of the expected samples from x in log-mel spectra of several windows, beside a likelihood.

    D · E[mean over windows of the mean over bands and frames of |log10 S(x) - log10 S(samples)|], with the magnitudes
    S of `MelSpectrum`, at least `floor`, and D the numbers of a sample. Likelihoods are sums over these numbers, so
    its balance with them does not depend on the length. It is not a likelihood: it hears no phase, and a model that
    has it alone gives sounds of other waveforms.

    Paper: High-Fidelity Audio Compression with Improved RVQGAN, https://arxiv.org/abs/2306.06546, section 3.5, whose
    windows and bands are the defaults. Unlike it, the windows are averaged and not summed, the distance is multiplied
    by D, and a window that leaves a band without a frequency is refused.

    Args:
        rate: Samples a second.
        windows: Samples in each window.
        bands: Number of bands for each window.
        floor: The least magnitude of which the logarithm is taken, above 0. Below it everything is silence; a higher
            floor weighs quiet parts less.
        weight: Factor of the term in the objective, or a schedule of it.

    Raises:
        InputError: There is no window, the numbers of windows and bands differ, a band has no frequency, or the floor
            is not above 0.
    """

    def __init__(
        self,
        rate: int,
        windows: Sequence[int] = WINDOWS,
        bands: Sequence[int] = BANDS,
        floor: float = FLOOR,
        weight: float | Schedule = 1.0,
    ) -> None:
        super().__init__(weight)
        require(self, "floor", floor, ABOVE_0)
        self.rate = rate
        self.windows = tuple(windows)
        self.bands = tuple(bands)
        self.floor = floor
        self._spectra = spectra_of(rate, windows, bands)

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the mean distance over the batch times the numbers of a sample; gradients reach the decoder."""
        return log_mel_distances(record.x, record.samples, self._spectra, self.floor).mean() * record.x[0].numel()
