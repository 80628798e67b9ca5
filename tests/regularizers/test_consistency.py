"""Consistency on critics and augmentations for which it is known, and built from YAML."""

import pytest
import torch
import yaml
from discriminator_passes import discriminator_pass, linear, samples, source
from jsonargparse import ArgumentParser

from lightning_gen.augmentations import Augmentation, GaussianNoise, Masking
from lightning_gen.networks import DenseDiscriminator
from lightning_gen.networks.conditioning import Projection
from lightning_gen.regularizers import Consistency, Penalty


class Shift(Augmentation):
    """Adds one vector to all samples."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x, generator):
        return x + self.by.to(x)


@pytest.mark.parametrize(("balanced", "kinds"), [(False, 1), (True, 2)])
@pytest.mark.parametrize("watched", [True, False])
def test_a_linear_critic_pays_for_the_shift(balanced, kinds, watched):
    """D(x + v) - D(x) = <w, v>, whatever x; its square has the gradient 2 <w, v> v."""
    w, v = torch.randn(2, 5).double().unbind()
    w.requires_grad_()
    value = Consistency(Shift(v), balanced=balanced)(discriminator_pass(linear(w), *samples(), watched))
    torch.testing.assert_close(value, kinds * (w @ v) ** 2)
    torch.testing.assert_close(torch.autograd.grad(value, w)[0], kinds * 2 * (w @ v) * v)


def test_noise_costs_a_linear_critic_its_slope():
    """E<w, s eps>² = s² |w|²."""
    w = torch.tensor([1.0, -2.0, 0.5])
    real = torch.zeros(200_000, 3)
    value = Consistency(GaussianNoise(0.5))(discriminator_pass(linear(w), real, real))
    assert value.item() == pytest.approx(0.25 * w.square().sum().item(), rel=0.02)


@pytest.mark.parametrize("balanced", [False, True])
def test_value_and_gradient_by_hand(balanced):
    critic = DenseDiscriminator((5,), widths=(8,)).double()
    real, fake = samples()
    random = source()
    change = Masking(0.5, 0.0)
    expected = 0
    for x in (real, fake) if balanced else (real,):
        expected = expected + (critic(x).logits - critic(change(x, random)).logits).pow(2).sum() / len(x)
    value = Consistency(change, balanced=balanced)(discriminator_pass(critic, real, fake))
    torch.testing.assert_close(value, expected)
    for ours, theirs in zip(
        *(torch.autograd.grad(v, critic.layers.parameters()) for v in (value, expected)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
        assert ours.abs().sum() > 0


def test_an_augmentation_that_changes_nothing_costs_nothing():
    critic = DenseDiscriminator((5,), widths=(8,)).double()
    assert Consistency(Masking(0.0), balanced=True)(discriminator_pass(critic, *samples())) == 0


def test_labels_reach_a_conditional_critic():
    critic = DenseDiscriminator((5,), widths=(), conditioning=Projection(3)).double()
    labels, v = torch.tensor([0, 1, 2, 0, 1, 2, 2]), torch.randn(5).double()
    slopes = critic.head.logit.weight + critic.head.embedding(labels)
    value = Consistency(Shift(v))(discriminator_pass(critic, *samples(), labels=labels))
    torch.testing.assert_close(value, (slopes @ v).square().mean())


def test_packs_are_compared_with_packs():
    critic = DenseDiscriminator((5,), widths=(), packing=2).double()
    real, fake = samples(6)
    v = torch.randn(5).double()
    value = Consistency(Shift(v))(discriminator_pass(critic, real, fake))
    torch.testing.assert_close(value, (critic.head.logit.weight[0] @ torch.cat([v, v])) ** 2)


def test_only_the_generator_given_is_drawn_from():
    w = torch.ones(5).double()
    shown = [discriminator_pass(linear(w), *samples(), seed=seed) for seed in (3, 3, 4)]
    state = torch.get_rng_state()
    first, again, other = (Consistency(GaussianNoise())(one) for one in shown)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_is_built_from_yaml_by_short_class_names():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--penalty", type=Penalty)
    text = """
    penalty:
      class_path: Consistency
      init_args:
        augmentation: {class_path: GaussianNoise, init_args: {scale: 0.3}}
        balanced: true
    """
    penalty = parser.instantiate(parser.parse_object(yaml.safe_load(text))).penalty
    assert isinstance(penalty, Consistency)
    assert isinstance(penalty.augmentation, GaussianNoise)
    assert (penalty.augmentation.scale, penalty.weight, penalty.balanced, penalty.every) == (0.3, 10.0, True, 1)
