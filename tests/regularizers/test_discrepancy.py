import math

import pytest
import torch

from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.priors import Normal
from lightning_gen.records import Code, Reconstruction
from lightning_gen.regularizers import GaussianKernel, InverseMultiquadric, MaximumMeanDiscrepancy

KERNELS = (InverseMultiquadric, GaussianKernel)
every_kernel = pytest.mark.parametrize("cls", KERNELS)
PROFILES = {InverseMultiquadric: lambda c, r: c / (c + r), GaussianKernel: lambda c, r: math.exp(-r / c)}


def record(codes, prior, draws=1):
    return Reconstruction(codes, Code(codes, codes), codes, codes_per_sample=draws, draw_prior=lambda n: prior[:n])


def draws(n, d=3, seed=0, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.double) + shift


def by_loops(profile, z, p, deviation, scales):
    def k(x, y):
        squared = sum((a - b) ** 2 for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return sum(profile(scale * 2 * len(x) * deviation**2, squared) for scale in scales)

    n = len(z)
    within = sum(k(z[i], z[j]) + k(p[i], p[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within - 2 * sum(k(z[i], p[j]) for i in range(n) for j in range(n)) / n**2


@every_kernel
@pytest.mark.parametrize("scales", [(1.0,), (0.1, 1.0, 5.0)])
def test_discrepancy_by_a_double_loop(cls, scales):
    """Diagonals are left out within, not across, and kernels of all scales are summed, not averaged."""
    z, p = draws(7, seed=1, shift=0.5), draws(7, seed=2)
    value = MaximumMeanDiscrepancy(cls(1.5, scales))(record(z, p))
    assert value.item() == pytest.approx(by_loops(PROFILES[cls], z, p, 1.5, scales))


@every_kernel
def test_it_is_unbiased_at_the_prior_and_grows_away_from_it(cls):
    def mean(shift):
        term = MaximumMeanDiscrepancy(cls())
        values = [term(record(draws(20, seed=s, shift=shift), draws(20, seed=1000 + s))) for s in range(100)]
        return torch.stack(values).mean().item(), torch.stack(values).std().item() / 100**0.5

    value, error = mean(0.0)
    assert abs(value) < 4 * error
    assert mean(0.3)[0] > 5 * error
    assert mean(1.0)[0] > mean(0.3)[0]


def test_gaussian_kernel_at_the_prior_has_the_closed_form():
    """For two draws from N(0, I) E exp(-r² / C) = (1 + 4 / C)^(-d/2)."""
    kernel = GaussianKernel(scales=(1.0,))
    x, y = draws(2000, seed=1), draws(2000, seed=2)
    assert kernel(x, y).mean().item() == pytest.approx((1 + 4 / 6) ** -1.5, abs=0.015)


def test_a_scale_of_half_the_dimensions_is_the_kernel_of_infovae():
    """exp(-mean((x - y)²) / d). For codes that are all 0 the mean is known: E exp(-r² / C) = (1 + 2 / C)^(-d/2)."""
    d = 10
    x, y = draws(40, d, seed=1), draws(40, d, seed=2)
    theirs = (-(x[:, None] - y).square().mean(2) / d).exp()
    torch.testing.assert_close(GaussianKernel(scales=(d / 2,))(x, y), theirs)

    def collapsed(scales):
        widths = [2 * d * scale for scale in scales]
        return sum(1 + (1 + 4 / c) ** (-d / 2) - 2 * (1 + 2 / c) ** (-d / 2) for c in widths)

    assert collapsed([d / 2]) == pytest.approx(0.0105, abs=1e-4)
    assert collapsed(GaussianKernel().scales) == pytest.approx(2.32, abs=0.005)
    prior, zeros = draws(3000, d, seed=3), torch.zeros(3000, d).double()
    for kernel in (GaussianKernel(scales=(d / 2,)), GaussianKernel()):
        value = MaximumMeanDiscrepancy(kernel)(record(zeros, prior)).item()
        assert value == pytest.approx(collapsed(kernel.scales), rel=0.02)


@every_kernel
def test_equal_codes_are_alike_and_give_finite_gradients(cls):
    codes = torch.zeros(4, 3, requires_grad=True)
    assert torch.equal(cls()(codes, codes), torch.full((4, 4), 7.0))
    (gradient,) = torch.autograd.grad(MaximumMeanDiscrepancy(cls())(record(codes, draws(4).float())), codes)
    assert gradient.isfinite().all()


def test_one_draw_a_sample_is_looked_at():
    z, p = draws(10), draws(10, seed=2)
    expected = MaximumMeanDiscrepancy()(record(z[::2], p))
    assert torch.equal(MaximumMeanDiscrepancy()(record(z, p, draws=2)), expected)


@every_kernel
def test_gradients_are_those_of_plain_differences(cls):
    z, p = draws(7, shift=0.5).requires_grad_(), draws(7, seed=2)

    def k(x, y):
        ratio = (x[:, None] - y).square().sum(2) / 6
        return (1 / (1 + ratio) if cls is InverseMultiquadric else (-ratio).exp()).sum()

    plain = (k(z, z) - 7 + k(p, p) - 7) / 42 - 2 * k(z, p) / 49
    value = MaximumMeanDiscrepancy(cls(scales=(1.0,)))(record(z, p))
    torch.testing.assert_close(value, plain)
    torch.testing.assert_close(torch.autograd.grad(value, z), torch.autograd.grad(plain, z))


def test_a_batch_of_one_says_nothing():
    codes = draws(1).requires_grad_()
    value = MaximumMeanDiscrepancy()(record(codes, draws(1)))
    assert value == 0
    assert torch.equal(torch.autograd.grad(value, codes)[0], torch.zeros_like(codes))


def test_without_a_prior_it_is_refused(autoencoder):
    x = torch.rand(4, 1, 8, 8)
    term, likelihood = MaximumMeanDiscrepancy(), autoencoder().likelihood
    plain = autoencoder(objective={"reconstruction": likelihood, "discrepancy": term})
    with pytest.raises(InputError, match="use GaussianBottleneck or give IdentityBottleneck a prior"):
        plain.loss(plain.reconstruction(x, torch.Generator()))
    wae = autoencoder(bottleneck=IdentityBottleneck(3, Normal()), objective={"reconstruction": likelihood, "d": term})
    assert wae.loss(wae.reconstruction(x, torch.Generator()))[0].isfinite()
    with pytest.raises(InputError, match="and the pass a generator"):
        wae.loss(wae.reconstruction(x, None))


@every_kernel
@pytest.mark.parametrize("arguments", [(0.0,), (1.0, ()), (1.0, (1.0, -2.0))])
def test_impossible_kernels_are_refused(cls, arguments):
    with pytest.raises(InputError, match=f"{cls.__name__} cannot have deviation .*: give numbers above 0"):
        cls(*arguments)
