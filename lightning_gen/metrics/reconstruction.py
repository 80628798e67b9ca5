"""The error of reconstructions: MSE, PSNR and SSIM."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import MeanMetric, MeanSquaredError
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import PeakSignalNoiseRatio

from lightning_gen.errors import InputError
from lightning_gen.media import Medium, medium_of
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
        psnr_db: Peak signal-to-noise ratio in dB, the mean over images; None for samples without bounds. Infinite if an
            image is reconstructed exactly.
        ssim: Mean structural similarity, at most 1; None if there is an `ssim_skip_reason`.
        samples: Number of samples.
        unit: Unit of the squared error, in words.
        own: The medium's own errors, see `Medium.errors`, each with its meaning; their means over samples.
    """

    mse: float
    psnr_db: float | None
    ssim: float | None
    samples: int
    unit: str
    own: tuple[Measurement, ...] = ()

    def measurements(self, prefix: str = "", by: str = "") -> tuple[Measurement, ...]:
        """The numbers with their meanings.

        Args:
            prefix: Prefix of each name.
            by: Suffix of each meaning, such as `` by PCA with 8 dimensions``.
        """
        found = [Measurement(f"{prefix}mse", self.mse, f"mean squared error {self.unit}{by}, lower is better")]
        if self.psnr_db is not None:
            meaning = f"peak signal-to-noise ratio in dB, mean over images{by}, higher is better"
            found.append(Measurement(f"{prefix}psnr_db", self.psnr_db, meaning))
        if self.ssim is not None:
            meaning = f"structural similarity{by}, 1 for equal images, higher is better"
            found.append(Measurement(f"{prefix}ssim", self.ssim, meaning))
        found += [Measurement(prefix + each.name, each.value, each.meaning + by) for each in self.own]
        return tuple(found)


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
    own: dict[str, MeanMetric] = {}
    samples, shape = 0, torch.Size()
    for x, output in pairs:
        if not output.isfinite().all():
            raise InputError(
                "some reconstructions are not finite: the training diverged, evaluate an earlier checkpoint"
            )
        shape = x.shape[1:]
        medium = medium or medium_of(shape)
        for name, errors in medium.errors(x, output).items():
            if name not in own:
                own[name] = MeanMetric()
                own[name].set_dtype(torch.float64)
            own[name].update(errors.cpu())
        x, output = medium.comparable(x.double().cpu(), output.double().cpu())
        if medium.bounded:
            psnr.update(output.flatten(1), x.flatten(1))
        if ssim_skip_reason(shape, medium) is None:
            ssim.update(similarity(output, x))
        mse.update(output.flatten(1), x.flatten(1))
        samples += len(x)
    if not samples or medium is None:
        raise InputError("there is no sample to reconstruct: give a split with samples")
    return ReconstructionError(
        float(mse.compute()),
        float(psnr.compute()) if medium.bounded else None,
        float(ssim.compute()) if ssim_skip_reason(shape, medium) is None else None,
        samples,
        medium.error_unit,
        tuple(Measurement(name, float(mean.compute()), medium.errors_meanings[name]) for name, mean in own.items()),
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
