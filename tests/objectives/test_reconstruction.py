import inspect
from math import log

import pytest
import torch
from torch.distributions import Bernoulli, Laplace, Normal

from lightning_gen.errors import InputError
from lightning_gen.objectives import (
    BernoulliLikelihood,
    GaussianLikelihood,
    HiddenPart,
    LaplaceLikelihood,
    Likelihood,
    LogisticMixtureLikelihood,
    PixelScaleGaussianLikelihood,
    SharedScaleGaussianLikelihood,
    reconstruction,
)
from lightning_gen.records import Code, Reconstruction

LIKELIHOODS = (
    (BernoulliLikelihood, {}),
    (GaussianLikelihood, {"scale": 0.5}),
    (LaplaceLikelihood, {"scale": 0.5}),
    (SharedScaleGaussianLikelihood, {"scale": 0.5}),
    (PixelScaleGaussianLikelihood, {}),
    (LogisticMixtureLikelihood, {"components": 3}),
    (HiddenPart, {"likelihood": LaplaceLikelihood(0.2)}),
)
every_likelihood = pytest.mark.parametrize(("cls", "arguments"), LIKELIHOODS)


def record(x, output):
    code = torch.zeros(len(x), 1)
    return Reconstruction(x, Code(code, code), output)


def images(n=6, channels=3):
    """8-bit pixels, black and white among them."""
    torch.manual_seed(0)
    value = torch.randint(256, (n, channels, 4, 5))
    value[0, 0, 0, :2] = torch.tensor([0, 255])
    return value.double() / 127.5 - 1


def outputs(likelihood, n=6, channels=3):
    return torch.randn(n, likelihood.outputs(channels), 4, 5, dtype=torch.double)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@every_likelihood
def test_shapes(cls, arguments):
    for channels in (1, 2, 3):
        likelihood, x = cls(**arguments), images(channels=channels)
        output = outputs(likelihood, channels=channels)
        log_probs = likelihood.log_probs(output, x)
        assert log_probs.shape in {(6, channels, 4, 5), (6, 1, 4, 5)}
        torch.testing.assert_close(likelihood.log_prob(output, x), log_probs.sum((1, 2, 3)))
        torch.testing.assert_close(likelihood(record(x, output)), -log_probs.sum((1, 2, 3)).mean())
        assert likelihood.mean(output).shape == likelihood.sample(output, source()).shape == x.shape


@every_likelihood
def test_nats_per_sample(cls, arguments):
    """A sample twice in the batch changes nothing; a sample twice as large says twice as much."""
    term, x = cls(**arguments), images()
    output = outputs(term)
    value = term(record(x, output))
    torch.testing.assert_close(term(record(x.repeat(2, 1, 1, 1), output.repeat(2, 1, 1, 1))), value)
    torch.testing.assert_close(term(record(x.repeat(1, 1, 2, 1), output.repeat(1, 1, 2, 1))), 2 * value)


@every_likelihood
def test_terms_are_unweighted(cls, arguments):
    term, x = cls(**arguments), images()
    output = outputs(term)
    assert torch.equal(cls(**arguments, weight=7.0)(record(x, output)), term(record(x, output)))


@every_likelihood
def test_half_precision_is_summed_in_float32(cls, arguments):
    term = cls(**arguments)
    x, output = images().bfloat16(), outputs(term).bfloat16()
    value = term(record(x, output))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, term(record(x.float(), output.float())))
    assert term.sample(output, source()).dtype == torch.float32


@every_likelihood
def test_constructor_arguments_are_attributes(cls, arguments):
    values = {**arguments, "weight": 0.3}
    assert set(inspect.signature(cls).parameters) == set(values)
    assert {name: getattr(cls(**values), name) for name in values} == values


@every_likelihood
def test_samples_agree_with_the_mean(cls, arguments):
    """The law of large numbers, at 5 standard errors."""
    likelihood, n = cls(**arguments), 20_000
    output = outputs(likelihood, n=1, channels=1)
    drawn = likelihood.sample(output.expand(n, -1, -1, -1), source())
    assert ((drawn.mean(0) - likelihood.mean(output)[0]).abs() < 5 * drawn.std(0) / n**0.5).all()


@every_likelihood
def test_only_the_generator_given_is_drawn_from(cls, arguments):
    likelihood, state = cls(**arguments), torch.get_rng_state()
    output = torch.zeros(2, likelihood.outputs(3), 4, 5)
    assert torch.equal(likelihood.sample(output, source(1)), likelihood.sample(output, source(1)))
    assert not torch.equal(likelihood.sample(output, source(1)), likelihood.sample(output, source(2)))
    assert torch.equal(torch.get_rng_state(), state)


@every_likelihood
def test_gradients_are_finite_at_extremes(cls, arguments):
    likelihood, x = cls(**arguments), images().float()
    for size in (0.0, 30.0, 1e4):
        output = outputs(likelihood).sign().float().mul(size).requires_grad_()
        value = likelihood(record(x, output))
        (gradient,) = torch.autograd.grad(value + likelihood.mean(output).sum(), output)
        assert value.isfinite(), size
        assert gradient.isfinite().all(), size


@every_likelihood
def test_a_likelihood_says_what_it_is_of(cls, arguments):
    likelihood = cls(**arguments)
    of_pixels = cls in (BernoulliLikelihood, LogisticMixtureLikelihood)
    assert (likelihood.discrete, likelihood.pixels_only) == (of_pixels, of_pixels)


def test_likelihoods_cannot_all_draw():
    class Energy(Likelihood):
        log_probs = mean = None

    with pytest.raises(InputError, match="Energy cannot draw samples: use its expected samples"):
        Energy().sample(torch.zeros(1), source())


# bits per dimension -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 2)])
def test_a_uniform_density_of_pixels_costs_8_bits(shape):
    dimensions = torch.Size(shape).numel()
    nats = dimensions * log(2.0)  # the density is 1/2 on [-1, 1]
    assert GaussianLikelihood().bits_per_dim(nats, shape, 2 / 256) == pytest.approx(8)
    tensor = GaussianLikelihood().bits_per_dim(torch.tensor(nats), shape, 2 / 256)
    torch.testing.assert_close(tensor, torch.tensor(8.0))


def test_probabilities_of_pixels_and_densities_of_points_are_given_no_bits():
    assert LogisticMixtureLikelihood().bits_per_dim(12 * log(256), (3, 2, 2), 2 / 256) == pytest.approx(8)
    assert BernoulliLikelihood().bits_per_dim(12 * log(2), (3, 2, 2), 2 / 256) == pytest.approx(1)
    assert GaussianLikelihood().bits_per_dim(2 * log(2), (2,), None) == pytest.approx(1)


# each of them -------------------------------------------------------------------------------------------------------


def test_bernoulli_is_the_log_probability_of_black_and_white_pixels():
    x, output = images().sign(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    expected = Bernoulli(logits=output).log_prob((x + 1) / 2).sum((1, 2, 3))
    torch.testing.assert_close(BernoulliLikelihood().log_prob(output, x), expected)
    torch.testing.assert_close(BernoulliLikelihood()(record(x, output)), -expected.mean())


def test_bernoulli_of_grey_pixels_is_least_at_their_entropy():
    x = images().clamp(-0.99, 0.99)
    p = (x + 1) / 2
    best = p.logit().requires_grad_()
    value = BernoulliLikelihood()(record(x, best))
    torch.testing.assert_close(value, Bernoulli(p).entropy().sum((1, 2, 3)).mean())
    assert torch.autograd.grad(value, best)[0].abs().max() < 1e-12


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(("cls", "reference"), [(GaussianLikelihood, Normal), (LaplaceLikelihood, Laplace)])
def test_densities_of_fixed_scale(cls, reference, scale):
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double)
    expected = reference(output, scale).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(cls(scale).log_prob(output, x), expected)
    torch.testing.assert_close(cls(scale)(record(x, output)), -expected.mean())


@pytest.mark.parametrize(("cls", "deviation"), [(GaussianLikelihood, 0.5), (LaplaceLikelihood, 0.5 * 2**0.5)])
def test_samples_of_a_density_have_its_scale(cls, deviation):
    drawn = cls(0.5).sample(torch.zeros(100_000, 1), source())
    assert drawn.std().item() == pytest.approx(deviation, rel=0.02)
    below = (drawn < -0.5).double().mean().item()
    reference = Normal(0.0, 0.5) if cls is GaussianLikelihood else Laplace(0.0, 0.5)
    assert below == pytest.approx(reference.cdf(torch.tensor(-0.5)).item(), rel=0.05)


def test_gaussian_of_scale_one_has_the_gradient_of_half_the_squared_error():
    x, output = images(), torch.randn(6, 3, 4, 5, dtype=torch.double, requires_grad=True)
    (ours,) = torch.autograd.grad(GaussianLikelihood(1.0)(record(x, output)), output)
    (theirs,) = torch.autograd.grad(0.5 * (output - x).square().sum() / 6, output)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "likelihood", [BernoulliLikelihood(), GaussianLikelihood(0.5), SharedScaleGaussianLikelihood(0.5)]
)
def test_mean_explains_the_samples_best(likelihood):
    """Ascend log p(x|z) in the output: the likelihood's mean must arrive at the samples themselves."""
    x = images(2).clamp(-0.99, 0.99)
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


@pytest.mark.parametrize("cls", [GaussianLikelihood, LaplaceLikelihood])
def test_a_scale_of_zero_is_refused(cls):
    with pytest.raises(InputError, match="deviation above 0"):
        cls(scale=0.0)


def test_the_rarest_draw_of_a_laplace_is_finite(monkeypatch):
    monkeypatch.setattr(reconstruction, "uniform_like", lambda x, generator: torch.zeros_like(x))
    assert LaplaceLikelihood().sample(torch.zeros(2, 3), torch.Generator()).isfinite().all()
