"""Which modes of a mixture of Gaussians a model covers, and the quality of its samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.counts import kl_from_uniform, kl_from_uniform_floor
from lightning_gen.metrics.report import Measured, Measurement

RADIUS = 3.0
"""A sample has high quality if it lies within this many standard deviations of the nearest centre."""

CHUNK = 10_000
"""Number of samples whose distances to all centres are in memory at a time."""


@dataclass(frozen=True)
class ModeCoverage(Measured):
    """The result of `mode_coverage`.

    Attributes:
        counts: Number of high-quality samples of each mode.
        assigned: Number of samples nearest to each mode, with high quality or not.
        dimensions: Dimensions of a sample.
    """

    counts: tuple[int, ...]
    assigned: tuple[int, ...]
    dimensions: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return sum(self.assigned)

    @property
    def modes(self) -> int:
        """Number of modes with at least one high-quality sample."""
        return sum(count > 0 for count in self.counts)

    @property
    def high_quality_percent(self) -> float:
        """Share of high-quality samples, in percent."""
        return 100 * sum(self.counts) / self.samples

    @property
    def high_quality_percent_ceiling(self) -> float:
        r"""The share of a perfect sampler, :math:`100\,P(\chi^2_d \le 9)`, in percent; 98.889 in two dimensions."""
        half = torch.tensor([self.dimensions / 2, RADIUS**2 / 2], dtype=torch.float64)
        return 100 * float(torch.special.gammainc(half[0], half[1]))

    @property
    def reverse_kl(self) -> float:
        r"""KL divergence of samples' nearest modes from the uniform distribution, :math:`\sum_k p_k \log(K p_k)`."""
        return kl_from_uniform(self.assigned)

    @property
    def reverse_kl_floor(self) -> float:
        r"""The expectation for a perfect sampler, :math:`(K - 1) / 2n`, in nats."""
        return kl_from_uniform_floor(len(self.assigned), self.samples)

    def measurements(self) -> tuple[Measurement, ...]:
        """The numbers with their meanings, and the scores of a perfect sampler."""
        perfect = "what a perfect sampler scores"
        return (
            Measurement("modes", self.modes, "modes with a sample of high quality, higher is better"),
            Measurement("modes_ceiling", len(self.counts), "number of modes"),
            Measurement(
                "high_quality_percent", self.high_quality_percent, "samples within 3 sigma of the nearest centre, in %"
            ),
            Measurement("high_quality_percent_ceiling", self.high_quality_percent_ceiling, perfect),
            Measurement(
                "reverse_kl", self.reverse_kl, "KL(samples' nearest modes || uniform) in nats, lower is better"
            ),
            Measurement("reverse_kl_floor", self.reverse_kl_floor, f"{perfect} on average with as many samples"),
        )


def mode_coverage(samples: Tensor, centres: Tensor, scale: float) -> ModeCoverage:
    r"""Assign samples to the modes of a mixture of equally likely Gaussians, and count.

    Each sample belongs to the nearest centre by Euclidean distance, and has high quality if that distance is at most
    :math:`3 \sigma`. A mode is covered if a high-quality sample belongs to it. The reverse KL divergence, in nats,
    counts **all** samples: a sample far from every centre still belongs to the nearest mode. PacGAN: The power of two
    samples in generative adversarial networks, Lin et al. 2018 (https://arxiv.org/abs/1712.04086), section 4.1. (The
    published code, https://github.com/fjxmlzn/PacGAN, computes the shares of the modes from high-quality samples only.)
    Ceiling and floor hold for modes that do not overlap.

    Args:
        samples: Points ``(n, dimensions)``.
        centres: The means, ``(modes, dimensions)``.
        scale: The standard deviation of every component, in the units of the data.

    Raises:
        InputError: Points and centres differ in dimensions, there are no points, or some are not finite.
    """
    if samples.ndim != 2 or not len(samples) or samples.shape[1] != centres.shape[1]:
        raise InputError(
            f"samples of shape {tuple(samples.shape)} cannot be assigned to modes of {centres.shape[1]} dimensions: "
            "give points (n, dimensions), at least one"
        )
    if not samples.isfinite().all():
        raise InputError("some samples are not finite: the training diverged, evaluate an earlier checkpoint")
    centres = centres.to(samples.device, torch.float64)
    distance, mode = (
        torch.cat(parts) for parts in zip(*(nearest(part, centres) for part in samples.split(CHUNK)), strict=True)
    )
    near = mode[distance <= RADIUS * scale]
    counts, assigned = (torch.bincount(each, minlength=len(centres)).tolist() for each in (near, mode))
    return ModeCoverage(tuple(counts), tuple(assigned), centres.shape[1])


def nearest(samples: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance to the nearest centre and its index, ``(n,)`` each, of points ``(n, dimensions)``."""
    distances = torch.cdist(samples.double(), centres, compute_mode="donot_use_mm_for_euclid_dist")
    distance, mode = distances.min(dim=1)
    return distance, mode
