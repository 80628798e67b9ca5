"""Are samples good, and are all kinds of good ones among them: two figures where a distance mixes both in one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.errors import InputError

PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5

CHUNK = 512
"""Rows of the matrix of distances that are in memory at a time."""

RESOLUTION = 1e-6
"""Distances below this part of the largest norm are rounding errors of equal features."""


@dataclass(frozen=True)
class Balls:
    """The region that samples cover: a ball about each, up to its k-th nearest neighbour among the others.

    Attributes:
        centres: Features, float64 ``(n, dimensions)``.
        radii: Float64 ``(n,)``.
    """

    centres: Tensor
    radii: Tensor

    @classmethod
    def about(cls, samples: Tensor, neighbours: int) -> "Balls":
        """Make the balls.

        Args:
            samples: Features ``(n, dimensions)``, finite and more than `neighbours`.
            neighbours: The number k.

        Raises:
            InputError: The features are too few or not finite.
        """
        if samples.ndim != 2 or len(samples) <= neighbours or not samples.isfinite().all():
            raise InputError(
                f"features of shape {tuple(samples.shape)} have no neighbour number {neighbours} each: give finite "
                f"features (n, dimensions), at least {neighbours + 1}"
            )
        centres = samples.double()
        # the nearest of all is the sample itself
        radii = torch.cat([distances(part, centres).kthvalue(neighbours + 1).values for part in centres.split(CHUNK)])
        return cls(centres, radii)

    def holding(self, samples: Tensor) -> Tensor:
        """How many balls hold each of the samples ``(m, dimensions)``, int64 ``(m,)``."""
        return torch.cat([self._inside(part).sum(dim=1) for part in samples.double().split(CHUNK)])

    def held(self, samples: Tensor) -> Tensor:
        """How many of the samples ``(m, dimensions)`` each ball holds, int64 ``(n,)``."""
        return torch.stack([self._inside(part).sum(dim=0) for part in samples.double().split(CHUNK)]).sum(dim=0)

    def _inside(self, samples: Tensor) -> Tensor:
        return distances(samples, self.centres) <= self.radii


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances ``(n, m)`` of ``(n, dimensions)`` and ``(m, dimensions)``, 0 where features are equal."""
    found = torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")
    return found.masked_fill(found < RESOLUTION * max(x.norm(dim=1).max(), y.norm(dim=1).max()), 0)


@dataclass(frozen=True)
class PrecisionRecall:
    """What `precision_recall` found.

    Attributes:
        precision: Share of generated samples that lie in the region of real ones, in [0, 1].
        recall: Share of real samples that lie in the region of generated ones, in [0, 1].
    """

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = PRECISION_NEIGHBOURS) -> PrecisionRecall:
    """Improved precision and recall.

    Improved Precision and Recall Metric for Assessing Generative Models, Kynkäänniemi et al. 2019
    (https://arxiv.org/abs/1904.06991), equations 1 and 2. Both depend on the number of samples: give as many of each
    kind, and compare with what as many real samples score.

    Args:
        real: Features of real samples, ``(n, dimensions)``.
        fake: Features of generated samples, ``(m, dimensions)``.
        neighbours: The number k of the neighbour that the balls reach to.

    Raises:
        InputError: The features are too few, or not finite.
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
    """What `density_coverage` found.

    Attributes:
        density: Balls of real samples that hold a generated one, over k, on average; about 1 for a perfect sampler,
            and more where samples crowd about the densest places.
        coverage: Share of the balls of real samples that hold a generated one, in [0, 1].
    """

    density: float
    coverage: float


def density_coverage(real: Tensor, fake: Tensor, neighbours: int = DENSITY_NEIGHBOURS) -> DensityCoverage:
    r"""Density and coverage, which outliers among real or generated samples disturb less than precision and recall.

    Reliable Fidelity and Diversity Metrics for Generative Models, Naeem et al. 2020 (https://arxiv.org/abs/2002.09797),
    equations 4 and 6. With as many samples of each kind a perfect sampler has a coverage of about :math:`1 - 2^{-k}`.

    Args:
        real: Features of real samples, ``(n, dimensions)``.
        fake: Features of generated samples, ``(m, dimensions)``.
        neighbours: The number k of the neighbour that the balls reach to.

    Raises:
        InputError: The features are too few, or not finite.
    """
    held = Balls.about(real, neighbours).held(fake).double()
    return DensityCoverage(held.sum().item() / (neighbours * len(fake)), (held > 0).double().mean().item())
