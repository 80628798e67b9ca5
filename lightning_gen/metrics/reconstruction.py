"""The error of reconstructions: MSE, PSNR and SSIM, and what a medium has beside or instead of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric, MeanSquaredError
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import PeakSignalNoiseRatio

from lightning_gen.errors import InputError
from lightning_gen.media import ErrorMeasure, Medium, medium_of
from lightning_gen.metrics.report import Measured, Measurement
from lightning_gen.records import Shape

SSIM_WINDOW, SSIM_DEVIATION = 11, 1.5
"""Side of the Gaussian window of SSIM in pixels, and its standard deviation in pixels, as in the paper."""

SSIM_PROTOCOL = (
    f"pixels in [0, 1], Gaussian window of {SSIM_WINDOW} x {SSIM_WINDOW} pixels with deviation {SSIM_DEVIATION}, mean "
    "over all windows that lie in the image"
)


@dataclass(frozen=True)
class ReconstructionError(Measured):
    """The result of `reconstruction_error`.

    Attributes:
        mse: Mean squared error, in the medium's `error_unit`: of pixels in [0, 1], or in squared units of the data.
        psnr_db: Peak signal-to-noise ratio in dB, the mean over images; None for media that do not have it, as those
            without bounds. Infinite if an image is reconstructed exactly.
        ssim: Mean structural similarity, at most 1; None if there is an `ssim_skip_reason`.
        samples: Number of samples.
        unit: Unit of the squared error, in words.
        noun: What samples are, in the plural.
        others: What the medium has beside these, the mean over the samples that have it.
    """

    mse: float
    psnr_db: float | None
    ssim: float | None
    samples: int
    unit: str
    noun: str
    others: tuple["MeanError", ...] = ()

    def measurements(self, prefix: str = "", by: str = "") -> tuple[Measurement, ...]:
        """The numbers with their meanings.

        Args:
            prefix: Prefix of each name.
            by: Suffix of each meaning, such as `` by PCA with 8 dimensions``.
        """
        found = [Measurement(f"{prefix}mse", self.mse, f"mean squared error {self.unit}{by}, lower is better")]
        if self.psnr_db is not None:
            meaning = f"peak signal-to-noise ratio in dB, mean over {self.noun}{by}, higher is better"
            found.append(Measurement(f"{prefix}psnr_db", self.psnr_db, meaning))
        if self.ssim is not None:
            meaning = f"structural similarity{by}, 1 for equal images, higher is better"
            found.append(Measurement(f"{prefix}ssim", self.ssim, meaning))
        for error in self.others:
            found += error.measurements(prefix, by)
        return tuple(found)


@dataclass(frozen=True)
class MeanError(Measured):
    """The mean of a measure that one medium has.

    Attributes:
        measure: The measure.
        mean: Its mean over the samples that have it; NaN if none has.
        left_out: The number of samples that have none, such as silent ones.
    """

    measure: ErrorMeasure
    mean: float
    left_out: int

    @classmethod
    def of(cls, measure: ErrorMeasure, values: Tensor) -> "MeanError":
        """The mean of its values ``(n,)``, those that are NaN being left out."""
        return cls(measure, float(values.double().nanmean()), int(values.isnan().sum()))

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was measured."""
        return {**self.measure.protocol, "left_out": self.left_out}

    def measurements(self, prefix: str = "", by: str = "") -> tuple[Measurement, ...]:
        """The number with its meaning; see `ReconstructionError.measurements`."""
        without = f", without {self.left_out:,} that have none" if self.left_out else ""
        meaning = f"{self.measure.meaning}{by}{without}, {self.measure.better}"
        return (Measurement(f"{prefix}{self.measure.name}", self.mean, meaning),)


@torch.no_grad()
def mean_error(measure: ErrorMeasure, pairs: Iterable[tuple[Tensor, Tensor]], noun: str) -> MeanError:
    """The mean of a measure over pairs of batches.

    Args:
        measure: The measure.
        pairs: Batches of samples and of their reconstructions, both ``(n, *shape)``.
        noun: What a sample is.

    Raises:
        InputError: There is no sample.
    """
    found = [measure.each(x, output) for x, output in pairs]
    if not found:
        raise InputError(f"there is no {noun} to compare: give batches of {noun}s and of their reconstructions")
    return MeanError.of(measure, torch.cat(found))


@torch.no_grad()
def reconstruction_error(pairs: Iterable[tuple[Tensor, Tensor]], medium: Medium | None = None) -> ReconstructionError:
    r"""Compare samples with their reconstructions, batch by batch; errors are summed in float64.

    Images are compared as pixels in [0, 1], and reconstructions are clipped to that range. PSNR is
    :math:`\frac{1}{n} \sum_i 10 \log_{10}(1 / \mathrm{mse}_i)` over images i; that of the mean error would be lower.
    SSIM is computed by `similarity`.

    Args:
        pairs: Batches of samples and of their reconstructions, both ``(n, *shape)``: images ``(n, c, h, w)`` in
            [-1, 1], or points ``(n, dimensions)``, which are compared as they are.
        medium: The medium of the samples; None to infer it from their shape, see `medium_of`.

    Raises:
        InputError: There is no batch, or a reconstruction is not finite.
    """
    mse = MeanSquaredError().set_dtype(torch.float64)
    psnr = PeakSignalNoiseRatio(data_range=(0.0, 1.0), dim=1).set_dtype(torch.float64)
    ssim = MeanMetric().set_dtype(torch.float64)
    others: dict[str, list[Tensor]] = {}
    samples, shape = 0, torch.Size()
    for x, output in pairs:
        if not output.isfinite().all():
            raise InputError(
                "some reconstructions are not finite: the training diverged, evaluate an earlier checkpoint"
            )
        shape = x.shape[1:]
        medium = medium or medium_of(shape)
        x, output = medium.comparable(x.double().cpu(), output.double().cpu())
        if medium.has_psnr:
            psnr.update(output.flatten(1), x.flatten(1))
        if ssim_skip_reason(shape, medium) is None:
            ssim.update(similarity(output, x))
        for measure in medium.errors:
            others.setdefault(measure.name, []).append(measure.each(x, output))
        mse.update(output.flatten(1), x.flatten(1))
        samples += len(x)
    if not samples or medium is None:
        raise InputError("there is no sample to reconstruct: give a split with samples")
    return ReconstructionError(
        float(mse.compute()),
        float(psnr.compute()) if medium.has_psnr else None,
        float(ssim.compute()) if ssim_skip_reason(shape, medium) is None else None,
        samples,
        medium.error_unit,
        medium.noun,
        tuple(MeanError.of(measure, torch.cat(others[measure.name])) for measure in medium.errors),
    )


def similarity(output: Tensor, x: Tensor) -> Tensor:
    """Structural similarity of pairs of images, ``(n,)``, from two batches ``(n, c, h, w)`` in [0, 1].

    It is the mean over channels and over the Gaussian windows that lie in the image, without padding.
    Image quality assessment: from error visibility to structural similarity, Wang et al. 2004
    (https://doi.org/10.1109/TIP.2003.819861), with its constants.
    """
    found = structural_similarity_index_measure(
        output.float(), x.float(), sigma=SSIM_DEVIATION, data_range=1.0, reduction="none", return_full_image=True
    )
    edge = SSIM_WINDOW // 2
    return found[1][..., edge:-edge, edge:-edge].flatten(1).mean(1)


def ssim_skip_reason(shape: Shape, medium: Medium) -> str | None:
    """Why samples of a shape have no structural similarity: one sentence, or None if they have."""
    if medium.dimensions != 2 or not medium.bounded:
        return f"it compares images, and the samples are {medium.noun}"
    if min(shape[1:]) < SSIM_WINDOW:
        return f"images of {shape[1]} x {shape[2]} pixels are smaller than its {SSIM_WINDOW} x {SSIM_WINDOW} window"
    return None
