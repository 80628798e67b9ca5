"""The Inception score against torch-fidelity's, and where it is known."""

import pytest
import torch

from lightning_gen import InputError
from lightning_gen.metrics import inception_score


@pytest.mark.parametrize("count", [10, 103, 1000])
def test_it_is_torch_fidelitys(count):
    theirs = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(count, 20, generator=torch.Generator().manual_seed(0))
    found = inception_score(logits)
    expected = theirs.isc_features_to_metric(logits)
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert found.least <= found.mean <= found.greatest


def test_sure_and_even_predictions_score_the_number_of_classes():
    even = 100 * torch.eye(5).repeat(100, 1)
    assert inception_score(even, splits=1).mean == pytest.approx(5)
    assert inception_score(even[:1].expand(50, -1)).mean == pytest.approx(1)


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="at least 10"):
        inception_score(torch.zeros(9, 3))
