"""Fréchet distance between the Gaussians that fit two sets of features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_gen.errors import InputError


@dataclass(frozen=True)
class GaussianStatistics:
    r"""The Gaussian with the mean and the covariance of a set of features.

    A root :math:`R` represents the covariance :math:`R^T R`. So distances need neither a matrix square root nor an
    inverse, and are as exact if the covariance is singular, with fewer features than dimensions.

    Attributes:
        mean: Float64 ``(dimensions,)``.
        root: Float64 ``(rank, dimensions)``, where `rank` is at most the number of features and of dimensions.
    """

    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, x: Tensor) -> "GaussianStatistics":
        """Compute the statistics, by a QR decomposition of the centred features.

        Args:
            x: Features, ``(n, dimensions)``.

        Raises:
            InputError: There are fewer than two features, or some are not finite.
        """
        if x.ndim != 2 or len(x) < 2:
            raise InputError(
                f"features of shape {tuple(x.shape)} cannot be compared: give (n, dimensions), at least two of each set"
            )
        if not x.isfinite().all():
            raise InputError("some features are not finite: evaluate an earlier checkpoint")
        x = x.double()
        mean = x.mean(dim=0)
        return cls(mean, torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R)

    def distance(self, other: "GaussianStatistics") -> Tensor:
        r"""Squared 2-Wasserstein distance of the two Gaussians, a scalar in squared units of the features, float64.

        :math:`|\mu_x - \mu_y|^2 + \mathrm{tr}(\Sigma_x + \Sigma_y - 2 (\Sigma_x \Sigma_y)^{1/2})`, where the trace of
        the last root is the sum of the singular values of :math:`R_x R_y^T`: their squares are the eigenvalues of
        :math:`R_x \Sigma_y R_x^T`, and but for zeros those of :math:`\Sigma_x \Sigma_y`.

        Raises:
            InputError: The features differ in dimensions.
        """
        if self.mean.shape != other.mean.shape:
            raise InputError(
                f"features of {len(self.mean)} and of {len(other.mean)} dimensions cannot be compared: give both of "
                "one extractor"
            )
        gap = (self.mean - other.mean).square().sum()
        shared = torch.linalg.svdvals(self.root @ other.root.T).sum()
        return (gap + self.root.square().sum() + other.root.square().sum() - 2 * shared).clamp(min=0)


def frechet_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of the Gaussians with the means and covariances of two sets of features.

    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, Heusel et al. 2017
    (https://arxiv.org/abs/1706.08500), equation 6. It is FID with features of Inception only; with others, name it
    after them. It falls with the number of features, so compare distances only for equal numbers. To compare many sets
    with one, keep its `GaussianStatistics`.

    Args:
        x: Features, ``(n, dimensions)``.
        y: Features, ``(m, dimensions)``.

    Returns:
        A scalar in squared units of the features, float64.

    Raises:
        InputError: The features differ in dimensions, there are fewer than two, or some are not finite.
    """
    return GaussianStatistics.of(x).distance(GaussianStatistics.of(y))
