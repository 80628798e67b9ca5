"""Penalties on critics whose gradients are known in closed form, and by finite differences on real ones."""

import inspect

import pytest
import torch

from lightning_gen.networks import DCGANDiscriminator, DenseDiscriminator
from lightning_gen.regularizers import R1, R2, GradientPenalty

PENALTIES = (GradientPenalty, R1, R2)
every_penalty = pytest.mark.parametrize("cls", PENALTIES)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def samples(n=7, d=5):
    torch.manual_seed(0)
    return torch.randn(n, d).double(), torch.randn(n, d).double() + 2


def linear(w):
    """A critic whose gradient is w everywhere."""
    return lambda x: x.flatten(1) @ w


def quadratic(a):
    """The critic ½ x'Ax with A symmetric, whose gradient is Ax."""
    return lambda x: 0.5 * ((x @ a) * x).sum(1)


def test_linear_critic():
    real, fake = samples()
    w = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0]).double().requires_grad_()
    norm = w.norm()
    cases = (
        (GradientPenalty(), (norm - 1) ** 2, 2 * (norm - 1) * w / norm),
        (GradientPenalty(centre=0.5), (norm - 0.5) ** 2, 2 * (norm - 0.5) * w / norm),
        (R1(), norm**2 / 2, w),
        (R2(), norm**2 / 2, w),
    )
    for penalty, value, derivative in cases:
        got = penalty(linear(w), real, fake, source())
        torch.testing.assert_close(got, value)
        torch.testing.assert_close(torch.autograd.grad(got, w)[0], derivative)


def test_quadratic_critic():
    real, fake = samples()
    a = torch.randn(5, 5).double()
    a = (a + a.T).requires_grad_()
    for penalty, x in ((R1(), real), (R2(), fake)):
        got = penalty(quadratic(a), real, fake, source())
        torch.testing.assert_close(got, 0.5 * (x @ a).square().sum(1).mean())


def test_interpolates_lie_uniformly_between_fake_and_real():
    """With ∇D(x) = x, real 1 and fake 0 in d dimensions, ‖∇D‖² = d u², whose mean is d / 3."""
    seen = []

    def critic(x):
        seen.append(x.detach())
        return 0.5 * x.square().sum((1, 2, 3))

    real = torch.ones(100_000, 1, 2, 2)
    penalty = GradientPenalty(centre=0.0)(critic, real, torch.zeros_like(real), source())
    assert penalty.item() == pytest.approx(4 / 3, rel=0.01)
    (x,) = seen
    assert (x == x[:, :1, :1, :1]).all()
    assert 0 <= x.min() < 1e-3
    assert 1 - 1e-3 < x.max() <= 1
    assert x.mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "critic",
    [DenseDiscriminator((2, 8, 8), widths=(9, 8)), DCGANDiscriminator((2, 8, 8), width=4, batch_norm=False)],
    ids=lambda critic: type(critic).__name__,
)
@every_penalty
def test_second_order_gradients_against_finite_differences(cls, critic):
    torch.manual_seed(0)
    critic = critic.double()
    weights = list(critic.parameters())
    for weight in weights:
        weight.data = 0.3 * torch.randn_like(weight)
    real, fake = torch.randn(4, 2, 8, 8).double(), torch.randn(4, 2, 8, 8).double()
    directions = [torch.randn_like(weight) for weight in weights]

    def value():
        return cls()(critic, real, fake, source())

    gradients = torch.autograd.grad(value(), weights, allow_unused=True)
    along = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True) if g is not None)
    ends = []
    for step in (1e-6, -1e-6):
        for weight, direction in zip(weights, directions, strict=True):
            weight.data += step * direction
        ends.append(value().item())
        for weight, direction in zip(weights, directions, strict=True):
            weight.data -= step * direction
    assert along.item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


@every_penalty
def test_nothing_flows_into_the_samples(cls):
    real, fake = (x.requires_grad_() for x in samples())
    a = torch.eye(5).double().requires_grad_()
    cls()(quadratic(a), real, fake, source()).backward()
    assert real.grad is None
    assert fake.grad is None
    assert a.grad.abs().sum() > 0


@every_penalty
def test_autocast_changes_nothing(cls):
    real, fake = (x.float() for x in samples())
    w = torch.tensor([1.001, -2.002, 0.503, 3.004, 0.105])
    value = {GradientPenalty: (w.norm() - 1) ** 2, R1: w.norm() ** 2 / 2, R2: w.norm() ** 2 / 2}[cls]
    with torch.autocast("cpu", torch.bfloat16):
        got = cls()(linear(w), real, fake.bfloat16(), source())
    torch.testing.assert_close(got, value, rtol=1e-6, atol=0)


@every_penalty
def test_only_the_generator_given_is_drawn_from(cls):
    real, fake = samples()
    critic = quadratic(torch.eye(5).double())
    state = torch.get_rng_state()
    first, again = (cls()(critic, real, fake, source(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


@every_penalty
def test_a_flat_critic_has_finite_gradients(cls):
    w = torch.zeros(5).double().requires_grad_()
    cls()(linear(w), *samples(), source()).backward()
    assert w.grad.isfinite().all()


@every_penalty
def test_constructor_arguments_are_attributes_and_penalties_unweighted(cls):
    real, fake = samples()
    critic = quadratic(torch.eye(5).double())
    heavy = cls(weight=50.0)
    assert heavy.weight == 50.0
    assert torch.equal(heavy(critic, real, fake, source()), cls()(critic, real, fake, source()))
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(cls(), name) == parameter.default
