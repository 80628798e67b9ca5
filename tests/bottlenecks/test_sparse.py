import pytest
import torch

from lightning_gen.bottlenecks import SigmoidBottleneck, TopKBottleneck
from lightning_gen.errors import InputError


def test_top_k_keeps_the_largest_by_sorting():
    torch.manual_seed(0)
    features = torch.randn(20, 9)
    code = TopKBottleneck(9, 3)(features).sample
    for row, kept in zip(features.tolist(), code.tolist(), strict=True):
        threshold = sorted(row)[-3]
        assert kept == [value if value >= threshold else 0.0 for value in row]


def test_top_k_is_not_of_absolute_values():
    assert TopKBottleneck(3, 1)(torch.tensor([[-5.0, 1.0, 0.5]])).sample.tolist() == [[0.0, 1.0, 0.0]]


def test_top_k_sends_gradients_through_what_it_keeps_alone():
    features = torch.randn(4, 6, requires_grad=True)
    code = TopKBottleneck(6, 2)(features).sample
    (gradient,) = torch.autograd.grad(code.sum(), features)
    assert torch.equal(gradient, (code != 0).float())
    assert (gradient.sum(1) == 2).all()


def test_top_k_of_equal_features_keeps_k():
    assert (TopKBottleneck(6, 2)(torch.ones(4, 6)).sample.sum(1) == 2).all()


def test_top_k_of_a_map_is_taken_at_each_place():
    features = torch.randn(3, 8, 2, 5)
    rows = features.permute(0, 2, 3, 1).reshape(-1, 8)
    code = TopKBottleneck(8, 3)(features).sample.permute(0, 2, 3, 1).reshape(-1, 8)
    assert torch.equal(code, TopKBottleneck(8, 3)(rows).sample)


def test_all_of_k_is_the_identity():
    features = torch.randn(3, 8)
    assert torch.equal(TopKBottleneck(8, 8)(features).sample, features)


@pytest.mark.parametrize("k", [0, -1, 9])
def test_impossible_k_are_refused(k):
    with pytest.raises(InputError, match=f"cannot keep {k} of 8 features: give a k from 1 to 8"):
        TopKBottleneck(8, k)


def test_sigmoid_gives_activities():
    features = torch.randn(3, 8)
    torch.testing.assert_close(SigmoidBottleneck(8)(features).sample, 1 / (1 + (-features).exp()))
