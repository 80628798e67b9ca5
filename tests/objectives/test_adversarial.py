"""Each objective against its formula and derivative, written again in numpy."""

import inspect
from math import log

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from lightning_gen.errors import InputError
from lightning_gen.objectives import (
    DensityRatio,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)


def s(t):
    return 1 / (1 + np.exp(-t))


# For each: the two losses, and the derivatives of the losses of each sample, d/dr and d/df of both players.
FORMULAS = {
    Minimax: (
        lambda r, f: -np.log(s(r)).mean() - np.log(1 - s(f)).mean(),
        lambda r, f: np.log(1 - s(f)).mean(),
        (lambda r, f: -s(-r), lambda r, f: s(f), lambda r, f: 0 * r, lambda r, f: -s(f)),
    ),
    NonSaturating: (
        lambda r, f: -np.log(s(r)).mean() - np.log(1 - s(f)).mean(),
        lambda r, f: -np.log(s(f)).mean(),
        (lambda r, f: -s(-r), lambda r, f: s(f), lambda r, f: 0 * r, lambda r, f: -s(-f)),
    ),
    DensityRatio: (
        lambda r, f: -np.log(s(r)).mean() - np.log(1 - s(f)).mean(),
        lambda r, f: -f.mean(),
        (lambda r, f: -s(-r), lambda r, f: s(f), lambda r, f: 0 * r, lambda r, f: -np.ones_like(f)),
    ),
    LeastSquares: (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
        (lambda r, f: r - 1, lambda r, f: f, lambda r, f: 0 * r, lambda r, f: f - 1),
    ),
    Hinge: (
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: -f.mean(),
        (lambda r, f: -1.0 * (r < 1), lambda r, f: 1.0 * (f > -1), lambda r, f: 0 * r, lambda r, f: -np.ones_like(f)),
    ),
    Wasserstein: (
        lambda r, f: f.mean() - r.mean(),
        lambda r, f: -f.mean(),
        (
            lambda r, f: -np.ones_like(r),
            lambda r, f: np.ones_like(f),
            lambda r, f: 0 * r,
            lambda r, f: -np.ones_like(f),
        ),
    ),
    RelativisticPaired: (
        lambda r, f: -np.log(s(r - f)).mean(),
        lambda r, f: -np.log(s(f - r)).mean(),
        (lambda r, f: -s(f - r), lambda r, f: s(f - r), lambda r, f: s(r - f), lambda r, f: -s(r - f)),
    ),
    # the mean of the other kind is a function of each of its logits, so each derivative has two parts
    RelativisticAverage: (
        lambda r, f: -np.log(s(r - f.mean())).mean() - np.log(1 - s(f - r.mean())).mean(),
        lambda r, f: -np.log(s(f - r.mean())).mean() - np.log(1 - s(r - f.mean())).mean(),
        (
            lambda r, f: -s(f.mean() - r) - s(f - r.mean()).mean(),
            lambda r, f: s(f - r.mean()) + s(f.mean() - r).mean(),
            lambda r, f: s(r - f.mean()) + s(r.mean() - f).mean(),
            lambda r, f: -s(r.mean() - f) - s(r - f.mean()).mean(),
        ),
    ),
}
OBJECTIVES = tuple(FORMULAS)
SMOOTHED = (Minimax, NonSaturating, DensityRatio)
RELATIVE = (Wasserstein, RelativisticPaired, RelativisticAverage)
every_objective = pytest.mark.parametrize("cls", OBJECTIVES)


def logits(n=50):
    r, f = np.random.default_rng(0).normal(0, 3, (2, n))
    return r, f, torch.tensor(r, requires_grad=True), torch.tensor(f, requires_grad=True)


@every_objective
def test_losses_are_their_formulas(cls):
    r, f, real, fake = logits()
    discriminator, generator, _ = FORMULAS[cls]
    assert cls().discriminator(real, fake).item() == pytest.approx(discriminator(r, f), rel=1e-9)
    assert cls().generator(real, fake).item() == pytest.approx(generator(r, f), rel=1e-9)


@every_objective
def test_gradients_are_their_formulas(cls):
    r, f, real, fake = logits()
    derivatives = FORMULAS[cls][2]
    losses = (cls().discriminator(real, fake), cls().generator(real, fake))
    got = [g for loss in losses for g in torch.autograd.grad(loss, (real, fake), allow_unused=True)]
    for gradient, derivative in zip(got, derivatives, strict=True):
        expected = derivative(r, f) / len(r)
        np.testing.assert_allclose(np.zeros_like(r) if gradient is None else gradient, expected, atol=1e-12)


@every_objective
def test_the_flag_tells_whether_real_logits_matter_to_the_generator(cls):
    _, _, real, fake = logits()
    objective = cls()
    if objective.uses_real_logits_for_generator:
        assert torch.autograd.grad(objective.generator(real, fake), real)[0].abs().min() > 0
        with pytest.raises(InputError, match=f"{cls.__name__} compares .* pass the real ones"):
            objective.generator(None, fake)
    else:
        assert torch.equal(objective.generator(None, fake), objective.generator(real, fake))


@every_objective
def test_sure_discriminators_give_finite_losses_and_gradients(cls):
    for size in (1e4, -1e4):
        real, fake = torch.full((4,), size, requires_grad=True), torch.full((4,), -size, requires_grad=True)
        loss = cls().discriminator(real, fake) + cls().generator(real, fake)
        loss.backward()
        assert loss.isfinite(), size
        assert fake.grad.isfinite().all(), size


@pytest.mark.parametrize(
    ("cls", "discriminator", "generator"),
    [
        (Minimax, 2 * log(2), -log(2)),
        (NonSaturating, 2 * log(2), log(2)),
        (RelativisticPaired, log(2), log(2)),
        (RelativisticAverage, 2 * log(2), 2 * log(2)),
    ],
)
def test_equilibrium_in_nats(cls, discriminator, generator):
    even = torch.zeros(7)
    assert cls().discriminator(even, even).item() == pytest.approx(discriminator)
    assert cls().generator(even, even).item() == pytest.approx(generator)


def test_minimax_is_zero_sum_on_fake_samples():
    _, _, real, fake = logits()
    by_discriminator = torch.autograd.grad(Minimax().discriminator(real, fake), fake)[0]
    by_generator = torch.autograd.grad(Minimax().generator(real, fake), fake)[0]
    torch.testing.assert_close(by_discriminator, -by_generator)


@pytest.mark.parametrize("cls", RELATIVE)
def test_a_common_shift_of_scores_changes_nothing(cls):
    _, _, real, fake = logits()
    torch.testing.assert_close(cls().discriminator(real + 5, fake + 5), cls().discriminator(real, fake))
    if cls.uses_real_logits_for_generator:
        torch.testing.assert_close(cls().generator(real + 5, fake + 5), cls().generator(real, fake))


@pytest.mark.parametrize("cls", [RelativisticPaired, RelativisticAverage])
def test_relativistic_players_swap_real_and_fake(cls):
    _, _, real, fake = logits()
    torch.testing.assert_close(cls().generator(real, fake), cls().discriminator(fake, real))


@pytest.mark.parametrize("cls", [cls for cls in OBJECTIVES if cls is not RelativisticPaired])
def test_the_order_of_the_samples_does_not_matter_unless_they_are_paired(cls):
    _, _, real, fake = logits()
    order = torch.randperm(len(real))
    torch.testing.assert_close(cls().discriminator(real[order], fake), cls().discriminator(real, fake))
    torch.testing.assert_close(cls().generator(real[order], fake), cls().generator(real, fake))


@pytest.mark.parametrize("smoothing", [0.1, 0.3])
@pytest.mark.parametrize("cls", SMOOTHED)
def test_smoothed_labels_are_targets_of_the_cross_entropy(cls, smoothing):
    """With targets t the cross-entropy is KL(t || D) + H(t); in the discriminator's loss only, on real samples only."""
    _, _, real, fake = logits()
    target = Bernoulli(torch.tensor(1 - smoothing, dtype=torch.float64))
    real_cost = kl_divergence(target, Bernoulli(logits=real)).mean() + target.entropy()
    fake_cost = -Bernoulli(logits=fake).log_prob(torch.zeros(())).mean()
    loss = cls(label_smoothing=smoothing).discriminator(real, fake)
    torch.testing.assert_close(loss, real_cost + fake_cost)
    torch.testing.assert_close(
        torch.autograd.grad(loss, real)[0], (torch.sigmoid(real) - (1 - smoothing)).detach() / len(real)
    )
    assert torch.equal(cls(smoothing).generator(None, fake), cls().generator(None, fake))


@pytest.mark.parametrize("cls", SMOOTHED)
def test_the_best_logit_of_a_smoothed_real_sample_is_that_of_its_target(cls):
    best = torch.tensor([log(0.9 / 0.1)], dtype=torch.float64, requires_grad=True)
    loss = cls(label_smoothing=0.1).discriminator(best, torch.zeros(1))
    assert torch.autograd.grad(loss, best)[0].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("cls", SMOOTHED)
def test_a_smoothing_that_means_nothing_is_refused(cls):
    for smoothing in (-0.1, 1.0, 2, float("nan")):
        with pytest.raises(InputError, match=f"{cls.__name__} cannot have label_smoothing .*: give a number from 0"):
            cls(label_smoothing=smoothing)


@every_objective
def test_constructor_arguments_are_attributes(cls):
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(cls(), name) == parameter.default


def test_the_generator_of_a_density_ratio_pays_the_divergence_of_fake_from_real_at_the_optimum():
    torch.manual_seed(0)
    real, fake = Normal(0.0, 1.0), Normal(0.7, 0.5)
    x = fake.sample((400_000,)).double()
    logits = real.log_prob(x) - fake.log_prob(x)
    assert DensityRatio().generator(None, logits).item() == pytest.approx(kl_divergence(fake, real).item(), abs=0.01)
