import numpy as np
import pytest
import torch
from torch.distributions import Normal

from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import DIPVAE1, DIPVAE2


def record(mean, deviation):
    level = Level(mean, Normal(mean, deviation), Normal(torch.zeros_like(mean), 1.0))
    return Reconstruction(mean, Code(mean, mean, (level,)), mean)


@pytest.mark.parametrize("cls", [DIPVAE1, DIPVAE2])
def test_penalty_by_numpy(cls):
    torch.manual_seed(0)
    mean, deviation = torch.randn(9, 4).double(), torch.rand(9, 4).double()
    covariance = np.cov(mean.numpy(), rowvar=False, bias=True)
    if cls is DIPVAE2:
        covariance = covariance + np.diag((deviation.numpy() ** 2).mean(0))
    shared = sum(covariance[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
    own = sum((covariance[i, i] - 1) ** 2 for i in range(4))
    assert cls(3.0, 5.0)(record(mean, deviation)).item() == pytest.approx(3 * shared + 5 * own)


def test_codes_distributed_as_the_prior_cost_nothing():
    """Means on the corners of a square have the covariance s² I; with the noise of the posteriors it is the unit."""
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert DIPVAE1()(record(corners, torch.full((4, 2), 0.3))) == 0
    torch.testing.assert_close(DIPVAE2()(record(0.8 * corners, torch.full((4, 2), 0.6))), torch.tensor(0.0))


def test_where_the_means_do_not_matter():
    torch.manual_seed(0)
    mean, deviation = torch.randn(9, 4).double(), torch.rand(9, 4).double()
    for cls in (DIPVAE1, DIPVAE2):
        torch.testing.assert_close(cls()(record(mean + 7, deviation)), cls()(record(mean, deviation)))
    assert torch.equal(DIPVAE1()(record(mean, deviation)), DIPVAE1()(record(mean, 2 * deviation)))


def test_default_weights_are_those_of_the_paper():
    assert (DIPVAE1().off_diagonal, DIPVAE1().diagonal) == (10, 100)
    assert (DIPVAE2().off_diagonal, DIPVAE2().diagonal) == (10, 10)
