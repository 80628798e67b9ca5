"""Penalties on critics whose gradients are known in closed form, and by finite differences on real ones."""

import inspect

import pytest
import torch
from discriminator_passes import discriminator_pass, linear, quadratic, samples, source

from lightning_gen.errors import InputError
from lightning_gen.networks import DCGANDiscriminator, DenseDiscriminator
from lightning_gen.networks.conditioning import Concatenation, Projection
from lightning_gen.regularizers import DRAGAN, R1, R2, GradientPenalty
from lightning_gen.schedules import Linear

PENALTIES = (GradientPenalty, DRAGAN, R1, R2)
every_penalty = pytest.mark.parametrize("cls", PENALTIES)
judged_or_not = pytest.mark.parametrize("watched", [True, False], ids=["shared pass", "pass of its own"])


@judged_or_not
def test_linear_critic(watched):
    real, fake = samples()
    w = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0]).double().requires_grad_()
    norm = w.norm()
    cases = (
        (GradientPenalty(), (norm - 1) ** 2, 2 * (norm - 1) * w / norm),
        (GradientPenalty(centre=0.5), (norm - 0.5) ** 2, 2 * (norm - 0.5) * w / norm),
        (GradientPenalty(centre=0.0), norm**2, 2 * w),
        (GradientPenalty(one_sided=True), (norm - 1) ** 2, 2 * (norm - 1) * w / norm),
        (GradientPenalty(centre=9.0, one_sided=True), 0 * norm, 0 * w),
        (DRAGAN(), (norm - 1) ** 2, 2 * (norm - 1) * w / norm),
        (R1(), norm**2 / 2, w),
        (R2(), norm**2 / 2, w),
    )
    for penalty, value, derivative in cases:
        got = penalty(discriminator_pass(linear(w), real, fake, watched))
        torch.testing.assert_close(got, value)
        torch.testing.assert_close(torch.autograd.grad(got, w)[0], derivative)


@judged_or_not
def test_quadratic_critic(watched):
    real, fake = samples()
    a = torch.randn(5, 5).double()
    a = (a + a.T).requires_grad_()
    for penalty, x in ((R1(), real), (R2(), fake)):
        got = penalty(discriminator_pass(quadratic(a), real, fake, watched))
        torch.testing.assert_close(got, 0.5 * (x @ a).square().sum(1).mean())


def test_one_sided_lets_small_gradients_be():
    """With ∇D(x) = x, real = fake = x and norms 1 to 7, only those above 4 count: 1² + 2² + 3² over 7."""
    x = torch.diag(torch.arange(1.0, 8.0))
    critic = quadratic(torch.eye(7))
    assert GradientPenalty(centre=4.0, one_sided=True)(discriminator_pass(critic, x, x)).item() == pytest.approx(14 / 7)
    assert GradientPenalty(centre=4.0)(discriminator_pass(critic, x, x)).item() == pytest.approx(28 / 7)


def test_gradient_penalty_is_the_one_written_by_hand():
    """The loop of WGAN-GP's Algorithm 1, sample by sample, with its gradient at the parameters."""
    real, fake = (torch.randn(6, 2, 8, 8).double() for _ in range(2))
    critic = DenseDiscriminator((2, 8, 8), widths=(9, 8)).double()
    u = torch.rand(6, 1, 1, 1, generator=source(5)).double()
    total = 0
    for i in range(6):
        x = (u[i] * real[i] + (1 - u[i]) * fake[i]).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x[None]).logits[0], x, create_graph=True)
        total = total + (gradient.square().sum().sqrt() - 1) ** 2 / 6
    got = GradientPenalty()(discriminator_pass(critic, real, fake, seed=5))
    torch.testing.assert_close(got, total)
    weights = list(critic.parameters())
    for ours, theirs in zip(
        *(torch.autograd.grad(value, weights, allow_unused=True) for value in (got, total)), strict=True
    ):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs)


def test_interpolates_lie_uniformly_between_fake_and_real():
    """With ∇D(x) = x, real 1 and fake 0 in d dimensions, ‖∇D‖² = d u², whose mean is d / 3."""
    seen = []

    def critic(x, labels=None):
        seen.append(x.detach())
        return 0.5 * x.square().sum((1, 2, 3))

    real = torch.ones(100_000, 1, 2, 2)
    penalty = GradientPenalty(centre=0.0)(discriminator_pass(critic, real, torch.zeros_like(real)))
    assert penalty.item() == pytest.approx(4 / 3, rel=0.01)
    x = seen[-1]
    assert (x == x[:, :1, :1, :1]).all()
    assert 0 <= x.min() < 1e-3
    assert 1 - 1e-3 < x.max() <= 1
    assert x.mean().item() == pytest.approx(0.5, abs=0.01)


def test_dragan_looks_around_real_samples_in_units_of_their_deviation():
    seen = []

    def critic(x, labels=None):
        seen.append(x.detach())
        return x.sum(1)

    real = 3 * torch.randn(50_000, 2) + 7
    DRAGAN(spread=0.25, random_distance=False)(discriminator_pass(critic, real, torch.zeros_like(real)))
    moved = (seen[-1] - real) / (0.25 * real.numpy().std(ddof=1))
    assert -1e-4 < moved.min() < 1e-3
    assert 1 - 1e-3 < moved.max() < 1 + 1e-4
    assert moved.mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    assert torch.corrcoef(moved.T)[0, 1].item() == pytest.approx(0, abs=0.02), "each dimension has its own noise"


@pytest.mark.parametrize(("random_distance", "share"), [(True, 1 / 3), (False, 1.0)])
def test_dragan_is_the_one_written_by_hand(random_distance, share):
    """Sample by sample, real + alpha · ½ std · u, with the critic ½ ‖x‖² whose gradient is x.

    The mean squared distance is d std² / 4 · E[u²] E[alpha²] = d std² / 12 · (1/3 or 1).
    """
    real = torch.randn(2_000, 784, generator=source(1)).double()
    draw = source(4)
    u, alpha = torch.rand(real.shape, generator=draw).double(), torch.rand(2_000, 1, generator=draw).double()
    alpha = alpha if random_distance else torch.ones_like(alpha)
    looked = [x + a * 0.5 * real.numpy().std(ddof=1) * n for x, a, n in zip(real, alpha, u, strict=True)]
    expected = sum((x.square().sum().sqrt() - 1) ** 2 for x in looked) / len(real)
    shown = discriminator_pass(quadratic(torch.eye(784).double()), real, real, seed=4)
    torch.testing.assert_close(DRAGAN(random_distance=random_distance)(shown), expected)
    squared = (torch.stack(looked) - real).square().sum(1).mean().item()
    assert squared == pytest.approx(784 / 12 * share, rel=0.05)


@pytest.mark.parametrize(
    "critic",
    [DenseDiscriminator((2, 8, 8), widths=(9, 8)), DCGANDiscriminator((2, 8, 8), width=4, batch_norm=False)],
    ids=lambda critic: type(critic).__name__,
)
@judged_or_not
@every_penalty
def test_second_order_gradients_against_finite_differences(cls, watched, critic):
    torch.manual_seed(0)
    critic = critic.double()
    weights = list(critic.parameters())
    for weight in weights:
        weight.data = 0.3 * torch.randn_like(weight)
    real, fake = torch.randn(4, 2, 8, 8).double(), torch.randn(4, 2, 8, 8).double()
    directions = [torch.randn_like(weight) for weight in weights]

    def value():
        return cls()(discriminator_pass(critic, real, fake, watched))

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


@pytest.mark.parametrize("cls", [R1, R2])
def test_a_shared_pass_gives_the_gradient_of_a_pass_of_its_own(cls):
    critic = DCGANDiscriminator((2, 8, 8), width=4, batch_norm=False)
    real, fake = torch.randn(2, 6, 2, 8, 8).unbind()
    weights = list(critic.parameters())
    got = [
        torch.autograd.grad(cls()(discriminator_pass(critic, real, fake, watched)), weights, allow_unused=True)
        for watched in (True, False)
    ]
    for shared, own in zip(*got, strict=True):
        torch.testing.assert_close(shared, own)


def test_both_gradients_come_from_one_backward_pass_that_calls_the_critic_no_more():
    calls = []

    def critic(x, labels=None):
        calls.append(len(x))
        return x.square().sum(1)

    shown = discriminator_pass(critic, *samples(), watched=True)
    judged = len(calls)
    value = R1()(shown) + R2()(shown)
    assert len(calls) == judged
    real, fake = samples()
    torch.testing.assert_close(value, 2 * (real.square().sum(1).mean() + fake.square().sum(1).mean()))


@pytest.mark.parametrize("cls", [GradientPenalty, DRAGAN])
def test_nothing_flows_into_samples_that_are_watched_for_another_penalty(cls):
    a = torch.eye(5).double().requires_grad_()
    shown = discriminator_pass(quadratic(a), *samples(), watched=True)
    cls()(shown).backward()
    assert shown.real.grad is None
    assert shown.fake.grad is None
    assert a.grad.abs().sum() > 0


@every_penalty
def test_autocast_changes_nothing(cls):
    real, fake = (x.float() for x in samples())
    w = torch.tensor([1.001, -2.002, 0.503, 3.004, 0.105])
    value = w.norm() ** 2 / 2 if cls in (R1, R2) else (w.norm() - 1) ** 2
    with torch.autocast("cpu", torch.bfloat16):
        got = cls()(discriminator_pass(linear(w), real, fake.bfloat16()))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, value, rtol=1e-6, atol=0)


@every_penalty
def test_only_the_generator_given_is_drawn_from(cls):
    critic = quadratic(torch.eye(5).double())
    shown = [discriminator_pass(critic, *samples(), seed=seed) for seed in (3, 3, 4)]
    state = torch.get_rng_state()
    first, again, other = (cls()(one) for one in shown)
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, other) == (cls in (R1, R2)), "and the others do draw from it"


@every_penalty
def test_a_flat_critic_has_finite_gradients(cls):
    w = torch.zeros(5).double().requires_grad_()
    cls()(discriminator_pass(linear(w), *samples())).backward()
    assert w.grad.isfinite().all()


@every_penalty
@judged_or_not
def test_labels_reach_a_conditional_critic(cls, watched):
    """The gradient of <w + embedding(y), x> is w + embedding(y)."""
    critic = DenseDiscriminator((3,), widths=(), conditioning=Projection(4)).double()
    labels = torch.tensor([0, 1, 2, 3, 3])
    slopes = (critic.head.logit.weight + critic.head.embedding(labels)).norm(dim=1)
    value = 0.5 * slopes.square().mean() if cls in (R1, R2) else (slopes - 1).square().mean()
    real, fake = torch.randn(2, 5, 3).double().unbind()
    torch.testing.assert_close(cls()(discriminator_pass(critic, real, fake, watched, labels)), value)


@every_penalty
@judged_or_not
@pytest.mark.parametrize("conditioning", [None, Concatenation(3)])
def test_a_pack_is_one_sample(cls, watched, conditioning):
    """A linear critic of packs has the same gradient for each, that of all its samples together."""
    critic = DenseDiscriminator((4,), widths=(), packing=2, conditioning=conditioning).double()
    weight = critic.head.logit.weight.reshape(2, -1)[:, :4]  # the rest is for the classes
    norm = weight.norm()
    value = norm**2 / 2 if cls in (R1, R2) else (norm - 1) ** 2
    real, fake = torch.randn(2, 6, 4).double().unbind()
    labels = None if conditioning is None else torch.tensor([0, 1, 2, 0, 1, 2])
    torch.testing.assert_close(cls()(discriminator_pass(critic, real, fake, watched, labels)), value)


@every_penalty
def test_constructor_arguments_are_attributes_and_penalties_unweighted(cls):
    critic = quadratic(torch.eye(5).double())
    schedule = Linear(100)
    assert cls(weight=schedule).weight is schedule
    assert torch.equal(
        cls(weight=50.0)(discriminator_pass(critic, *samples())), cls()(discriminator_pass(critic, *samples()))
    )
    for name, parameter in inspect.signature(cls).parameters.items():
        assert getattr(cls(), name) == parameter.default


@every_penalty
def test_an_interval_below_one_is_refused(cls):
    for every in (0, -1):
        with pytest.raises(InputError, match=f"{cls.__name__} cannot be part of every {every} updates"):
            cls(every=every)
