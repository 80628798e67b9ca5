"""Adversarial losses for discriminators of several outputs, against the sums of those of one output each."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from lightning_gen import InputError
from lightning_gen.networks import DenseDiscriminator, PatchDiscriminator
from lightning_gen.objectives import FeatureMatching, Hinge, NonSaturating, RelativisticPaired
from lightning_gen.records import DiscriminatorOutput, RealFakePair
from lightning_gen.regularizers import R1, R2, GradientPenalty, LeCam
from lightning_gen.schedules import Linear
from lightning_gen.training import AdversarialLosses
from lightning_gen.training.outputs import outputs_of

SHAPE = (1, 8, 8)


class Ensemble(nn.Module):
    """Several discriminators of the same samples, such as one for each scale."""

    mixes_samples, packing, num_classes, conditioning, shape = False, 1, None, None, SHAPE

    def __init__(self, *members):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x, labels=None):
        return [member(x, labels) for member in self.members]


def members():
    torch.manual_seed(0)
    return [DenseDiscriminator(SHAPE, (16,)).double() for _ in range(2)]


def pair():
    torch.manual_seed(1)
    return RealFakePair(torch.rand(6, *SHAPE).double(), torch.rand(6, *SHAPE).double())


def rng():
    return torch.Generator().manual_seed(3)


def losses(discriminator, objective, penalties=(), terms=()):
    return AdversarialLosses(discriminator, objective, dict(terms), dict(penalties))


def of_discriminator(adversarial):
    return adversarial.of_discriminator(adversarial.passes(pair(), rng()), 0)


@pytest.mark.parametrize("objective", [NonSaturating(), Hinge(), RelativisticPaired()], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize(
    "penalties", [{}, {"r1": R1(3.0), "r2": R2(3.0)}, {"r1": R1(3.0)}, {"lecam": LeCam(decay=0.0)}], ids="+".join
)
def test_the_loss_of_several_discriminators_is_the_sum_of_theirs(objective, penalties):
    each = members()
    together = of_discriminator(losses(Ensemble(*each), objective, penalties))
    alone = [of_discriminator(losses(member, objective, penalties)) for member in each]
    torch.testing.assert_close(together.total, alone[0].total + alone[1].total)
    for name in penalties:
        torch.testing.assert_close(together.terms[name], alone[0].terms[name] + alone[1].terms[name])
    torch.testing.assert_close(
        together.terms["real_logit"], (alone[0].terms["real_logit"] + alone[1].terms["real_logit"]) / 2
    )
    weights = [p for member in each for p in member.parameters()]
    ours = torch.autograd.grad(together.total, weights)
    theirs = torch.autograd.grad(alone[0].total + alone[1].total, weights)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("objective", [NonSaturating(), RelativisticPaired()], ids=lambda o: type(o).__name__)
def test_the_loss_of_a_generator_against_several_is_the_sum_against_each(objective):
    each, both, terms = members(), pair(), {"match": FeatureMatching(0.5)}
    found = losses(Ensemble(*each), objective, terms=terms).of_generator(both.fake, None, both.real, None)
    alone = [losses(m, objective, terms=terms).of_generator(both.fake, None, both.real, None) for m in each]
    torch.testing.assert_close(found.adversarial, alone[0].adversarial + alone[1].adversarial)
    ((name, value, weight),) = found.terms
    assert (name, weight) == ("match", 0.5)
    torch.testing.assert_close(value, sum(other.terms[0][1] for other in alone))


def test_a_gan_trains_against_several_discriminators(gan, trainer):
    torch.manual_seed(0)
    module = gan(discriminator=Ensemble(*(DenseDiscriminator(SHAPE, (16,)) for _ in range(2))), penalties={"r1": R1()})
    before = {name: value.clone() for name, value in module.state_dict().items()}
    batches = DataLoader(torch.rand(32, *SHAPE), batch_size=16)
    trainer(max_epochs=1).fit(module, batches, batches)
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("discriminator.members.0") for name in moved)
    assert any(name.startswith("discriminator.members.1") for name in moved)
    assert "val/real_logit" in module.trainer.callback_metrics


def test_a_discriminator_may_be_any_network_that_gives_logits():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 1)).double()

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, x, labels=None):
            return self.layers(x)

    both = pair()
    loss = of_discriminator(losses(Plain(), NonSaturating(), {"r1": R1(2.0)}))
    softplus = nn.functional.softplus
    expected = softplus(-layers(both.real)).mean() + softplus(layers(both.fake)).mean()
    slope = layers[1].weight.square().sum()
    torch.testing.assert_close(loss.total, expected + 2.0 * 0.5 * slope)


def test_hooks_of_the_discriminator_fire_in_training(gan, trainer):
    module, seen = gan(), []
    module.discriminator.register_forward_hook(lambda m, args, out: seen.append(type(out)))
    trainer(max_epochs=1).fit(module, DataLoader(torch.rand(16, *SHAPE), batch_size=16))
    assert seen == [DiscriminatorOutput] * 2


def test_gradient_penalties_on_patches_are_refused_in_a_sentence():
    discriminator = PatchDiscriminator((1, 16, 16), width=2, depth=1, batch_norm=False)
    both = RealFakePair(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))
    adversarial = losses(discriminator, Hinge(), {"penalty": GradientPenalty()})
    with pytest.raises(InputError, match="one logit for each sample"):
        adversarial.of_discriminator(adversarial.passes(both, rng()), 0)


@pytest.mark.parametrize("result", [None, {"logits": 1}, [], "logits"])
def test_what_is_no_output_of_a_discriminator_is_refused(result):
    with pytest.raises(InputError, match="DiscriminatorOutput"):
        outputs_of(result)


@pytest.mark.parametrize("halves", [4, 5])
def test_an_output_splits_with_its_hidden_maps(halves):
    x = torch.arange(2.0 * halves)
    first, second = DiscriminatorOutput(x, x[:, None], hidden=(x[:, None, None],)).split()
    assert torch.equal(first.hidden[0][:, 0, 0], first.logits)
    assert torch.equal(second.hidden[0][:, 0, 0], second.logits)
    assert len(first.logits) == halves


def test_the_weight_of_a_term_may_follow_a_schedule():
    member, both = members()[0], pair()
    terms = {"match": FeatureMatching(Linear(1000, first=2.0, last=0.0))}
    adversarial = losses(member, NonSaturating(), terms=terms)
    weights = [
        adversarial.of_generator(both.fake, None, both.real, None, images).terms[0][2] for images in (0, 500, 1000)
    ]
    assert weights == [2.0, 1.0, 0.0]
