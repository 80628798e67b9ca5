import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from lightning_gen.errors import InputError
from lightning_gen.records import Code, Level, Reconstruction
from lightning_gen.regularizers import (
    DimensionwiseKL,
    KLDivergence,
    MutualInformation,
    StratifiedSampling,
    TotalCorrelation,
    WeightedSampling,
)

TERMS = (MutualInformation, TotalCorrelation, DimensionwiseKL)
SAMPLINGS = (WeightedSampling(), StratifiedSampling())
every_sampling = pytest.mark.parametrize("sampling", SAMPLINGS)


def record(mean, deviation, population, draws=1, seed=0):
    """A pass with codes drawn from N(mean, deviation²) for each sample."""
    mean, deviation = (torch.as_tensor(each).double().repeat_interleave(draws, 0) for each in (mean, deviation))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    level = Level(mean + deviation * noise, Normal(mean, deviation), Normal(torch.zeros_like(mean), 1.0))
    x = torch.zeros(len(mean), 1)
    return Reconstruction(x, Code(level.sample, mean, (level,)), x, codes_per_sample=draws, dataset_size=population)


def some(n=7, d=3, population=40, draws=1):
    torch.manual_seed(1)
    return record(torch.randn(n, d), torch.rand(n, d) + 0.3, population, draws)


def densities_by_loops(passed, draws):
    """log q(z_i,d | x_j) one number at a time."""
    level = passed.code.levels[0]
    rows, d = level.sample.shape
    result = torch.zeros(rows, rows // draws, d, dtype=torch.double)
    for i in range(rows):
        for j in range(rows // draws):
            for k in range(d):
                mean, deviation = level.posterior.mean[j * draws, k], level.posterior.stddev[j * draws, k]
                z = (level.sample[i, k] - mean) / deviation
                result[i, j, k] = -0.5 * z**2 - deviation.log() - 0.5 * math.log(2 * math.pi)
    return result


def weight_by_hand(sampling, own, other, n, population):
    """Weight of a sample in the density of the code of another one."""
    m = n - 1
    if isinstance(sampling, WeightedSampling):
        return 1 / (n * population)
    if own == other:
        return 1 / population
    return (population - m) / (population * m) if other == (own + 1) % n else 1 / m


@every_sampling
@pytest.mark.parametrize("draws", [1, 3])
def test_terms_are_those_of_a_double_loop(sampling, draws):
    passed = some(draws=draws)
    n, rows = 7, 7 * draws
    densities = densities_by_loops(passed, draws).exp()
    information = correlation = dimensionwise = 0.0
    for i in range(rows):
        weights = [weight_by_hand(sampling, i // draws, j, n, 40) for j in range(n)]
        joint = math.log(sum(w * densities[i, j].prod().item() for j, w in enumerate(weights)))
        product = sum(math.log(sum(w * densities[i, j, d].item() for j, w in enumerate(weights))) for d in range(3))
        prior = Normal(0.0, 1.0).log_prob(passed.code.sample[i]).sum().item()
        information += (densities[i, i // draws].log().sum().item() - joint) / rows
        correlation += (joint - product) / rows
        dimensionwise += (product - prior) / rows
    for term, expected in zip(TERMS, (information, correlation, dimensionwise), strict=True):
        assert term(sampling=sampling)(passed).item() == pytest.approx(expected, abs=1e-6)


@every_sampling
@pytest.mark.parametrize("draws", [1, 2])
def test_with_weight_one_the_three_are_the_sampled_divergence(sampling, draws):
    passed = some(draws=draws)
    total = sum(term(sampling=sampling)(passed) for term in TERMS)
    torch.testing.assert_close(total, KLDivergence(sampled=True)(passed), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("n", "population"), [(1, 1), (1, 50), (2, 2), (2, 7), (5, 5), (5, 1000), (64, 1437)])
def test_stratified_weights_of_a_code_sum_to_one_and_the_diagonal_is_one_in_n(n, population):
    """Strides of n instead of n + 1 would fill columns, and a row would sum to more."""
    weights = StratifiedSampling().log_weights(n, population, torch.device("cpu")).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(n))
    if n > 1:
        torch.testing.assert_close(weights.diagonal(), torch.full((n,), 1 / population))
        torch.testing.assert_close(weights[0], weights[1].roll(-1))


def test_stratified_sampling_is_unbiased():
    """E over batches of Σⱼ wᵢⱼ q(z|xⱼ) is q(z), whichever sample the code was drawn for."""
    torch.manual_seed(0)
    population, n = 6, 3
    density = torch.rand(population).double()
    weights = StratifiedSampling().log_weights(n, population, torch.device("cpu")).exp().double()
    others = [
        torch.tensor([0, *rest]) for rest in torch.cartesian_prod(*[torch.arange(1, 6)] * 2) if rest[0] != rest[1]
    ]
    estimates = torch.stack([(weights[0] * density[batch]).sum() for batch in others])
    torch.testing.assert_close(estimates.mean(), density.mean(), rtol=1e-6, atol=0)


@every_sampling
def test_the_gradient_of_weighted_sampling_does_not_know_the_population(sampling):
    gradients = []
    for population in (40, 4000):
        passed = some(population=population)
        mean = passed.code.mean.clone().requires_grad_()
        level = Level(passed.code.sample - passed.code.mean + mean, Normal(mean, 0.5), passed.code.levels[0].prior)
        passed = Reconstruction(passed.x, Code(level.sample, mean, (level,)), passed.x, dataset_size=population)
        gradients += torch.autograd.grad(TotalCorrelation(sampling=sampling)(passed), mean)
    assert torch.allclose(*gradients) == isinstance(sampling, WeightedSampling)


def aggregate(covariance, n=1000, noise=0.5, seed=0):
    """A whole data set as one batch, whose codes together are N(0, covariance): means N(0, covariance - noise² I)."""
    means = MultivariateNormal(torch.zeros(2), torch.tensor(covariance) - noise**2 * torch.eye(2)).sample((n,))
    return record(means, torch.full((n, 2), noise), n, seed=seed)


def test_total_correlation_of_independent_dimensions_is_near_zero():
    torch.manual_seed(0)
    passed = aggregate([[1.0, 0.0], [0.0, 1.0]])
    assert TotalCorrelation()(passed).item() == pytest.approx(0, abs=0.04)
    assert DimensionwiseKL()(passed).item() == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("correlation", [0.5, -0.7])
def test_total_correlation_of_a_correlated_gaussian(correlation):
    """-½ log(1 - rho²), and I(x; z) = ½ log det(covariance) / det(noise²); 1,000 samples know them to 0.06 nats."""
    torch.manual_seed(0)
    passed = aggregate([[1.0, correlation], [correlation, 1.0]])
    determinant = 1 - correlation**2
    assert TotalCorrelation()(passed).item() == pytest.approx(-0.5 * math.log(determinant), abs=0.06)
    information = 0.5 * math.log(determinant / 0.5**4)
    assert MutualInformation()(passed).item() == pytest.approx(information, abs=0.06)


def test_total_correlation_of_codes_far_apart_is_not_negative():
    """In nats and with its constants, the figure is not below 0 by the logarithm of something: log N at most here."""
    n = 64
    means = torch.arange(n)[:, None].expand(n, 2) * 100.0
    value = TotalCorrelation()(record(means, torch.ones(n, 2), n)).item()
    assert value == pytest.approx(math.log(n), rel=1e-6)


@pytest.mark.parametrize("population", [64, 1437, 60_000])
@pytest.mark.parametrize(("apart", "factor"), [(0.0, "population"), (1e3, "n")])
def test_weighted_sampling_is_off_by_the_logarithm_that_it_names(population, apart, factor):
    """By N where all codes overlap and the three are 0, 0 and 0; by n where each dimension tells the samples apart.

    With all codes at one place log q(z) = log q(z|x). With codes far apart q(z) = q(z|x) / N in all dimensions
    together and in each, so that the mutual information is log N and the total correlation -log N + d log N.
    """
    n, d = 64, 10
    means = apart * torch.arange(n)[:, None].expand(n, d)
    passed = record(means, torch.ones(n, d), population)
    off, true = math.log({"population": population, "n": n}[factor]), math.log(population) if apart else 0.0
    prior = DimensionwiseKL(sampling=StratifiedSampling())(record(0 * means, torch.ones(n, d), population)).item()
    information, correlation, dimensionwise = (term(sampling=WeightedSampling())(passed).item() for term in TERMS)
    assert information == pytest.approx(true + off, abs=1e-4)
    assert correlation == pytest.approx((d - 1) * (true + off), abs=1e-4)
    if not apart:
        assert prior == pytest.approx(0, abs=1e-4)
        assert dimensionwise == pytest.approx(-d * off, abs=1e-4)
        assert TotalCorrelation()(passed).item() == pytest.approx(0, abs=1e-4)
    whole = KLDivergence(sampled=True)(passed).item()
    assert information + correlation + dimensionwise == pytest.approx(whole, rel=1e-6)


def test_densities_are_computed_once_for_the_three():
    passed, calls = some(), []
    posterior = passed.code.levels[0].posterior
    original = posterior.log_prob
    posterior.log_prob = lambda z: calls.append(z.dim()) or original(z)
    for term in TERMS:
        term()(passed)
    assert calls.count(3) == 1


@pytest.mark.parametrize("cls", TERMS)
def test_an_unknown_population_is_refused(cls):
    with pytest.raises(InputError, match=r"number of training samples: .* model.dataset_size = len\(dataset\)"):
        cls()(some(population=None))


def test_a_batch_larger_than_the_training_set_counts_as_all_of_it():
    assert torch.equal(TotalCorrelation()(some(population=3)), TotalCorrelation()(some(population=7)))
