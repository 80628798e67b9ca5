"""How much is lost between samples and their reconstructions."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import MeanSquaredError
from torchmetrics.image import PeakSignalNoiseRatio

from lightning_gen.errors import InputError
from lightning_gen.metrics.report import Figure


@dataclass(frozen=True)
class ReconstructionError:
    """What `reconstruction_error` found.

    Attributes:
        mse: Mean squared error: of pixels in [0, 1], or in the squared units of the data.
        psnr_db: Peak signal-to-noise ratio in dB, the mean of every image's own; None for points. Infinite where an
            image was given back exactly.
        samples: Samples compared.
    """

    mse: float
    psnr_db: float | None
    samples: int

    def figures(self, prefix: str = "", by: str = "") -> tuple[Figure, ...]:
        """The numbers with what they mean.

        Args:
            prefix: Put before each name.
            by: Put behind each meaning, such as `` by PCA with 8 dimensions``.
        """
        unit = "in squared units of the data" if self.psnr_db is None else "of pixels in [0, 1]"
        found = [Figure(f"{prefix}mse", self.mse, f"mean squared error {unit}{by}, lower is better")]
        if self.psnr_db is not None:
            meaning = f"peak signal-to-noise ratio in dB, mean over images{by}, higher is better"
            found.append(Figure(f"{prefix}psnr_db", self.psnr_db, meaning))
        return tuple(found)


@torch.no_grad()
def reconstruction_error(pairs: Iterable[tuple[Tensor, Tensor]]) -> ReconstructionError:
    r"""Compare samples with their reconstructions, batch by batch, in float64.

    Images are compared as pixels in [0, 1], reconstructions clipped to that range for both figures. PSNR is
    :math:`\frac{1}{n} \sum_i 10 \log_{10}(1 / \mathrm{mse}_i)` over images i; that of the mean error would be lower.

    Args:
        pairs: Batches of samples and of their reconstructions, both ``(n, *shape)``: images ``(n, c, h, w)`` in
            [-1, 1], or points ``(n, dimensions)``, which are compared as they are.

    Raises:
        InputError: There is no batch, or a reconstruction is not finite.
    """
    mse = MeanSquaredError().set_dtype(torch.float64)
    psnr = PeakSignalNoiseRatio(data_range=(0.0, 1.0), dim=(1, 2, 3)).set_dtype(torch.float64)
    samples, images = 0, False
    for x, output in pairs:
        if not output.isfinite().all():
            raise InputError(
                "some reconstructions are not finite: the training diverged, evaluate an earlier checkpoint"
            )
        images = x.ndim == 4
        x, output = x.double().cpu(), output.double().cpu()
        if images:
            x, output = (x + 1) / 2, ((output + 1) / 2).clamp(0, 1)
            psnr.update(output, x)
        mse.update(output.flatten(1), x.flatten(1))
        samples += len(x)
    if not samples:
        raise InputError("there is no sample to reconstruct: give a split that holds some")
    return ReconstructionError(float(mse.compute()), float(psnr.compute()) if images else None, samples)
