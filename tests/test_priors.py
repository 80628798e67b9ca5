"""Priors against the moments and distribution functions of scipy."""

import numpy as np
import pytest
import torch
from scipy import stats

from lightning_gen import InputError
from lightning_gen.priors import Hypersphere, LatentPrior, Normal, Uniform

# each prior and the distribution of one coordinate in 16 dimensions
PRIORS = {
    Normal: stats.norm(),
    Uniform: stats.uniform(-1, 2),
    # x_i / radius has the density (1 - t²)^((d - 3) / 2): a Beta((d - 1) / 2, (d - 1) / 2) on [-1, 1]
    Hypersphere: stats.beta(7.5, 7.5, loc=-4, scale=8),
}
every_prior = pytest.mark.parametrize("cls", PRIORS)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@every_prior
def test_coordinates_are_distributed_as_scipy_says(cls):
    latents = cls().draw(20_000, 16, source())
    assert latents.shape == (20_000, 16)
    assert latents.dtype == torch.float32
    assert stats.kstest(latents[:, 3].numpy(), PRIORS[cls].cdf).pvalue > 1e-3
    assert latents.mean(0).abs().max() < 5 * PRIORS[cls].std() / 20_000**0.5
    covariance = np.cov(latents.numpy().T)
    np.testing.assert_allclose(covariance, PRIORS[cls].var() * np.eye(16), atol=0.06)


def test_the_sphere_has_one_radius():
    for dimensions in (1, 2, 64):
        radius = Hypersphere().draw(500, dimensions, source()).norm(dim=1)
        torch.testing.assert_close(radius, torch.full((500,), dimensions**0.5))


@pytest.mark.parametrize("truncation", [0.04, 0.5, 1.0, 2.0, 8.0])
def test_truncation_is_that_of_scipy(truncation):
    latents = Normal().truncated(5_000, 4, source(), truncation)
    assert latents.shape == (5_000, 4)
    assert latents.dtype == torch.float32
    assert latents.abs().max().item() <= np.float32(truncation)
    reference = stats.truncnorm(-truncation, truncation)
    assert stats.kstest(latents.flatten().numpy(), reference.cdf).pvalue > 1e-3
    assert latents.std().item() == pytest.approx(reference.std(), rel=0.03)


@every_prior
def test_the_same_seed_draws_the_same_latents_and_nothing_else_is_drawn(cls):
    state = torch.get_rng_state()
    assert torch.equal(cls().draw(5, 3, source(1)), cls().draw(5, 3, source(1)))
    assert not torch.equal(cls().draw(5, 3, source(1)), cls().draw(5, 3, source(2)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("cls", [Uniform, Hypersphere])
def test_a_prior_without_a_dense_part_is_not_truncated(cls):
    with pytest.raises(InputError, match=f"{cls.__name__} is equally dense everywhere: leave out the truncation"):
        cls().truncated(5, 3, source(), 1.0)


@pytest.mark.parametrize("truncation", [0.0, -1.0, float("nan")])
def test_a_truncation_that_leaves_nothing_is_refused(truncation):
    with pytest.raises(InputError, match="--truncation must be above 0"):
        Normal().truncated(5, 3, source(), truncation)


def test_a_prior_of_ones_own_needs_only_to_draw():
    class Zero(LatentPrior):
        def draw(self, n, latent_dim, generator):
            return torch.zeros(n, latent_dim)

    assert Zero().draw(2, 3, source()).shape == (2, 3)
    with pytest.raises(InputError, match="Zero is equally dense"):
        Zero().truncated(2, 3, source(), 1.0)


@every_prior
def test_energies_are_log_densities_up_to_a_constant(cls):
    prior, latents = cls(), cls().draw(50, 16, source())
    energy = prior.energy(latents).double().numpy()
    expected = -stats.norm().logpdf(latents.double()).sum(1) if cls is Normal else np.zeros(50)
    np.testing.assert_allclose(energy - energy[0], expected - expected[0], atol=1e-5)


@every_prior
def test_the_nearest_latents_are_those_that_the_prior_can_draw(cls):
    prior, drawn, far = cls(), cls().draw(2000, 3, source()), 3 * torch.randn(40, 3, generator=source(1))
    torch.testing.assert_close(prior.nearest(drawn), drawn)
    nearest = prior.nearest(far)
    torch.testing.assert_close(prior.nearest(nearest), nearest)
    assert ((nearest - far).norm(dim=1) <= torch.cdist(far, drawn).min(1).values + 1e-6).all()
