"""LeCam against its formula, the divergence it is named after, and averages computed by hand."""

import inspect

import numpy as np
import pytest
import torch
from discriminator_passes import discriminator_pass, source

from lightning_gen.errors import InputError
from lightning_gen.objectives import Wasserstein
from lightning_gen.regularizers import LeCam


def scored(real, fake, dtype=torch.float64):
    """A discriminator_pass in which samples are their own logits."""
    real, fake = (torch.as_tensor(x, dtype=dtype).reshape(-1, 1) for x in (real, fake))
    return discriminator_pass(lambda x, labels=None: x.squeeze(1), real, fake)


def batches(steps=6, n=8):
    return np.random.default_rng(0).normal(0, 2, (steps, 2, n)) + np.array([[1.0], [-3.0]])


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_value_and_averages_by_hand(decay):
    """The average after n updates is weighted by decay^(n - k), normalised: at first the mean of the first batch."""
    penalty = LeCam(decay=decay).double()
    for n, (real, fake) in enumerate(batches(), start=1):
        value = penalty(scored(real, fake))
        weights = decay ** np.arange(n - 1, -1, -1.0)
        of_real, of_fake = (weights @ batches()[:n].mean(2) / weights.sum()).T
        assert penalty.real_average.item() == pytest.approx(of_real)
        assert penalty.fake_average.item() == pytest.approx(of_fake)
        expected = ((real - of_fake) ** 2).mean() + ((fake - of_real) ** 2).mean()
        assert value.item() == pytest.approx(expected)


def test_one_sided_is_the_formula_of_the_authors_code():
    penalty = LeCam(one_sided=True).double()
    real, fake = batches()[0] - np.array([[1.0], [-3.0]])  # so that they overlap
    expected = (np.maximum(real - fake.mean(), 0) ** 2).mean() + (np.maximum(real.mean() - fake, 0) ** 2).mean()
    assert penalty(scored(real, fake)).item() == pytest.approx(expected)
    assert expected < LeCam().double()(scored(real, fake)).item()


def test_averages_are_constants_to_the_gradient():
    shown = scored(*batches()[0])
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    moved = discriminator_pass(lambda x, labels=None: scale * x.squeeze(1), shown.real, shown.fake)
    value = LeCam().double()(moved)
    real, fake = batches()[0]
    expected = (2 * (real - fake.mean()) * real).mean() + (2 * (fake - real.mean()) * fake).mean()
    assert torch.autograd.grad(value, scale)[0].item() == pytest.approx(expected)


def test_with_wasserstein_the_best_critic_measures_the_lecam_divergence():
    """Samples of p and q on four points, α_real = a, α_fake = -a: proposition 1, D* = (1 - 2 λ a)(p - q) / 2 λ (p + q).

    There the gradient vanishes, and the loss is -(1 - 2 λ a)² Δ / 4 λ + 2 λ a² with Δ = Σ (p - q)² / (p + q).
    """
    p, q, weight, a = np.array([4, 3, 2, 1]) / 10, np.array([1, 2, 2, 5]) / 10, 0.3, 0.4
    table = torch.tensor((1 - 2 * weight * a) * (p - q) / (2 * weight * (p + q)), requires_grad=True)
    points = [torch.from_numpy(np.repeat(np.arange(4), (10 * odds).round().astype(int))) for odds in (p, q)]
    penalty = LeCam(weight).double().eval()
    penalty.real_sum.fill_(a), penalty.fake_sum.fill_(-a), penalty.weight_sum.fill_(1)
    real, fake = (table[point] for point in points)
    shown = discriminator_pass(
        lambda x, labels=None: table[x.long().squeeze(1)], *(point[:, None].double() for point in points)
    )
    loss = Wasserstein().discriminator(real, fake) + weight * penalty(shown)
    np.testing.assert_allclose(torch.autograd.grad(loss, table)[0], 0, atol=1e-12)
    divergence = ((p - q) ** 2 / (p + q)).sum()
    expected = -((1 - 2 * weight * a) ** 2) * divergence / (4 * weight) + 2 * weight * a**2
    assert loss.item() == pytest.approx(expected)


def test_averages_move_in_training_mode_only():
    penalty = LeCam().double()
    penalty(scored(*batches()[0]))
    before = {name: value.clone() for name, value in penalty.state_dict().items()}
    penalty.eval()(scored(*batches()[1]))
    torch.testing.assert_close(penalty.state_dict(), before, rtol=0, atol=0)


def test_before_the_first_update_the_averages_are_0_and_finite():
    real, fake = batches()[0]
    value = LeCam().double().eval()(scored(real, fake))
    assert value.item() == pytest.approx((real**2).mean() + (fake**2).mean())


def test_the_averages_come_back_from_a_checkpoint():
    first, second = LeCam(), LeCam()
    for real, fake in batches():
        first(scored(real, fake, torch.float32))
    second.load_state_dict(first.state_dict())
    shown = scored(*batches()[0], torch.float32)
    assert torch.equal(first(shown), second(shown))


def test_half_precision_logits_are_judged_in_float32():
    shown = scored(*batches()[0], torch.bfloat16)
    assert LeCam()(shown).dtype == torch.float32
    torch.testing.assert_close(LeCam()(shown), LeCam()(scored(shown.real.float(), shown.fake.float(), torch.float32)))


def test_nothing_is_drawn():
    shown = scored(*batches()[0])
    LeCam().double()(shown)
    assert torch.equal(shown.generator.get_state(), source().get_state())


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_that_means_nothing_is_refused(decay):
    with pytest.raises(InputError, match="LeCam cannot have decay"):
        LeCam(decay=decay)


def test_constructor_arguments_are_attributes():
    for name, parameter in inspect.signature(LeCam).parameters.items():
        assert getattr(LeCam(), name) == parameter.default
