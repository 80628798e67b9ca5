import pytest
import torch
from torch.distributions import Normal

from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import KLDivergence


def record(code):
    x = torch.zeros(len(code.sample), 1)
    return Reconstruction(x, code, x)


def test_closed_form():
    """½ Σ (mu² + e^lv - 1 - lv), Kingma and Welling, appendix B."""
    torch.manual_seed(0)
    mu, lv = torch.randn(5, 4).double(), torch.randn(5, 4).double()
    code = GaussianBottleneck(4)(torch.cat([mu, lv], 1))
    expected = 0.5 * (mu**2 + lv.exp() - 1 - lv).sum(1).mean()
    torch.testing.assert_close(KLDivergence()(record(code)), expected)


@pytest.mark.parametrize(("mu", "lv"), [(0.0, 0.0), (1.5, -2.0), (-0.3, 1.0)])
def test_integral(mu, lv):
    code = GaussianBottleneck(1)(torch.tensor([[mu, lv]]).double())
    z = torch.linspace(-30, 30, 200_001, dtype=torch.double)
    q, p = Normal(mu, torch.tensor(lv / 2).exp().double()), Normal(0.0, 1.0)
    integral = torch.trapezoid(q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z)), z)
    torch.testing.assert_close(KLDivergence()(record(code)), integral, atol=1e-6, rtol=1e-6)


def test_maps_of_latents_are_summed_over_the_map():
    torch.manual_seed(0)
    mean, deviation = torch.randn(3, 4, 2, 2), torch.rand(3, 4, 2, 2) + 0.5
    prior = Normal(torch.zeros(()), torch.ones(()))
    value = KLDivergence()(record(Code(mean, mean, (Level(mean, Normal(mean, deviation), prior),))))
    expected = 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).sum((1, 2, 3)).mean()
    torch.testing.assert_close(value, expected)


def test_the_prior_costs_nothing_and_the_weight_is_left_to_the_sum():
    assert KLDivergence()(record(GaussianBottleneck(3)(torch.zeros(2, 6)))) == 0
    term = KLDivergence(weight=4.0)
    assert term.weight == 4.0
    code = GaussianBottleneck(3)(torch.ones(2, 6))
    assert torch.equal(term(record(code)), KLDivergence()(record(code)))


def test_a_code_without_posterior_is_refused():
    with pytest.raises(InputError, match="use GaussianBottleneck"):
        KLDivergence()(record(IdentityBottleneck(3)(torch.zeros(2, 3))))
