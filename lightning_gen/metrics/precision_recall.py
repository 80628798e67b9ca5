"""Quality and diversity of samples by two numbers, where a distance mixes both: precision and recall, density and
coverage.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.errors import InputError

PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5

CHUNK = 512
"""Number of rows of the matrix of distances that are in memory at a time."""

RESOLUTION = 1e-6
"""Distances below this share of the largest norm are rounding errors of equal features."""


@dataclass(frozen=True)
class Balls:
    """The region that samples cover: a ball around each, with the distance to its k-th nearest neighbour as radius.

    Attributes:
        centres: Features, float64 ``(n, dimensions)``.
        radii: Radii, float64 ``(n,)``.
    """

    centres: Tensor
    radii: Tensor

    @classmethod
    def about(cls, samples: Tensor, neighbours: int) -> "Balls":
        """The balls around samples.

        Args:
            samples: Features ``(n, dimensions)``, finite and more than `neighbours`.
            neighbours: The number k.

        Raises:
            InputError: There are too few features, or some are not finite.
        """
        if samples.ndim != 2 or len(samples) <= neighbours or not samples.isfinite().all():
            raise InputError(
                f"features of shape {tuple(samples.shape)} have not all {neighbours} neighbours: give finite "
                f"features (n, dimensions), at least {neighbours + 1}"
            )
        centres = samples.double()
        # the nearest one is the sample itself
        radii = torch.cat([distances(part, centres).kthvalue(neighbours + 1).values for part in centres.split(CHUNK)])
        return cls(centres, radii)

    def holding(self, samples: Tensor) -> Tensor:
        """The number of balls that contain each of the samples ``(m, dimensions)``, int64 ``(m,)``."""
        return torch.cat([self._inside(part).sum(dim=1) for part in samples.double().split(CHUNK)])

    def held(self, samples: Tensor) -> Tensor:
        """The number of samples ``(m, dimensions)`` that each ball contains, int64 ``(n,)``."""
        return torch.stack([self._inside(part).sum(dim=0) for part in samples.double().split(CHUNK)]).sum(dim=0)

    def _inside(self, samples: Tensor) -> Tensor:
        return distances(samples, self.centres) <= self.radii


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances ``(n, m)`` of ``(n, dimensions)`` and ``(m, dimensions)``, exactly 0 for equal features."""
    found = torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")
    return found.masked_fill(found < RESOLUTION * max(x.norm(dim=1).max(), y.norm(dim=1).max()), 0)


@dataclass(frozen=True)
class PrecisionRecall:
    """The result of `precision_recall`.

    Attributes:
        precision: Share of generated samples that lie in the region of real ones, in [0, 1].
        recall: Share of real samples that lie in the region of generated ones, in [0, 1].
    """

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = PRECISION_NEIGHBOURS) -> PrecisionRecall:
    """Improved precision and recall.

    Improved Precision and Recall Metric for Assessing Generative Models, Kynkäänniemi et al. 2019
    (https://arxiv.org/abs/1904.06991), equations 1 and 2. Both depend on the number of samples: give equal numbers of
    both kinds, and compare with the scores of as many other real samples.

    Args:
        real: Features of real samples, ``(n, dimensions)``.
        fake: Features of generated samples, ``(m, dimensions)``.
        neighbours: The number k of neighbours.

    Raises:
        InputError: There are too few features, or some are not finite.
    """
    real_region, fake_region = Balls.about(real, neighbours), Balls.about(fake, neighbours)
    return PrecisionRecall(
        *(
            (region.holding(samples) > 0).double().mean().item()
            for region, samples in ((real_region, fake), (fake_region, real))
        )
    )


@dataclass(frozen=True)
class DensityCoverage:
    """The result of `density_coverage`.

    Attributes:
        density: Mean number of balls of real samples that contain a generated sample, divided by k; about 1 for a
            perfect sampler, and more if samples concentrate in the densest regions.
        coverage: Share of the balls of real samples that contain a generated sample, in [0, 1].
    """

    density: float
    coverage: float


def density_coverage(real: Tensor, fake: Tensor, neighbours: int = DENSITY_NEIGHBOURS) -> DensityCoverage:
    r"""Density and coverage, which are less sensitive to outliers than precision and recall.

    Reliable Fidelity and Diversity Metrics for Generative Models, Naeem et al. 2020 (https://arxiv.org/abs/2002.09797),
    equations 4 and 6. For equal numbers of samples a perfect sampler has a coverage of about :math:`1 - 2^{-k}`.

    Args:
        real: Features of real samples, ``(n, dimensions)``.
        fake: Features of generated samples, ``(m, dimensions)``.
        neighbours: The number k of neighbours.

    Raises:
        InputError: There are too few features, or some are not finite.
    """
    held = Balls.about(real, neighbours).held(fake).double()
    return DensityCoverage(held.sum().item() / (neighbours * len(fake)), (held > 0).double().mean().item())
