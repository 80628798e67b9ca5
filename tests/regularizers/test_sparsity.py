import pytest
import torch
from torch.distributions import Bernoulli, Laplace, kl_divergence

from lightning_gen.bottlenecks import SigmoidBottleneck
from lightning_gen.errors import InputError
from lightning_gen.records import Code, Reconstruction
from lightning_gen.regularizers import ActivitySparsity, L1Sparsity


def record(code, images=0):
    return Reconstruction(code, Code(code, code), code, images=images)


def test_l1_is_a_laplace_prior_without_its_constant():
    code = torch.randn(5, 4, dtype=torch.double)
    expected = -(Laplace(0.0, 1.0).log_prob(code) - Laplace(0.0, 1.0).log_prob(torch.tensor(0.0))).sum(1).mean()
    torch.testing.assert_close(L1Sparsity()(record(code)), expected)


@pytest.mark.parametrize("target", [0.05, 0.3])
def test_activity_is_the_divergence_of_bernoullis(target):
    code = torch.rand(6, 4, dtype=torch.double)
    expected = kl_divergence(Bernoulli(torch.tensor(target).double()), Bernoulli(code.mean(0))).sum()
    torch.testing.assert_close(ActivitySparsity(target)(record(code)), expected)
    torch.testing.assert_close(ActivitySparsity(target)(record(code.repeat(2, 1))), expected)


def test_activity_at_its_target_costs_nothing():
    code = torch.tensor([[0.1, 0.3], [0.3, 0.1]])
    assert ActivitySparsity(0.2)(record(code)).abs() < 1e-6


def test_places_of_a_map_count_as_samples():
    maps = torch.rand(3, 4, 2, 5)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 4)
    torch.testing.assert_close(ActivitySparsity()(record(maps)), ActivitySparsity()(record(rows)))


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_units_that_never_change_cost_much_and_not_infinity(extreme):
    value = ActivitySparsity(0.5)(record(torch.full((4, 1), extreme)))
    assert 3 < value < 20


def test_it_drives_a_layer_to_its_target():
    torch.manual_seed(0)
    features = torch.randn(50, 8, requires_grad=True)
    optimizer = torch.optim.Adam([features], lr=0.1)
    for _ in range(200):
        code = SigmoidBottleneck(8)(features)
        value = ActivitySparsity(0.1)(Reconstruction(features, code, features))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    torch.testing.assert_close(features.sigmoid().mean(0), torch.full((8,), 0.1), atol=0.005, rtol=0)


@pytest.mark.parametrize("code", [torch.tensor([[-0.1, 0.5]]), torch.tensor([[0.5, 2.0]]), torch.tensor([[torch.nan]])])
def test_codes_that_are_no_activities_are_refused(code):
    with pytest.raises(InputError, match=r"activities from 0 to 1 .*: use SigmoidBottleneck"):
        ActivitySparsity()(record(code))


@pytest.mark.parametrize("target", [0.0, 1.0, -0.2])
def test_impossible_targets_are_refused(target):
    with pytest.raises(InputError, match=f"cannot have target {target}"):
        ActivitySparsity(target)
