import inspect
from itertools import pairwise
from math import log

import pytest
import torch
from torch.distributions import Normal

from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood, ImportanceWeightedBound, log_weights
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import KLDivergence

LIKELIHOODS = (BernoulliLikelihood(), GaussianLikelihood(0.5))
every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def record(draws, n=4, features=None, seed=0, dtype=torch.double):
    """A pass with a linear decoder that is the same in every call; codes are drawn anew by `seed`."""
    fixed = source(99)
    x = (torch.rand(n, 5, generator=fixed, dtype=dtype) * 2 - 1).repeat_interleave(draws, 0)
    features = torch.randn(n, 6, generator=fixed, dtype=dtype) if features is None else features
    decoder = torch.randn(3, 5, generator=fixed, dtype=dtype)
    code = GaussianBottleneck(3)(features.repeat_interleave(draws, 0), source(seed))
    return Reconstruction(x, code, code.sample @ decoder, codes_per_sample=draws)


def by_hand(found, likelihood):
    """log p(x|z) + log p(z) - log q(z|x), each sample and each draw for itself."""
    (level,) = found.code.levels
    rows = []
    for i in range(len(found.x)):
        z, mean, deviation = level.sample[i], level.posterior.mean[i], level.posterior.stddev[i]
        weight = likelihood.log_prob(found.output[i : i + 1], found.x[i : i + 1])[0]
        rows.append(weight + (Normal(0.0, 1.0).log_prob(z) - Normal(mean, deviation).log_prob(z)).sum())
    return torch.stack(rows).view(-1, found.codes_per_sample)


@every_likelihood
def test_weights_are_one_row_a_sample(likelihood):
    found = record(draws=3)
    weights = log_weights(found, likelihood)
    assert weights.shape == (4, 3)
    torch.testing.assert_close(weights, by_hand(found, likelihood))


def test_maps_of_latents_and_several_levels_are_summed():
    mean, deviation = torch.randn(6, 2, 3, 3), torch.rand(6, 2, 3, 3) + 0.5
    prior = Normal(torch.zeros(()), torch.ones(()))
    level = Level(mean + 0.3, Normal(mean, deviation), prior)
    likelihood, x = GaussianLikelihood(), torch.randn(6, 4)
    weights = log_weights(Reconstruction(x, Code(mean, mean, (level, level)), x, codes_per_sample=2), likelihood)
    one = (prior.log_prob(mean + 0.3) - Normal(mean, deviation).log_prob(mean + 0.3)).sum((1, 2, 3))
    torch.testing.assert_close(weights, (likelihood.log_prob(x, x) + 2 * one).view(3, 2))


@every_likelihood
def test_one_draw_is_the_elbo_with_a_sampled_divergence(likelihood):
    found = record(draws=1, dtype=torch.float32)
    expected = likelihood(found) + KLDivergence(sampled=True)(found)
    torch.testing.assert_close(ImportanceWeightedBound(likelihood)(found), expected, rtol=1e-6, atol=0)


@every_likelihood
def test_the_gradient_is_that_of_explicit_normalised_weights(likelihood):
    """Equation 13 of the paper: the gradients of log w, averaged by the weights w / Σ w, which are constants."""
    features = torch.randn(4, 6, dtype=torch.double, requires_grad=True)
    (ours,) = torch.autograd.grad(ImportanceWeightedBound(likelihood)(record(5, features=features)), features)
    weights = by_hand(record(5, features=features), likelihood)
    shares = (weights.exp() / weights.exp().sum(1, keepdim=True)).detach()
    (theirs,) = torch.autograd.grad(-(shares * weights).sum(1).mean(), features)
    torch.testing.assert_close(ours, theirs)


def test_the_bound_rises_with_the_draws():
    """Theorem 1 of the paper, in expectation: over 4000 repetitions of each sample."""
    term = ImportanceWeightedBound(GaussianLikelihood(0.5))
    torch.manual_seed(0)
    features = torch.randn(1, 6, dtype=torch.double).expand(4000, 6)
    values = []
    for draws in (1, 2, 5, 20):
        found = record(draws, n=4000, features=features)
        same = found.x[:1].expand_as(found.x)
        values.append(-term(Reconstruction(same, found.code, found.output, codes_per_sample=draws)).item())
    assert all(after > before + 0.01 for before, after in pairwise(values))


class Given(GaussianLikelihood):
    """log p(x|z) is the output itself."""

    def log_prob(self, output, x):
        return output[:, 0]


def of_weights(weights):
    """A pass whose log-weights are as given, ``(n, draws)``: posterior and prior are equal."""
    weights = weights.reshape(len(weights), -1)
    zeros = torch.zeros(weights.numel(), 1, dtype=weights.dtype)
    same = Normal(zeros, torch.ones_like(zeros))
    return Reconstruction(
        zeros, Code(zeros, zeros, (Level(zeros, same, same),)), weights.view(-1, 1), codes_per_sample=weights.shape[1]
    )


def test_guard_the_value_is_the_log_of_the_mean_and_not_the_sum_by_normalised_weights():
    """Σ (w / Σ w) log w has the same gradient and is optimistic by up to log K."""
    weights = -90 + 2 * torch.randn(20_000, 50, generator=source(), dtype=torch.double)
    value = ImportanceWeightedBound(Given())(of_weights(weights))
    expected = -(weights.exp().mean(1).log()).mean()
    torch.testing.assert_close(value, expected)
    optimistic = -(weights.softmax(1) * weights).sum(1).mean()
    assert optimistic < value - 1
    assert value < 90  # between -E[log w] = 90 and -log E[w] = 88
    assert value > 88


def test_guard_the_worst_draw_has_the_least_weight():
    weights = torch.tensor([[-1.0, -2.0, -10.0]], dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(ImportanceWeightedBound(Given())(of_weights(weights)), weights)
    torch.testing.assert_close(-gradient, weights.detach().softmax(1))
    assert -gradient[0, 0] > 0.7 > 1e-3 > -gradient[0, 2]


def test_guard_draws_of_one_sample_are_not_all_weighed_alike():
    """A divergence in closed form is equal for all draws of a sample."""
    found = record(draws=6)
    found = Reconstruction(found.x, found.code, torch.zeros_like(found.output), codes_per_sample=6)
    assert (log_weights(found, GaussianLikelihood()).std(1) > 0.1).all()


def test_equal_weights_are_their_value_whatever_the_draws():
    for draws in (1, 7, 5000):
        value = ImportanceWeightedBound(Given())(of_weights(torch.full((3, draws), -500.0)))
        torch.testing.assert_close(value, torch.tensor(500.0))


def test_draws_of_different_samples_are_not_mixed():
    weights = torch.tensor([[0.0, log(3.0)], [-800.0, -800.0]], dtype=torch.double)
    value = ImportanceWeightedBound(Given())(of_weights(weights))
    torch.testing.assert_close(value, torch.tensor((800.0 - log(2.0)) / 2, dtype=torch.double))


@every_likelihood
def test_in_all_else_it_is_the_likelihood_that_it_is_given(likelihood):
    bound, found = ImportanceWeightedBound(likelihood, weight=2.0), record(draws=2)
    assert (bound.likelihood, bound.weight) == (likelihood, 2.0)
    assert bound.outputs(3) == likelihood.outputs(3)
    assert torch.equal(bound.log_probs(found.output, found.x), likelihood.log_probs(found.output, found.x))
    assert torch.equal(bound.log_prob(found.output, found.x), likelihood.log_prob(found.output, found.x))
    assert torch.equal(bound.mean(found.output), likelihood.mean(found.output))
    assert torch.equal(bound.sample(found.output, source()), likelihood.sample(found.output, source()))
    assert (bound.discrete, bound.bits_per_dim(500.0, (3, 4, 4), 2 / 256)) == (
        likelihood.discrete,
        likelihood.bits_per_dim(500.0, (3, 4, 4), 2 / 256),
    )
    assert set(inspect.signature(ImportanceWeightedBound).parameters) == {"likelihood", "weight"}


def test_a_code_without_posterior_is_refused():
    code, x = IdentityBottleneck(3)(torch.zeros(2, 3)), torch.zeros(2, 3)
    with pytest.raises(InputError, match="use GaussianBottleneck"):
        ImportanceWeightedBound(GaussianLikelihood())(Reconstruction(x, code, x))


def test_a_module_that_draws_several_codes_is_trained_on_it(autoencoder):
    """The module's loss is the bound, computed here from its parts with the same noise."""
    likelihood = BernoulliLikelihood()
    module = autoencoder(variational=True, objective={"bound": ImportanceWeightedBound(likelihood)}, codes_per_sample=4)
    x = torch.rand(6, 1, 8, 8) * 2 - 1
    loss, terms = module.loss(module.reconstruction(x, source(3)))
    with torch.no_grad():
        code = module.bottleneck(module.encoder(x).repeat_interleave(4, 0), source(3))
        found = Reconstruction(x.repeat_interleave(4, 0), code, module.decoder(code.sample), codes_per_sample=4)
    torch.testing.assert_close(loss.detach(), -(by_hand(found, likelihood).logsumexp(1) - log(4)).mean())
    assert set(terms) == {"bound"}
    assert module.decode(code.sample).shape == (24, 1, 8, 8)
