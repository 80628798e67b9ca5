import inspect

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from lightning_gen import AutoencoderModule
from lightning_gen.bottlenecks import GaussianBottleneck, HierarchicalBottleneck
from lightning_gen.errors import InputError
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood
from lightning_gen.records import Reconstruction
from lightning_gen.regularizers import KLDivergence

DIMS = ((3,), (3, 2), (4, 3, 2))
every_depth = pytest.mark.parametrize("dims", DIMS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def made(dims=(3, 2), width=7, features=None, seed=1):
    bottleneck = HierarchicalBottleneck(dims, width).double()
    features = torch.randn(5, width, dtype=torch.double, generator=source(9)) if features is None else features
    return bottleneck, features, bottleneck(features, source(seed))


def linear(slope, shift, deviation):
    """A two-level ladder whose prior is exactly z1 = slope z2 + shift + deviation eps."""
    bottleneck = HierarchicalBottleneck((len(slope), slope.shape[1]), width=2 * slope.shape[1]).double()
    hidden, _, out = bottleneck.priors[0]
    eye = torch.eye(slope.shape[1], dtype=torch.double)
    with torch.no_grad():  # relu(z) - relu(-z) = z
        hidden.weight.copy_(torch.cat([eye, -eye])), hidden.bias.zero_()
        out.weight.zero_(), out.weight[: len(slope)].copy_(torch.cat([slope, -slope], 1))
        out.bias.copy_(torch.cat([shift, 2 * deviation.log()]))
    return bottleneck


@every_depth
def test_codes_are_all_levels_side_by_side_from_the_lowest(dims):
    bottleneck, _, code = made(dims)
    assert bottleneck.latent_dim == sum(dims) == code.sample.shape[1]
    assert code.mean.shape == code.sample.shape == (5, sum(dims))
    assert [level.sample.shape[1] for level in code.levels] == list(dims)
    assert torch.equal(torch.cat([level.sample for level in code.levels], 1), code.sample)


def test_constructor_arguments_are_attributes():
    part = HierarchicalBottleneck([4, 3], 6)
    assert (part.latent_dims, part.width, part.features, part.latent_dim) == ((4, 3), 6, 6, 7)
    assert all(hasattr(part, name) for name in inspect.signature(HierarchicalBottleneck).parameters)


@every_depth
def test_without_a_generator_nothing_is_random_and_means_go_downwards(dims):
    bottleneck, features, noisy = made(dims)
    state = torch.get_rng_state()
    code = bottleneck(features)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(code.sample, code.mean)
    assert torch.equal(torch.cat([level.posterior.mean for level in code.levels], 1), code.mean)
    torch.testing.assert_close(noisy.mean, code.mean)
    assert not torch.equal(noisy.sample, code.sample)


@every_depth
def test_same_generator_same_code(dims):
    bottleneck, features, code = made(dims)
    assert torch.equal(bottleneck(features, source(1)).sample, code.sample)
    assert not torch.equal(bottleneck(features, source(2)).sample, code.sample)


@every_depth
def test_the_top_is_a_gaussian_bottleneck_on_the_highest_features(dims):
    """One level is the bottleneck of the plain variational autoencoder behind a ReLU and a linear layer."""
    bottleneck, features, code = made(dims)
    hidden = features.relu()
    for layer in bottleneck.climb:
        hidden = layer(hidden).relu()
    plain = GaussianBottleneck(dims[-1])(bottleneck.evidence[-1](hidden), source(1))
    torch.testing.assert_close(code.levels[-1].sample, plain.sample)
    torch.testing.assert_close(code.levels[-1].posterior.stddev, plain.levels[0].posterior.stddev)
    torch.testing.assert_close(code.levels[-1].prior.stddev, plain.levels[0].prior.stddev)


@every_depth
def test_posteriors_are_the_product_of_evidence_and_prior(dims):
    """log q(z) - log N(z; evidence) - log p(z|above) is one constant, whatever z."""
    bottleneck, features, code = made(dims)
    hidden = features.relu()
    for index, level in enumerate(code.levels[:-1]):
        mean, log_variance = bottleneck.evidence[index](hidden).chunk(2, 1)
        evidence = Normal(mean, (log_variance / 2).exp())
        prior_mean, prior_log_variance = bottleneck.priors[index](code.levels[index + 1].sample).chunk(2, 1)
        prior = Normal(prior_mean, (prior_log_variance / 2).exp())
        torch.testing.assert_close(level.prior.mean, prior.mean)
        torch.testing.assert_close(level.prior.stddev, prior.stddev)
        z = torch.randn(11, *mean.shape, dtype=torch.double) * 3
        constant = level.posterior.log_prob(z) - evidence.log_prob(z) - prior.log_prob(z)
        torch.testing.assert_close(constant, constant[:1].expand_as(constant))
        hidden = bottleneck.climb[index](hidden).relu()


@every_depth
def test_divergences_are_those_of_torch_and_of_samples(dims):
    """E_q[log q - log p] over 100,000 codes of one sample is the mean of the closed forms given the level above."""
    bottleneck, features, _ = made(dims)
    code = bottleneck(features[:1].expand(100_000, -1), source(1))
    record = Reconstruction(code.sample, code, code.sample)
    closed = sum(kl_divergence(level.posterior, level.prior).sum(1).mean() for level in code.levels)
    sampled = sum(
        (level.posterior.log_prob(level.sample) - level.prior.log_prob(level.sample)).sum(1).mean()
        for level in code.levels
    )
    torch.testing.assert_close(KLDivergence()(record), closed)
    torch.testing.assert_close(sampled, closed, atol=0.02, rtol=0)


def test_a_level_without_evidence_costs_nothing():
    bottleneck, features, _ = made((3, 2))
    with torch.no_grad():
        bottleneck.evidence[0].weight.zero_()
        bottleneck.evidence[0].bias.copy_(torch.tensor([5.0] * 3 + [60.0] * 3))  # at 5, with a variance of e^60
    lower, _ = bottleneck(features, source()).levels
    assert kl_divergence(lower.posterior, lower.prior).sum() < 1e-9


@pytest.mark.parametrize("log_variance", [-80.0, 80.0])
def test_extreme_evidence_stays_finite(log_variance):
    bottleneck = HierarchicalBottleneck((3, 2), 7)
    with torch.no_grad():
        bottleneck.evidence[0].bias[3:] = log_variance
    code = bottleneck(torch.randn(5, 7), source())
    value = KLDivergence()(Reconstruction(code.sample, code, code.sample))
    value.backward()
    assert value.isfinite()
    assert all(p.grad.isfinite().all() for p in bottleneck.parameters() if p.grad is not None)


def test_samples_are_distributed_as_the_posteriors():
    bottleneck, features, _ = made((2, 1))
    code = bottleneck(features[:1].expand(100_000, -1), source())
    lower, upper = code.levels
    for level in (lower, upper):
        noise = (level.sample - level.posterior.mean) / level.posterior.stddev
        torch.testing.assert_close(noise.mean(0), torch.zeros_like(noise[0]), atol=0.015, rtol=0)
        torch.testing.assert_close(noise.std(0), torch.ones_like(noise[0]), atol=0.015, rtol=0)
    both = torch.cat([lower.sample - lower.posterior.mean, upper.sample], 1)
    assert (torch.corrcoef(both.T) - torch.eye(3)).abs().max() < 0.015


def test_the_prior_of_a_linear_ladder_is_the_joint_gaussian():
    """z2 ~ N(0, I) and z1 = A z2 + b + s eps: mean (b, 0), covariance ((A Aᵀ + s², A), (Aᵀ, I))."""
    slope = torch.tensor([[1.0, -0.5], [0.3, 2.0], [0.0, 0.7]], dtype=torch.double)
    shift, deviation = torch.tensor([1.0, -2.0, 0.0]).double(), torch.tensor([0.5, 1.0, 0.1]).double()
    z = linear(slope, shift, deviation).float().sample_prior(400_000, source()).double()
    eye = torch.eye(2, dtype=torch.double)
    lower = slope @ slope.T + deviation.square().diag()
    covariance = torch.cat([torch.cat([lower, slope], 1), torch.cat([slope.T, eye], 1)])
    torch.testing.assert_close(z.mean(0), torch.cat([shift, torch.zeros(2)]), atol=0.02, rtol=0)
    torch.testing.assert_close(z.T.cov(), covariance, atol=0.04, rtol=0)
    # and the density of the levels is that of the same Gaussian
    bottleneck = linear(slope, shift, deviation)
    code = bottleneck(torch.randn(6, 4, dtype=torch.double), source())
    levels = sum(level.prior.log_prob(level.sample).sum(1) for level in code.levels)
    joint = MultivariateNormal(torch.cat([shift, torch.zeros(2)]), covariance)
    torch.testing.assert_close(levels, joint.log_prob(code.sample))


@every_depth
def test_draws_from_the_prior_go_through_the_networks(dims):
    """Standardised by the priors that `forward` would give them, draws are independent N(0, 1)."""
    bottleneck = HierarchicalBottleneck(dims, 7)
    with torch.no_grad():
        z = bottleneck.sample_prior(50_000, source()).split(dims, 1)
        noise = [z[-1]]
        for network, lower, upper in zip(bottleneck.priors, z, z[1:], strict=False):
            mean, log_variance = network(upper).chunk(2, 1)
            noise.append((lower - mean) / (log_variance / 2).exp())
    noise = torch.cat(noise, 1)
    torch.testing.assert_close(noise.mean(0), torch.zeros(sum(dims)), atol=0.02, rtol=0)
    torch.testing.assert_close(noise.T.cov(), torch.eye(sum(dims)), atol=0.03, rtol=0)
    assert torch.equal(torch.cat(z, 1), bottleneck.sample_prior(50_000, source()))


@every_depth
def test_maps_are_read_at_each_position(dims):
    bottleneck = HierarchicalBottleneck(dims, 7)
    maps = torch.randn(2, 7, 3, 4)
    code, places = bottleneck(maps), bottleneck(maps.movedim(1, -1).reshape(-1, 7))
    torch.testing.assert_close(code.mean.movedim(1, -1).reshape(-1, sum(dims)), places.mean)
    kl = KLDivergence()(Reconstruction(maps, code, maps))
    torch.testing.assert_close(kl, 12 * KLDivergence()(Reconstruction(places.mean, places, places.mean)))
    assert bottleneck(maps, source()).sample.shape == (2, sum(dims), 3, 4)
    assert bottleneck.sample_prior(2, source(), (3, 4)).shape == (2, sum(dims), 3, 4)


def test_half_precision_features_keep_precise_distributions():
    bottleneck, features = HierarchicalBottleneck((3, 2), 7), torch.randn(5, 7)
    code = bottleneck(features.bfloat16(), source())
    assert code.sample.dtype == code.mean.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        automatic = bottleneck(features.bfloat16(), source())
    for level in (*code.levels, *automatic.levels):
        assert level.sample.dtype == level.posterior.mean.dtype == level.prior.stddev.dtype == torch.float32


@pytest.mark.parametrize(("dims", "width"), [((), 4), ((3, 0), 4), ((3, -1), 4), ((3, 2), 0), ((0,), 4)])
def test_widths_below_one_are_refused(dims, width):
    with pytest.raises(InputError, match=r"HierarchicalBottleneck cannot have latent_dims .* width of at least 1"):
        HierarchicalBottleneck(dims, width)


def test_features_of_another_width_are_refused():
    with pytest.raises(InputError, match=r"reads features of shape .n, 7, "):
        HierarchicalBottleneck((3, 2), 7)(torch.randn(3, 8))


def test_all_parts_of_the_ladder_learn(autoencoder):
    bottleneck = HierarchicalBottleneck((3, 2), 7)
    module = AutoencoderModule(
        DenseEncoder((1, 8, 8), bottleneck.features, (16,)),
        DenseDecoder((1, 8, 8), bottleneck.latent_dim, (16,)),
        bottleneck,
        {"reconstruction": BernoulliLikelihood(), "kl": KLDivergence()},
    )
    loss, _ = module.loss(module.reconstruction(torch.rand(6, 1, 8, 8) * 2 - 1, source()))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in bottleneck.parameters())
    assert module.sample(3, generator=source()).shape == (3, 1, 8, 8)
