import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal, kl_divergence

from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import Capacity, KLDivergence
from lightning_gen.schedules import Linear


def record(code, images=0):
    x = torch.zeros(len(code.sample), 1)
    return Reconstruction(x, code, x, images=images)


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


@pytest.mark.parametrize("lv", [-400.0, -103.0])
def test_a_deviation_that_is_rounded_to_nothing_costs_what_it_should(lv):
    features = torch.tensor([[0.5, lv]], requires_grad=True)
    divergence = KLDivergence()(record(GaussianBottleneck(1)(features)))
    torch.testing.assert_close(divergence.item(), 0.5 * (0.25 - 1 - lv))
    divergence.backward()
    torch.testing.assert_close(features.grad, torch.tensor([[0.5, -0.5]]))


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


def test_sampled_divergence_is_the_log_ratio_of_what_was_drawn_at_every_level():
    torch.manual_seed(0)
    levels = []
    for shape in ((5, 4), (5, 2, 3, 3)):
        mean, deviation, z = torch.randn(shape).double(), torch.rand(shape).double() + 0.1, torch.randn(shape).double()
        levels.append(Level(z, Normal(mean, deviation), Normal(0.5 * mean, 2.0)))
    expected = sum(
        level.posterior.log_prob(level.sample)[i].sum() - level.prior.log_prob(level.sample)[i].sum()
        for level in levels
        for i in range(5)
    )
    code = Code(levels[0].sample, levels[0].sample, tuple(levels))
    torch.testing.assert_close(KLDivergence(sampled=True)(record(code)), expected / 5)


def test_sampled_divergence_is_the_closed_form_on_average():
    features = torch.tensor([[0.5, -1.0, 0.3, -1.0]]).double().expand(200_000, 4)
    code = GaussianBottleneck(2)(features, torch.Generator().manual_seed(0))
    closed, sampled = KLDivergence()(record(code)), KLDivergence(sampled=True)(record(code))
    torch.testing.assert_close(sampled, closed, atol=0.01, rtol=0)


def test_what_has_no_closed_form_is_refused_with_the_way_out():
    z = torch.randn(5, 2)
    mixture = MixtureSameFamily(Categorical(torch.ones(3)), Normal(torch.arange(3.0), 1.0))
    code = Code(z, z, (Level(z, Normal(z, 1.0), mixture),))
    with pytest.raises(InputError, match="Normal from MixtureSameFamily has no closed form: set sampled to true"):
        KLDivergence()(record(code))
    assert KLDivergence(sampled=True)(record(code)).isfinite()


def test_beta_one_is_the_variational_autoencoder_to_the_bit(autoencoder):
    """loss = E[-log p(x|z)] + E[KL], with weight 1 in training as in validation."""
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    module = autoencoder(variational=True)
    likelihood = module.likelihood
    for mode in (True, False):
        passed = module.train(mode).reconstruction(x, torch.Generator().manual_seed(1))
        loss, terms = module.loss(passed)
        mean, log_variance = module.encoder(x).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
        output = module.decoder(mean + (0.5 * log_variance).exp() * noise)
        assert torch.equal(loss, -likelihood.log_prob(output, x).mean() + terms["kl"])
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        torch.testing.assert_close(terms["kl"], divergence)


def test_the_weight_is_beta(autoencoder):
    x = torch.rand(6, 1, 8, 8)
    module = autoencoder(variational=True)
    module.objective["kl"] = KLDivergence(4.0)
    loss, terms = module.loss(module.reconstruction(x, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(loss, terms["reconstruction"] + 4 * terms["kl"])


@pytest.mark.parametrize(("images", "capacity"), [(0, 0.0), (500, 12.5), (1000, 25.0), (5000, 25.0)])
def test_capacity_follows_its_schedule_in_images(images, capacity):
    code = GaussianBottleneck(3)(torch.randn(4, 6).double())
    divergence = KLDivergence()(record(code))
    value = Capacity(Linear(1000, first=0.0, last=25.0))(record(code, images))
    torch.testing.assert_close(value, (divergence - capacity).abs())


def test_gradients_pull_the_divergence_to_the_capacity_from_both_sides():
    """A clamp at the capacity would leave the divergence without a gradient on one side."""
    features = torch.full((1, 2), 0.1, requires_grad=True)
    optimizer = torch.optim.Adam([features], lr=0.05)
    for _ in range(300):
        value = Capacity(2.0)(record(GaussianBottleneck(1)(features)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert KLDivergence()(record(GaussianBottleneck(1)(features))).item() == pytest.approx(2.0, abs=0.15)


def test_negative_capacities_are_refused():
    with pytest.raises(InputError, match=r"Capacity is -1.0 nats after 0 images: give one that is never below 0"):
        Capacity(-1.0)
    code = GaussianBottleneck(3)(torch.zeros(2, 6))
    with pytest.raises(InputError, match=r"Capacity is -5.0 nats after 1,000 images"):
        Capacity(Linear(1000, first=1.0, last=-5.0))(record(code, 1000))


def test_a_posterior_can_be_expanded():
    level = GaussianBottleneck(3)(torch.randn(2, 6)).levels[0]
    larger = kl_divergence(level.posterior.expand((4, 2, 3)), level.prior.expand((4, 2, 3)))
    torch.testing.assert_close(larger, kl_divergence(level.posterior, level.prior).expand(4, 2, 3))
