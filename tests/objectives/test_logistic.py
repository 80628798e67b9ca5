import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.objectives import LogisticMixtureLikelihood

VALUES = torch.arange(256, dtype=torch.double) / 127.5 - 1


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def naive(values, k):
    """-log p of one colour pixel by the formula of the paper, from its 10 k numbers, as a function of the pixel."""
    logits, rest = values[:k], values[k:].view(3, 3, k)
    means, log_scales, c = rest[:, 0], rest[:, 1].clamp(min=-7), rest[:, 2].tanh()

    def bins(v, mean, log_scale):
        above = torch.tensor(1.0).double() if v > 0.999 else ((v + 1 / 255 - mean) / log_scale.exp()).sigmoid()
        below = torch.tensor(0.0).double() if v < -0.999 else ((v - 1 / 255 - mean) / log_scale.exp()).sigmoid()
        return above - below

    def probability(red, green, blue):
        total = torch.zeros((), dtype=torch.double)
        for i, share in enumerate(logits.softmax(0)):
            p = bins(red, means[0, i], log_scales[0, i])
            p = p * bins(green, means[1, i] + c[0, i] * red, log_scales[1, i])
            p = p * bins(blue, means[2, i] + c[1, i] * red + c[2, i] * green, log_scales[2, i])
            total = total + share * p
        return total

    return probability


def test_colour_pixels_have_the_probability_of_the_paper():
    torch.manual_seed(0)
    k, n = 4, 30
    output, x = torch.randn(n, 10 * k, 1, 1).double(), VALUES[torch.randint(256, (n, 3))]
    x[0], x[1] = torch.tensor([-1.0, 1.0, -1.0]), torch.tensor([1.0, -1.0, 1.0])
    ours = LogisticMixtureLikelihood(k).log_prob(output, x.view(n, 3, 1, 1))
    theirs = torch.stack([naive(output[i].flatten(), k)(*x[i]).log() for i in range(n)])
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_probabilities_of_independent_channels_sum_to_one(channels):
    torch.manual_seed(0)
    likelihood = LogisticMixtureLikelihood(5)
    output = torch.randn(1, likelihood.outputs(channels), 2, 3).double() * 3
    x = VALUES.view(256, 1, 1, 1).expand(-1, channels, 2, 3)
    total = likelihood.log_probs(output.expand(256, -1, -1, -1), x).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(channels, 2, 3).double())


@pytest.mark.parametrize("value", [0, 100, 255])
def test_probabilities_of_colour_pixels_sum_to_one(value):
    """Over all values of green and blue the sum is the probability of red, which is that of a grey pixel."""
    torch.manual_seed(0)
    likelihood, output = LogisticMixtureLikelihood(2), torch.randn(20).double()
    x = torch.cartesian_prod(VALUES[value].view(1), VALUES, VALUES).view(-1, 3, 1, 1)
    total = likelihood.log_prob(output.view(1, -1, 1, 1).expand(len(x), -1, 1, 1), x).exp().sum()
    red = torch.cat([output[:2], output[2:6]]).view(1, 6, 1, 1)
    torch.testing.assert_close(total, likelihood.log_prob(red, VALUES[value].view(1, 1, 1, 1)).exp().squeeze())


@pytest.mark.parametrize("channels", [1, 2])
def test_uniform_pixels_cost_8_bits(channels):
    """Narrow distributions about all 256 values: what each gives to its neighbours it gets back from them."""
    likelihood = LogisticMixtureLikelihood(256)
    parameters = torch.stack([torch.zeros(256), VALUES.float(), torch.full((256,), -20.0)])
    output = parameters.expand(256, channels, -1, -1).reshape(256, -1, 1, 1).double()
    nats = -likelihood.log_prob(output, VALUES.view(256, 1, 1, 1).expand(-1, channels, 1, 1))
    bits = likelihood.bits_per_dim(nats, (channels, 1, 1), 2 / 256)
    torch.testing.assert_close(bits, torch.full((256,), 8.0).double(), atol=1e-5, rtol=0)


def test_samples_of_a_grey_pixel_are_drawn_as_often_as_they_are_probable():
    torch.manual_seed(0)
    likelihood, n = LogisticMixtureLikelihood(3), 100_000
    output = torch.randn(1, 9, 1, 1).double() - 1
    drawn = ((likelihood.sample(output.expand(n, -1, 1, 1), source()).flatten() + 1) * 127.5).round().long()
    share = drawn.bincount(minlength=256) / n
    expected = likelihood.log_prob(output.expand(256, -1, 1, 1), VALUES.view(256, 1, 1, 1)).exp()
    assert (share - expected).abs().sum() / 2 < 0.02
    assert expected[[0, 255]].min() > 0.01


@pytest.mark.parametrize("changed", range(10))
def test_samples_of_a_colour_pixel_are_drawn_as_often_as_they_are_probable(changed):
    """For x drawn from p the mean of q(x) / p(x) is 1, whatever q; here q has one parameter changed."""
    torch.manual_seed(0)
    likelihood, n = LogisticMixtureLikelihood(2), 20_000
    p = torch.randn(20).double() - 1
    q = p.clone()
    q[2 * changed] += 0.3
    x = likelihood.sample(p.view(1, -1, 1, 1).expand(n, -1, 1, 1), source())
    log_p, log_q = (likelihood.log_prob(each.view(1, -1, 1, 1).expand(n, -1, 1, 1), x) for each in (p, q))
    ratio = (log_q - log_p).exp()
    assert ratio.std() > 0.01
    assert (ratio.mean() - 1).abs() < 5 * ratio.std() / n**0.5


@pytest.mark.parametrize("log_scale", [-20.0, -5.0, -1.0, 2.0, 30.0])
def test_the_mean_is_that_of_the_256_values(log_scale):
    for mean in (-3.0, -1.0, 0.123, 0.999):
        likelihood, output = LogisticMixtureLikelihood(1), torch.tensor([0.0, mean, log_scale]).view(1, 3, 1, 1)
        probability = likelihood.log_prob(output.double().expand(256, -1, 1, 1), VALUES.view(256, 1, 1, 1)).exp()
        expected = pytest.approx((probability * VALUES).sum().item(), abs=1 / 255 + 1e-4)
        assert likelihood.mean(output).item() == expected, mean


@pytest.mark.parametrize(("log_scale", "tolerance"), [(-5.0, 1 / 255), (-1.0, 0.05)])
def test_the_mean_of_three_channels(log_scale, tolerance):
    """Within half a step where nothing is cut off, and near to it where a third of the values are."""
    torch.manual_seed(0)
    likelihood, n = LogisticMixtureLikelihood(2), 20_000
    rest = torch.randn(3, 3, 2).double() * torch.tensor([0.2, 0.1, 0.5]).view(3, 1) + torch.tensor(
        [0.0, log_scale, 0.0]
    ).view(3, 1)
    output = torch.cat([torch.randn(2).double(), rest.flatten()]).view(1, -1, 1, 1)
    drawn = likelihood.sample(output.expand(n, -1, 1, 1), source())
    error = (drawn.mean(0) - likelihood.mean(output)[0]).abs()
    assert (error < tolerance + 5 * drawn.std(0) / n**0.5).all()


def test_colours_move_together():
    """With one component and coefficients of 1 green is red plus noise of its own, and blue is their sum."""
    likelihood, n = LogisticMixtureLikelihood(1), 50_000
    rest = torch.zeros(3, 3, 1).double()
    rest[:, 1, 0], rest[:, 2, 0] = torch.tensor([-3.0, -4.0, -4.0]), 20.0
    drawn = likelihood.sample(
        torch.cat([torch.zeros(1), rest.flatten()]).view(1, -1, 1, 1).expand(n, -1, 1, 1), source()
    )
    red, green, blue = drawn[:, :, 0, 0].T
    torch.testing.assert_close(torch.cov(torch.stack([red, green]))[0, 1], red.var(), rtol=0.05, atol=0)
    torch.testing.assert_close((blue - red - green).std(), (green - red).std(), rtol=0.05, atol=0)


def test_likely_and_unlikely_pixels_have_gradients_that_point_to_them():
    """Far out the probability of a bin rounds to 0 in float32; its logarithm must not."""
    output = torch.tensor([0.0, 0.9, -7.0]).view(1, 3, 1, 1).requires_grad_()
    log_prob = LogisticMixtureLikelihood(1).log_prob(output, torch.full((1, 1, 1, 1), -0.5))
    (gradient,) = torch.autograd.grad(log_prob.sum(), output)
    assert log_prob.isfinite()
    assert log_prob < -1000
    assert gradient.flatten()[1] == pytest.approx(-torch.tensor(7.0).exp().item(), rel=1e-3)


def test_no_components_are_refused():
    with pytest.raises(InputError, match="give at least 1"):
        LogisticMixtureLikelihood(0)
