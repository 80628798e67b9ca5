"""A compiled pass with the gradients at its input: those of eager execution, which penalties differentiate again."""

from types import SimpleNamespace

import pytest
import torch

from lightning_gen.networks import DenseDiscriminator, DiscriminatorEnsemble, R3GANDiscriminator
from lightning_gen.networks.stages import Stages
from lightning_gen.objectives import RelativisticPaired
from lightning_gen.records import RealFakePair
from lightning_gen.regularizers import R1, R2
from lightning_gen.training import judging
from lightning_gen.training.adversarial import AdversarialLosses

SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def _compiled_anew():
    torch._dynamo.reset()


def batch(count=4):
    numbers = torch.Generator().manual_seed(3)
    real, fake = (torch.rand(count, *SHAPE, generator=numbers) * 2 - 1 for _ in range(2))
    return RealFakePair(real, fake)


def narrow():
    return R3GANDiscriminator(SHAPE, width=8, blocks=1, bfloat16_sizes=1)


DISCRIMINATORS = {
    "dense": lambda: DenseDiscriminator(SHAPE, (16,)),
    "r3gan": lambda: R3GANDiscriminator(SHAPE, width=8, blocks=1),
    "r3gan in bfloat16": narrow,
}


def perturbed(discriminator):
    """A discriminator none of whose weights is 0, so that every gradient matters."""
    numbers = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in discriminator.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=numbers)
    return discriminator


def gradients(discriminator, penalties, backend):
    """The loss, the penalties' values and the gradients at the weights, with a backend of torch.compile or eager."""
    discriminator.zero_grad()
    discriminator.backend = backend
    losses = AdversarialLosses(discriminator, RelativisticPaired(), {}, penalties)
    loss = losses.of_discriminator(losses.passes(batch(), torch.Generator()), 0)
    loss.total.backward()
    return loss, [weight.grad.clone() for weight in discriminator.parameters()]


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_compiled_penalty_has_the_gradient_of_an_eager_one(name):
    discriminator, penalties = perturbed(DISCRIMINATORS[name]()), {"r1": R1(3.0), "r2": R2(2.0)}
    eager, wanted = gradients(discriminator, penalties, None)
    compiled, found = gradients(discriminator, penalties, "aot_eager")
    exact = "bfloat16" not in name
    for term, value in eager.terms.items():
        torch.testing.assert_close(compiled.terms[term], value, rtol=1e-6 if exact else 1e-2, atol=1e-7)
    for mine, theirs in zip(found, wanted, strict=True):
        scale = theirs.abs().max().clamp_min(1e-6)
        assert ((mine - theirs).abs().max() / scale) < (1e-5 if exact else 2e-2)


def test_the_penalty_alone_reaches_the_weights():
    """Code that torch has compiled has once lost the graph of a gradient without a word."""
    discriminator = perturbed(DISCRIMINATORS["r3gan"]())
    _, without = gradients(discriminator, {"r1": R1(0.0), "r2": R2(0.0)}, "aot_eager")
    _, with_them = gradients(discriminator, {"r1": R1(100.0), "r2": R2(100.0)}, "aot_eager")
    changed = sum((mine - theirs).abs().sum() for mine, theirs in zip(with_them, without, strict=True))
    assert changed > 1


def test_one_pass_serves_both_penalties_in_bfloat16_without_autocast():
    discriminator, sizes = perturbed(narrow()), []
    discriminator.register_forward_hook(lambda module, given, output: sizes.append(len(given[0])))
    losses = AdversarialLosses(discriminator, RelativisticPaired(), {}, {"r1": R1(), "r2": R2()})
    losses.of_discriminator(losses.passes(batch(), torch.Generator()), 0).total.backward()
    assert any(any(part.narrow) for part in discriminator.modules() if isinstance(part, Stages))
    assert sizes == [8], "real and fake samples in one pass, and none more for a penalty"


def test_each_output_of_an_ensemble_has_its_own_gradient():
    parts = {name: DenseDiscriminator(SHAPE, (16,)) for name in ("one", "two")}
    discriminator = perturbed(DiscriminatorEnsemble(parts))
    _, wanted = gradients(discriminator, {"r1": R1(3.0), "r2": R2(2.0)}, None)
    _, found = gradients(discriminator, {"r1": R1(3.0), "r2": R2(2.0)}, "aot_eager")
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


def test_the_second_step_compiles_nothing():
    discriminator = perturbed(DISCRIMINATORS["dense"]())
    graphs = []
    torch._dynamo.utils.counters.clear()
    for _ in range(3):
        gradients(discriminator, {"r1": R1(), "r2": R2()}, "aot_eager")
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[2] > 0
    assert not torch._dynamo.utils.counters["graph_break"]


def test_an_output_keeps_all_that_was_given():
    given = {"logits": torch.zeros(2), "features": torch.ones(2, 3), "hidden": (torch.ones(2, 1),)}
    output = SimpleNamespace(**given, labels=None, class_logits=torch.ones(2, 5))
    assert judging.plain(output).keys() == {*given, "class_logits"}
