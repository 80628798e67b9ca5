"""The sliced Wasserstein distance between two sets of samples; it needs no network."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT, require


def sliced_wasserstein(x: Tensor, y: Tensor, projections: int = 512, seed: int = 0) -> Tensor:
    r"""Sliced 2-Wasserstein distance between two sets of equal size.

    :math:`SW_2 = \sqrt{\frac{1}{n P} \sum_p \sum_i (\mathrm{sort}(x\,\theta_p)_i - \mathrm{sort}(y\,\theta_p)_i)^2}`
    with directions :math:`\theta_p` uniform on the unit sphere. A shift by :math:`\delta` gives about
    :math:`|\delta| / \sqrt{d}`. Sliced and Radon Wasserstein Barycenters of Measures, Bonneel et al. 2015
    (https://doi.org/10.1007/s10851-014-0506-3), section 2.

    Args:
        x: Samples, ``(n, *shape)``; they are flattened.
        y: Samples of the same number and shape.
        projections: Number of directions.
        seed: Seed of the directions, which are the same on every device.

    Returns:
        A scalar in the units of the samples.

    Raises:
        InputError: The two sets differ in number or shape.
    """
    if x.shape != y.shape:
        raise InputError(
            f"sets of samples differ in shape, {tuple(x.shape)} and {tuple(y.shape)}: compare equal numbers"
        )
    x, y = x.flatten(1).float(), y.flatten(1).float()
    directions = torch.randn(x.shape[1], projections, generator=torch.Generator().manual_seed(seed)).to(x.device)
    directions /= directions.norm(dim=0)
    gaps = (x @ directions).sort(dim=0).values - (y @ directions).sort(dim=0).values
    return gaps.square().mean().sqrt()


class SlicedWasserstein(Metric):
    """Sliced 2-Wasserstein distance over all batches and devices; see `sliced_wasserstein`.

    It compares pixels (or coordinates), so it shows whether training makes progress and does not measure how good
    images look. The distance of two sets of real samples is not 0: it falls with their number.

    Args:
        projections: Number of directions, at least 1.
        limit: Number of samples of each set that a device keeps, at least 1; later ones are ignored.

    Raises:
        InputError: A number is below 1.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self, projections: int = 512, limit: int = 2_000) -> None:
        super().__init__()
        require(self, "projections", projections, COUNT)
        require(self, "limit", limit, COUNT)
        self.projections = projections
        self.limit = limit
        self.add_state("real", default=[], dist_reduce_fx="cat")
        self.add_state("fake", default=[], dist_reduce_fx="cat")

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Add a batch of real samples and as many generated ones, ``(n, *shape)``."""
        room = self.limit - sum(map(len, self.real))
        if room > 0:
            self.real.append(real[:room].detach().float())
            self.fake.append(fake[:room].detach().float())

    def compute(self) -> Tensor:
        """The distance, a scalar; NaN before the first batch."""
        if len(self.real) == 0:  # a list, or one tensor after devices were gathered
            return torch.tensor(float("nan"), device=self.device)
        return sliced_wasserstein(dim_zero_cat(self.real), dim_zero_cat(self.fake), self.projections)
