import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.objectives import (
    BernoulliLikelihood,
    GaussianLikelihood,
    HiddenPart,
    LogisticMixtureLikelihood,
    PixelScaleGaussianLikelihood,
)
from lightning_gen.records import Code, Reconstruction

INSIDE = (BernoulliLikelihood(), GaussianLikelihood(0.5), PixelScaleGaussianLikelihood(), LogisticMixtureLikelihood(2))
every_likelihood = pytest.mark.parametrize("inside", INSIDE)


def record(x, output, hidden):
    code = torch.zeros(len(x), 1)
    return Reconstruction(x, Code(code, code), output, hidden=hidden)


def pass_through(likelihood):
    torch.manual_seed(0)
    x = torch.randint(256, (6, 3, 4, 5)).double() / 127.5 - 1
    return x, torch.randn(6, likelihood.outputs(3), 4, 5).double(), torch.rand(6, 1, 4, 5) < 0.4


@every_likelihood
def test_only_hidden_pixels_count_and_as_a_sum(inside):
    x, output, hidden = pass_through(inside)
    expected = torch.zeros(()).double()
    for i in range(6):
        for row, column in hidden[i, 0].nonzero().tolist():
            place = (slice(i, i + 1), slice(None), slice(row, row + 1), slice(column, column + 1))
            expected = expected - inside.log_prob(output[place], x[place]).sum() / 6
    torch.testing.assert_close(HiddenPart(inside)(record(x, output, hidden)), expected)


@every_likelihood
def test_hidden_and_seen_pixels_are_all_pixels(inside):
    x, output, hidden = pass_through(inside)
    whole = inside(record(x, output, None))
    term = HiddenPart(inside)
    torch.testing.assert_close(term(record(x, output, hidden)) + term(record(x, output, ~hidden)), whole)
    torch.testing.assert_close(term(record(x, output, None)), whole)
    torch.testing.assert_close(term(record(x, output, torch.ones(1, 1, 1, 1, dtype=torch.bool))), whole)


@every_likelihood
def test_seen_pixels_give_no_gradient(inside):
    x, output, hidden = pass_through(inside)
    output.requires_grad_()
    (gradient,) = torch.autograd.grad(HiddenPart(inside)(record(x, output, hidden)), output)
    reached = gradient.abs().sum(1, keepdim=True) > 0
    assert torch.equal(reached, hidden)


@every_likelihood
def test_all_else_is_the_likelihood_inside(inside):
    x, output, _ = pass_through(inside)
    wrapped = HiddenPart(inside)
    source = torch.Generator()
    assert wrapped.outputs(3) == inside.outputs(3)
    assert (wrapped.discrete, wrapped.pixels_only) == (inside.discrete, inside.pixels_only)
    assert torch.equal(wrapped.log_probs(output, x), inside.log_probs(output, x))
    assert torch.equal(wrapped.log_prob(output, x), inside.log_prob(output, x))
    assert torch.equal(wrapped.mean(output), inside.mean(output))
    drawn = [each.sample(output, source.manual_seed(0)) for each in (wrapped, inside)]
    assert torch.equal(*drawn)
    assert wrapped.bits_per_dim(7.0, (3, 4, 5), 2 / 256) == inside.bits_per_dim(7.0, (3, 4, 5), 2 / 256)


def test_points_may_be_hidden_by_their_coordinates():
    x, output = torch.randn(5, 2), torch.zeros(5, 2)
    hidden = torch.tensor([[True, False]]).expand(5, 2)
    expected = -GaussianLikelihood().log_prob(output[:, :1], x[:, :1]).mean()
    torch.testing.assert_close(HiddenPart(GaussianLikelihood())(record(x, output, hidden)), expected)


def test_channels_that_depend_on_each_other_are_hidden_together():
    likelihood = LogisticMixtureLikelihood(2)
    x, output, hidden = pass_through(likelihood)
    with pytest.raises(InputError, match="hide whole pixels"):
        HiddenPart(likelihood)(record(x, output, hidden.expand(-1, 3, -1, -1)))


def test_a_weight_that_would_have_no_effect_is_refused():
    with pytest.raises(InputError, match="no effect inside HiddenPart: give it to HiddenPart"):
        HiddenPart(GaussianLikelihood(weight=2.0))
    assert HiddenPart(GaussianLikelihood(), weight=2.0).weight == 2.0
