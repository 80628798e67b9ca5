"""The maximum mean discrepancy between codes and samples from the prior: Wasserstein and Info autoencoders."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0
from lightning_gen.recording import Recorded
from lightning_gen.records import Reconstruction
from lightning_gen.schedules import Schedule
from lightning_gen.terms import Term, at_least_float32


class Kernel(Recorded, ABC):
    """A kernel of the squared distance of two codes: k(r²) = Σ_s f(r² / (s C)) with C = 2 d sigma².

    C is the mean squared distance between two samples from N(0, sigma² I) in d dimensions.

    Args:
        deviation: sigma, the standard deviation of the prior in each dimension.
        scales: Factors s of C, all above 0; the kernel is the sum over them.

    Raises:
        InputError: The deviation or a scale is not above 0, or there is no scale.
    """

    def __init__(self, deviation: float = 1.0, scales: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)) -> None:
        if not scales or any(number not in ABOVE_0 for number in (deviation, *scales)):
            raise InputError(
                f"{type(self).__name__} cannot have deviation {deviation} and scales {tuple(scales)}: give numbers "
                "above 0, and at least one scale"
            )
        self.deviation = deviation
        self.scales = tuple(scales)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the kernel of each row of ``(n, d)`` with each row of ``(m, d)``, ``(n, m)``."""
        base = 2 * x.shape[1] * self.deviation**2
        # faster distances from matrix products would have too large rounding errors for codes that are close
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        return torch.stack([self.profile(squared / (scale * base)) for scale in self.scales]).sum(0)

    @abstractmethod
    def profile(self, ratio: Tensor) -> Tensor:
        """Return f of squared distances in units of s C; f(0) = 1, and f decreases."""


class InverseMultiquadric(Kernel):
    """C / (C + r²): its heavy tails give gradients to codes far from the prior too, which is why WAE uses it.

    Paper: Wasserstein Auto-Encoders, https://arxiv.org/abs/1711.01558, section 4; the scales are those of its code

    Args:
        deviation: sigma, the standard deviation of the prior in each dimension.
        scales: Factors s of C, all above 0; the kernel is the sum over them.
    """

    def profile(self, ratio: Tensor) -> Tensor:
        """Return 1 / (1 + ratio)."""
        return 1 / (1 + ratio)


class GaussianKernel(Kernel):
    """exp(-r² / C), the radial basis function.

    Paper: A Kernel Two-Sample Test, https://www.jmlr.org/papers/v13/gretton12a.html. The authors' code of InfoVAE,
    https://arxiv.org/abs/1706.02262, has one wide kernel, exp(-r² / d²) in d dimensions: ``scales=(d / 2,)`` here. Its
    discrepancy is far smaller than that of the seven default scales (for codes that are all 0 and d = 10, 0.0105
    against 2.32), and its gradient too, so a weight of the one is in another unit than a weight of the other.

    Args:
        deviation: sigma, the standard deviation of the prior in each dimension.
        scales: Factors s of C, all above 0; the kernel is the sum over them.
    """

    def profile(self, ratio: Tensor) -> Tensor:
        """Return exp(-ratio)."""
        return (-ratio).exp()


class MaximumMeanDiscrepancy(Term):
    """The squared maximum mean discrepancy between codes and as many samples from the prior; not in nats.

    E[k(z, z')] + E[k(p, p')] - 2 E[k(z, p)]. The first two expectations leave out pairs of a sample with itself, so the
    estimate is unbiased, and can be negative. It is at most twice the number of the kernel's scales, so it needs a
    weight of 10 or more beside terms in nats. Each device computes it on its own part of a batch.

    Papers: Wasserstein Auto-Encoders, https://arxiv.org/abs/1711.01558, algorithm 2; InfoVAE,
    https://arxiv.org/abs/1706.02262, where the weight is alpha + lambda - 1

    Args:
        kernel: The kernel; None for `InverseMultiquadric`.
        weight: Factor of the term in the objective, or a schedule of it.
    """

    def __init__(self, kernel: Kernel | None = None, weight: float | Schedule = 1.0) -> None:
        super().__init__(weight)
        self.kernel = kernel or InverseMultiquadric()

    def forward(self, record: Reconstruction) -> Tensor:
        """Return the discrepancy of a batch; 0 for a batch of one sample, which has no estimate.

        Raises:
            InputError: There is no prior.
        """
        if record.draw_prior is None:
            raise InputError(
                "MaximumMeanDiscrepancy compares codes with samples from a prior and has none: use GaussianBottleneck "
                "or give IdentityBottleneck a prior, such as Normal, and the pass a generator"
            )
        codes = at_least_float32(record.code.sample[:: record.codes_per_sample]).flatten(1)
        if len(codes) == 1:
            return codes.sum() * 0
        prior = record.draw_prior(len(codes)).flatten(1).to(codes)
        cross = self.kernel(codes, prior).mean()
        return without_diagonal(self.kernel(codes, codes)) + without_diagonal(self.kernel(prior, prior)) - 2 * cross


def without_diagonal(square: Tensor) -> Tensor:
    """Return the mean of ``(n, n)`` without its diagonal; n is at least 2."""
    n = len(square)
    return (square.sum() - square.diagonal().sum()) / (n * (n - 1))
