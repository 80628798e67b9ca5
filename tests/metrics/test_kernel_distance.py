"""The kernel distance against torch-fidelity's KID, and against its definition."""

import numpy as np
import pytest
import torch

from lightning_gen import InputError
from lightning_gen.metrics import kernel_distance
from lightning_gen.metrics.kernel_distance import squared_discrepancy


def normal(*shape, seed=0, shift=0.0):
    return shift + torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_torch_fidelitys():
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    fake, real = normal(1100, 16, shift=0.3), normal(1300, 16, seed=1)
    options = {"kid_subsets": 20, "kid_subset_size": 1000, "rng_seed": 2020, "verbose": False}
    expected = theirs.kid_features_to_metric(fake.double(), real.double(), **options)
    found = kernel_distance(fake, real, 20)
    assert found.mean == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-9)
    assert found.deviation == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-6)
    assert found.least < found.mean < found.greatest
    assert found.subset_size == 1000


def test_it_is_its_definition_and_unbiased():
    x, y = normal(5, 3), normal(5, 3, seed=1)

    def k(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    pairs = [(i, j) for i in range(5) for j in range(5)]
    own = np.mean([k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j])
    expected = own - 2 * np.mean([k(x[i], y[j]) for i, j in pairs])
    assert squared_discrepancy(x.double(), y.double()).item() == pytest.approx(expected, rel=1e-5)
    few = [kernel_distance(normal(20, 8, seed=i), normal(20, 8, seed=100 + i), 10).mean for i in range(200)]
    assert abs(np.mean(few)) < 3 * np.std(few) / 200**0.5, "the mean of equal distributions is 0"


def test_fewer_samples_are_halved_and_the_subsets_are_seeded():
    state = np.random.get_state()[1].copy()
    first, again = (kernel_distance(normal(31, 4), normal(40, 4, seed=1)) for _ in range(2))
    assert first == again
    assert first.subset_size == 15
    assert kernel_distance(normal(31, 4), normal(40, 4, seed=1), seed=7) != first
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize("bad", [normal(3, 2), normal(9, 3), torch.full((9, 2), torch.nan)], ids=str)
def test_features_that_cannot_be_compared_are_refused(bad):
    with pytest.raises(InputError, match="at least four of each"):
        kernel_distance(bad, normal(9, 2))
