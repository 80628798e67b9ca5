import inspect

import pytest
import torch

from lightning_gen.bottlenecks import Bottleneck, GaussianBottleneck, IdentityBottleneck
from lightning_gen.errors import InputError

BOTTLENECKS = (IdentityBottleneck, GaussianBottleneck)
every_bottleneck = pytest.mark.parametrize("cls", BOTTLENECKS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@every_bottleneck
@pytest.mark.parametrize("generator", [None, source()])
def test_codes_are_as_wide_as_promised(cls, generator):
    bottleneck = cls(5)
    code = bottleneck(torch.randn(3, bottleneck.features), generator)
    assert code.sample.shape == code.mean.shape == (3, 5)


@every_bottleneck
def test_constructor_arguments_are_attributes(cls):
    part = cls(9)
    assert part.latent_dim == 9
    assert all(hasattr(part, name) for name in inspect.signature(cls).parameters)


@every_bottleneck
def test_without_a_generator_nothing_is_random(cls):
    bottleneck = cls(4)
    features = torch.randn(3, bottleneck.features)
    state = torch.get_rng_state()
    for mode in (True, False):
        code = bottleneck.train(mode)(features)
        assert torch.equal(code.sample, code.mean)
    assert torch.equal(torch.get_rng_state(), state)


@every_bottleneck
def test_same_generator_same_code(cls):
    bottleneck = cls(4)
    features = torch.randn(3, bottleneck.features)
    assert torch.equal(bottleneck(features, source(1)).sample, bottleneck(features, source(1)).sample)


@every_bottleneck
def test_a_prior_is_either_there_or_refused(cls):
    bottleneck = cls(4)
    if bottleneck.has_prior:
        assert bottleneck.sample_prior(3, source()).shape == (3, 4)
    else:
        with pytest.raises(InputError, match=f"{cls.__name__} has no prior"):
            bottleneck.sample_prior(3, source())


@every_bottleneck
def test_features_of_another_width_are_refused(cls):
    with pytest.raises(InputError, match=f"{cls.__name__} with latent_dim 4 reads features of shape .n, "):
        cls(4)(torch.randn(3, 5))


@every_bottleneck
def test_no_code_is_refused(cls):
    with pytest.raises(InputError, match="latent_dim of at least 1"):
        cls(0)


def test_the_base_is_only_a_contract():
    assert inspect.isabstract(Bottleneck)


def test_identity_is_the_identity():
    features = torch.randn(3, 8)
    code = IdentityBottleneck(8)(features, source())
    assert torch.equal(code.sample, features)


def test_gaussian_reads_mean_and_log_variance():
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    (level,) = GaussianBottleneck(4)(torch.cat([mean, log_variance], 1), source()).levels
    torch.testing.assert_close(level.posterior.mean, mean)
    torch.testing.assert_close(level.posterior.variance, log_variance.exp())
    assert (level.prior.mean == 0).all()
    assert (level.prior.variance == 1).all()


def test_gaussian_samples_are_distributed_as_the_posterior():
    features = torch.tensor([1.0, -2.0, 0.5, -1.0]).expand(200_000, 4)
    z = GaussianBottleneck(2)(features, source()).sample
    deviation = torch.tensor([0.5, -1.0]).mul(0.5).exp()
    torch.testing.assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(z.std(0), deviation, atol=0.01, rtol=0)
    assert torch.corrcoef(z.T)[0, 1].abs() < 0.01


def test_gaussian_gradients_are_those_of_the_reparameterisation():
    """z = mu + exp(lv / 2) eps, so dz/dmu = 1 and dz/dlv = (z - mu) / 2."""
    features = torch.randn(5, 6, requires_grad=True)
    code = GaussianBottleneck(3)(features, source())
    code.sample.sum().backward()
    torch.testing.assert_close(features.grad[:, :3], torch.ones(5, 3))
    torch.testing.assert_close(features.grad[:, 3:], ((code.sample - code.mean) / 2).detach())


def test_gaussian_prior_is_standard_normal():
    z = GaussianBottleneck(2).sample_prior(200_000, source())
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=0.01, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.015, rtol=0)


def test_half_precision_features_keep_a_precise_posterior():
    code = GaussianBottleneck(3)(torch.randn(5, 6).bfloat16(), source())
    assert code.sample.dtype == code.mean.dtype == torch.bfloat16
    assert code.levels[0].posterior.mean.dtype == torch.float32
