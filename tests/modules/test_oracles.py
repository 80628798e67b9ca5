"""Bounds on log p(x) against the one variational autoencoder whose log p(x) is known: probabilistic PCA.

Paper: Probabilistic Principal Component Analysis, https://doi.org/10.1111/1467-9868.00196, equations 4 to 7
"""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from lightning_gen import AutoencoderModule
from lightning_gen.bottlenecks import GaussianBottleneck
from lightning_gen.data import Tensors
from lightning_gen.evaluation.likelihoods import likelihoods
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import GaussianLikelihood, ImportanceWeightedBound
from lightning_gen.regularizers import KLDivergence

DIMENSIONS, WIDTH, SCALE = 6, 3, 0.4


class Oracle:
    """x = W z + b + scale · eps with orthogonal columns of W, so that the true posterior is a diagonal Gaussian."""

    def __init__(self):
        draw = torch.Generator().manual_seed(7)
        axes, _ = torch.linalg.qr(torch.randn(DIMENSIONS, WIDTH, generator=draw, dtype=torch.double))
        self.weight = axes * torch.tensor([1.5, 0.8, 0.3], dtype=torch.double)
        self.bias = torch.randn(DIMENSIONS, generator=draw, dtype=torch.double)
        noise = SCALE**2 * torch.eye(DIMENSIONS, dtype=torch.double)
        self.marginal = MultivariateNormal(self.bias, self.weight @ self.weight.T + noise)
        self.x = self.marginal.mean + torch.randn(400, DIMENSIONS, generator=draw, dtype=torch.double) @ (
            torch.linalg.cholesky(self.marginal.covariance_matrix).T
        )

    def module(self, offset=0.0, draws=1, bound=False):
        """The autoencoder whose decoder is W and b, and whose encoder is the true posterior up to an offset."""
        likelihood = GaussianLikelihood(SCALE)
        terms = {"reconstruction": likelihood, "kl": KLDivergence()}
        module = AutoencoderModule(
            DenseEncoder((DIMENSIONS,), 2 * WIDTH, widths=()),
            DenseDecoder((DIMENSIONS,), WIDTH, widths=()),
            GaussianBottleneck(WIDTH),
            {"bound": ImportanceWeightedBound(likelihood)} if bound else terms,
            codes_per_sample=draws,
        ).double()
        encoder, decoder = linear(module.encoder), linear(module.decoder)
        precision = 1 + self.weight.square().sum(0) / SCALE**2
        project = self.weight.T / SCALE**2 / precision[:, None]
        with torch.no_grad():
            decoder.weight.copy_(self.weight), decoder.bias.copy_(self.bias)
            encoder.weight.zero_(), encoder.weight[:WIDTH].copy_(project)
            encoder.bias.copy_(torch.cat([-project @ self.bias, -precision.log()]))
            encoder.weight.add_(offset), encoder.bias.add_(offset)
        return module


def linear(network):
    return next(part for part in network.modules() if isinstance(part, nn.Linear))


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def oracle():
    return Oracle()


@pytest.fixture
def data(oracle, tmp_path):
    """The samples as a data set whose test split is half of them."""
    torch.save(oracle.x, tmp_path / "x.pt")
    made = Tensors(str(tmp_path / "x.pt"), test_fraction=0.5)
    made.setup()
    return made


def figures(report):
    return {measurement.name: measurement.value for measurement in report.measurements}


def value(module, x, seed=0):
    with torch.no_grad():
        total, _ = module.loss(module.reconstruction(x, source(seed)))
    return -total.item()


def test_the_elbo_of_the_true_posterior_is_the_log_likelihood(oracle):
    """Σ over draws of log p(x|z) has noise, its mean over the posterior has none: it is added in closed form."""
    module = oracle.module()
    record = module.reconstruction(oracle.x, source())
    (level,) = record.code.levels
    expected = GaussianLikelihood(SCALE).log_prob(module.decoder(record.code.mean), oracle.x)
    expected = expected - 0.5 * (level.posterior.variance @ oracle.weight.T.square().sum(1)) / SCALE**2
    elbo = expected.mean() - KLDivergence()(record)
    torch.testing.assert_close(elbo, oracle.marginal.log_prob(oracle.x).mean())


def test_every_weight_of_the_true_posterior_is_the_likelihood(oracle):
    """p(x, z) / q(z|x) = p(x) for each z, so the bound is tight to rounding with any number of draws."""
    exact = oracle.marginal.log_prob(oracle.x).mean().item()
    for draws in (1, 2, 7):
        module = oracle.module(draws=draws, bound=True)
        assert value(module, oracle.x, seed=draws) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_elbo_of_any_encoder_lies_below(oracle, seed):
    torch.manual_seed(seed)
    module = oracle.module()
    nn.init.normal_(linear(module.encoder).weight, std=0.3), nn.init.normal_(linear(module.encoder).bias, std=0.3)
    exact = oracle.marginal.log_prob(oracle.x).mean().item()
    elbo = sum(value(module, oracle.x, each) for each in range(20)) / 20
    assert elbo < exact - 0.5


@pytest.mark.parametrize("seed", range(3))
def test_the_elbo_of_any_weights_lies_below_their_own_likelihood(seed):
    """Encoder and decoder at random: log p(x) is that of N(b, W Wᵀ + scale² I) with the decoder's own W and b."""
    oracle = Oracle()
    torch.manual_seed(seed)
    module = oracle.module()
    for network in (module.encoder, module.decoder):
        nn.init.normal_(linear(network).weight, std=0.5)
    weight, bias = (each.detach() for each in (linear(module.decoder).weight, linear(module.decoder).bias))
    noise = SCALE**2 * torch.eye(DIMENSIONS, dtype=torch.double)
    exact = MultivariateNormal(bias, weight @ weight.T + noise).log_prob(oracle.x).mean().item()
    elbo = sum(value(module, oracle.x, each) for each in range(20)) / 20
    assert elbo < exact - 0.5


def test_more_draws_come_closer_from_below(oracle):
    """The encoder is off by 0.1 everywhere; bounds rise with K towards log p(x)."""
    exact = oracle.marginal.log_prob(oracle.x).mean().item()
    bounds = [
        sum(value(oracle.module(0.1, draws, bound=True), oracle.x, seed) for seed in range(5)) / 5
        for draws in (1, 2, 5, 20, 200)
    ]
    assert all(after > before for before, after in pairwise(bounds))
    assert bounds[0] < exact - 0.2
    assert bounds[-1] == pytest.approx(exact, abs=0.01)


def test_training_finds_the_likelihood_of_the_best_model(oracle):
    """The maximum of the likelihood is known too: principal axes, with the mean of the other variances as noise."""
    x = oracle.x
    variances = torch.linalg.eigvalsh(x.T.cov(correction=0)).flip(0)
    scale = variances[WIDTH:].mean().sqrt().item()
    best = (
        -0.5 * (DIMENSIONS * torch.log(torch.tensor(2 * torch.pi)) + variances[:WIDTH].log().sum() + DIMENSIONS).item()
        - 0.5 * (DIMENSIONS - WIDTH) * torch.tensor(scale**2).log().item()
    )
    module = oracle.module(0.3)
    module.objective["reconstruction"] = GaussianLikelihood(scale)
    optimizer, generator = torch.optim.Adam(module.parameters(), lr=0.02), source()
    for step in range(500):
        optimizer.param_groups[0]["lr"] = 0.02 if step < 300 else 0.002
        total, _ = module.loss(module.reconstruction(x, generator))
        optimizer.zero_grad(), total.backward(), optimizer.step()
    elbo = sum(value(module, x, each) for each in range(50)) / 50
    assert elbo == pytest.approx(best, abs=0.03)


def test_what_evaluate_says_is_the_log_likelihood(oracle, data):
    exact = oracle.marginal.log_prob(data.scaled(data.test_set[:]).x.double()).mean().item()
    found = figures(likelihoods(oracle.module().float(), data, seed=0, draws=20))
    assert found["nll_nats"] == pytest.approx(-exact, abs=1e-4)
    assert found["elbo_nats"] == pytest.approx(exact, abs=0.1)  # the mean over 10 codes of each has noise
    assert found["bits_per_dim"] == pytest.approx(-found["elbo_nats"] / (DIMENSIONS * 0.6931472))
    assert found["active_units"] == WIDTH


def test_what_evaluate_says_of_a_worse_encoder(oracle, data):
    """The bound is lower and the estimate of log p(x), which does not depend on the encoder, is the same."""
    exact = oracle.marginal.log_prob(data.scaled(data.test_set[:]).x.double()).mean().item()
    found = figures(likelihoods(oracle.module(0.1).float(), data, seed=0, draws=2000))
    assert found["elbo_nats"] < exact - 0.2
    assert found["nll_nats"] == pytest.approx(-exact, abs=0.01)
