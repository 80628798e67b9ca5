import inspect

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from lightning_gen.errors import InputError
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood
from lightning_gen.records import Code, Reconstruction

LIKELIHOODS = ((BernoulliLikelihood, {}), (GaussianLikelihood, {"scale": 0.5}))
every_likelihood = pytest.mark.parametrize(("cls", "arguments"), LIKELIHOODS)


def record(x, output):
    code = torch.zeros(len(x), 1)
    return Reconstruction(x, Code(code, code), output)


def images(n=6):
    torch.manual_seed(0)
    return torch.rand(n, 3, 4, 5, dtype=torch.double) * 2 - 1


def test_bernoulli_is_the_log_probability_of_black_and_white_pixels():
    x, output = images().sign(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    expected = Bernoulli(logits=output).log_prob((x + 1) / 2).sum((1, 2, 3))
    torch.testing.assert_close(BernoulliLikelihood().log_prob(output, x), expected)
    torch.testing.assert_close(BernoulliLikelihood()(record(x, output)), -expected.mean())


def test_bernoulli_of_grey_pixels_is_least_at_their_entropy():
    x = images()
    p = (x + 1) / 2
    best = p.logit().requires_grad_()
    value = BernoulliLikelihood()(record(x, best))
    torch.testing.assert_close(value, Bernoulli(p).entropy().sum((1, 2, 3)).mean())
    assert torch.autograd.grad(value, best)[0].abs().max() < 1e-12


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_gaussian_is_the_log_density(scale):
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    expected = Normal(output, scale).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(GaussianLikelihood(scale).log_prob(output, x), expected)
    torch.testing.assert_close(GaussianLikelihood(scale)(record(x, output)), -expected.mean())


def test_gaussian_of_scale_one_has_the_gradient_of_half_the_squared_error():
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double, requires_grad=True)
    (ours,) = torch.autograd.grad(GaussianLikelihood(1.0)(record(x, output)), output)
    (theirs,) = torch.autograd.grad(0.5 * (output - x).square().sum() / 6, output)
    torch.testing.assert_close(ours, theirs)


@every_likelihood
def test_mean_explains_the_samples_best(cls, arguments):
    """Ascend log p(x|z) in the output: the likelihood's mean must arrive at the samples themselves."""
    x, likelihood = images(2), cls(**arguments)
    output = torch.zeros_like(x, requires_grad=True)
    optimizer = torch.optim.LBFGS([output], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def closure():
        optimizer.zero_grad()
        loss = likelihood(record(x, output))
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(likelihood.mean(output.detach()), x, atol=1e-4, rtol=0)


def test_bernoulli_mean_stays_in_range():
    mean = BernoulliLikelihood().mean(torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4]))
    torch.testing.assert_close(mean, 2 * Bernoulli(logits=torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4])).mean - 1)
    assert mean.abs().max() == 1


@every_likelihood
def test_nats_per_sample(cls, arguments):
    """A sample twice in the batch changes nothing; a sample twice as large says twice as much."""
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    term = cls(**arguments)
    value = term(record(x, output))
    torch.testing.assert_close(term(record(x.repeat(2, 1, 1, 1), output.repeat(2, 1, 1, 1))), value)
    torch.testing.assert_close(term(record(x.repeat(1, 1, 2, 1), output.repeat(1, 1, 2, 1))), 2 * value)


@every_likelihood
def test_terms_are_unweighted(cls, arguments):
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    assert torch.equal(cls(**arguments, weight=7.0)(record(x, output)), cls(**arguments)(record(x, output)))


@every_likelihood
def test_half_precision_is_summed_in_float32(cls, arguments):
    x, output = images().bfloat16(), torch.randn(6, 3, 4, 5).bfloat16()
    value = cls(**arguments)(record(x, output))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, cls(**arguments)(record(x.float(), output.float())))


@every_likelihood
def test_constructor_arguments_are_attributes(cls, arguments):
    values = {**arguments, "weight": 0.3}
    assert set(inspect.signature(cls).parameters) == set(values)
    assert {name: getattr(cls(**values), name) for name in values} == values


def test_a_scale_of_zero_is_refused():
    with pytest.raises(InputError, match="standard deviation above 0"):
        GaussianLikelihood(scale=0.0)
