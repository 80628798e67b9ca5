"""Fréchet distance between two sets of features, as if both were Gaussian."""

from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from lightning_gen.errors import InputError


class _Given(nn.Identity):
    """Stands where torchmetrics wants a network: the features are computed already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def frechet_distance(x: Tensor, y: Tensor) -> Tensor:
    r"""Squared 2-Wasserstein distance of the Gaussians with the means and covariances of two sets of features.

    :math:`|\mu_x - \mu_y|^2 + \mathrm{tr}(\Sigma_x + \Sigma_y - 2 (\Sigma_x \Sigma_y)^{1/2})`, in float64 by
    torchmetrics. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, Heusel et al. 2017
    (https://arxiv.org/abs/1706.08500), equation 6. With features of Inception it is FID; with others it is not, and
    should be named for them. It falls with the number of features that are compared, so numbers of unlike sets must not
    be compared.

    Args:
        x: Features, ``(n, dimensions)``.
        y: Features, ``(m, dimensions)``.

    Returns:
        A scalar in squared units of the features, float64.

    Raises:
        InputError: The features differ in dimensions, are fewer than two, or are not finite.
    """
    if x.ndim != 2 or x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < 2:
        raise InputError(
            f"features of shapes {tuple(x.shape)} and {tuple(y.shape)} cannot be compared: give (n, dimensions), at "
            "least two of each, with equal dimensions"
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise InputError("some features are not finite: evaluate an earlier checkpoint")
    metric = FrechetInceptionDistance(_Given(x.shape[1])).to(x.device)
    origin = x.double().mean(dim=0)  # torchmetrics sums squares that are not centred
    metric.update(x.double() - origin, real=True)
    metric.update(y.double() - origin, real=False)
    return metric.compute().clamp(min=0)
