"""Which modes of a mixture of Gaussians a model has found, and how well it hits them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.counts import kl_from_uniform, kl_from_uniform_floor
from lightning_gen.metrics.report import Figure

RADIUS = 3.0
"""A sample is of high quality within so many standard deviations of the nearest centre."""

CHUNK = 10_000
"""Samples whose distances to all centres are in memory at a time."""


@dataclass(frozen=True)
class ModeCoverage:
    """What `mode_coverage` found.

    Attributes:
        counts: High-quality samples of each mode.
        assigned: Samples nearest to each mode, of high quality or not.
        dimensions: Of a sample.
    """

    counts: tuple[int, ...]
    assigned: tuple[int, ...]
    dimensions: int

    @property
    def samples(self) -> int:
        """Samples in all."""
        return sum(self.assigned)

    @property
    def modes(self) -> int:
        """Modes with at least one high-quality sample."""
        return sum(count > 0 for count in self.counts)

    @property
    def high_quality_percent(self) -> float:
        """Share of high-quality samples, in percent."""
        return 100 * sum(self.counts) / self.samples

    @property
    def high_quality_percent_ceiling(self) -> float:
        r"""What a perfect sampler scores, :math:`100\,P(\chi^2_d \le 9)`, in percent; 98.889 in the plane."""
        half = torch.tensor([self.dimensions / 2, RADIUS**2 / 2], dtype=torch.float64)
        return 100 * float(torch.special.gammainc(half[0], half[1]))

    @property
    def reverse_kl(self) -> float:
        r"""KL divergence of samples' nearest modes from the uniform distribution, :math:`\sum_k p_k \log(K p_k)`."""
        return kl_from_uniform(self.assigned)

    @property
    def reverse_kl_floor(self) -> float:
        r"""What a perfect sampler scores on average, :math:`(K - 1) / 2n`, in nats."""
        return kl_from_uniform_floor(len(self.assigned), self.samples)

    def figures(self) -> tuple[Figure, ...]:
        """The numbers with what they mean, each beside what a perfect sampler scores."""
        perfect = "what a perfect sampler scores"
        return (
            Figure("modes", self.modes, "modes with a sample of high quality, higher is better"),
            Figure("modes_ceiling", len(self.counts), "modes that there are"),
            Figure(
                "high_quality_percent", self.high_quality_percent, "samples within 3 sigma of the nearest centre, in %"
            ),
            Figure("high_quality_percent_ceiling", self.high_quality_percent_ceiling, perfect),
            Figure("reverse_kl", self.reverse_kl, "KL(samples' nearest modes || uniform) in nats, lower is better"),
            Figure("reverse_kl_floor", self.reverse_kl_floor, f"{perfect} on average with as many samples"),
        )


def mode_coverage(samples: Tensor, centres: Tensor, scale: float) -> ModeCoverage:
    r"""Assign samples to the modes of a mixture of equally likely Gaussians and count.

    Each sample belongs to the nearest centre by Euclidean distance, and is of high quality if that is at most
    :math:`3 \sigma` away. A mode counts if a high-quality sample belongs to it. The reverse KL divergence, in nats,
    counts **all** samples: one far from every centre still belongs to the nearest mode. PacGAN: The power of two
    samples in generative adversarial networks, Lin et al. 2018 (https://arxiv.org/abs/1712.04086), section 4.1. (The
    code that was published with it, https://github.com/fjxmlzn/PacGAN, takes high-quality samples only for the shares
    of the modes.) Ceiling and floor hold for modes that do not overlap.

    Args:
        samples: Points ``(n, dimensions)``.
        centres: The means, ``(modes, dimensions)``.
        scale: The standard deviation of every component, in the units of the data.

    Raises:
        InputError: The points have other dimensions than the centres, there are none, or some are not finite.
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
    counts, assigned = (torch.bincount(kept, minlength=len(centres)).tolist() for kept in (near, mode))
    return ModeCoverage(tuple(counts), tuple(assigned), centres.shape[1])


def nearest(samples: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance to the nearest centre and its index, ``(n,)`` each, of points ``(n, dimensions)``."""
    distances = torch.cdist(samples.double(), centres, compute_mode="donot_use_mm_for_euclid_dist")
    distance, mode = distances.min(dim=1)
    return distance, mode
