"""The game against a loop written by hand, and against its own invariants."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

from lightning_gen import Batch, InputError
from lightning_gen.regularizers import R1, GradientPenalty


def loader(n=96, batch_size=16):
    return DataLoader(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1, batch_size=batch_size)


def by_hand(module, batches, updates=1):
    """Algorithm 1 of the GAN paper with the non-saturating loss, in plain PyTorch; returns both networks."""
    g, d = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    opt_g, opt_d = torch.optim.SGD(g.parameters(), lr=0.1), torch.optim.SGD(d.parameters(), lr=0.1)
    rng = torch.Generator().manual_seed(torch.initial_seed() * 2**16)
    for index, real in enumerate(batches):
        fake = g(torch.randn(len(real), 4, generator=rng)).detach()
        opt_d.zero_grad()
        (softplus(-d(real)).mean() + softplus(d(fake)).mean()).backward()
        opt_d.step()
        if (index + 1) % updates == 0:
            opt_g.zero_grad()
            softplus(-d(g(torch.randn(len(real), 4, generator=rng)))).mean().backward()
            opt_g.step()
    return g, d


@pytest.mark.parametrize("updates", [1, 3])
def test_training_is_the_loop_written_by_hand(gan, trainer, updates):
    module = gan(discriminator_updates=updates, ema=None)
    g, d = by_hand(module, loader(), updates)
    trainer(max_epochs=1).fit(module, loader())
    torch.testing.assert_close(module.generator.state_dict(), g.state_dict(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(module.discriminator.state_dict(), d.state_dict(), rtol=1e-5, atol=1e-7)
    assert module.updates == {"discriminator": 6, "generator": 6 // updates}
    assert module.images_seen == 96


def test_accumulation_gives_the_gradient_of_the_whole_batch(gan, trainer):
    modules = [gan(accumulate=parts) for parts in (1, 4)]
    modules[1].load_state_dict(modules[0].state_dict())
    table = torch.randn(24, 4)
    for module in modules:
        rows = itertools.cycle(table)  # the same latents, however many are asked for at a time
        module.latents = lambda n, generator=None, rows=rows: torch.stack(list(itertools.islice(rows, n)))
        trainer(max_epochs=1).fit(module, loader(batch_size=24))
    torch.testing.assert_close(modules[0].state_dict(), modules[1].state_dict(), rtol=1e-4, atol=1e-6)
    assert modules[1].updates == {"discriminator": 4, "generator": 4}


def test_the_discriminator_gets_no_gradient_while_the_generator_plays(gan, trainer):
    module = gan()
    seen = []
    original = module.generator_loss

    def spy(batch):
        seen.append([p.requires_grad for p in module.discriminator.parameters()])
        return original(batch)

    module.generator_loss = spy
    trainer(fast_dev_run=2).fit(module, loader())
    assert seen
    assert not any(flag for flags in seen for flag in flags)
    assert all(p.requires_grad for p in module.discriminator.parameters()), "and is thawed afterwards"


def test_clipping_bounds_the_gradient_of_its_own_player(gan, trainer):
    norms = {}

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            if closure is not None:
                closure()
            (group,) = self.param_groups
            norms.setdefault(group["lr"], []).append(nn.utils.get_total_norm([p.grad for p in group["params"]]).item())

    module = gan(
        discriminator_clip=1e-3,
        generator_optimizer=partial(Spy, lr=0.1),
        discriminator_optimizer=partial(Spy, lr=0.2),
    )
    trainer(max_epochs=1).fit(module, loader())
    assert max(norms[0.2]) <= 1e-3 * 1.0001
    assert min(norms[0.1]) > 1e-3


def test_batch_size_and_updates_leave_the_count_of_images_alone(gan, trainer):
    counts = []
    for batch_size, updates in [(16, 1), (16, 3), (48, 1)]:
        module = gan(discriminator_updates=updates)
        trainer(max_epochs=2).fit(module, loader(batch_size=batch_size))
        counts.append(module.images_seen)
    assert counts == [192, 192, 192]


@pytest.mark.parametrize("penalty", [R1(0.1), GradientPenalty()])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_penalties_are_computed_in_float32(gan, trainer, penalty, precision):
    dtypes = set()
    module = gan(penalties={"penalty": penalty})
    module.discriminator.register_forward_hook(
        lambda m, args, out: dtypes.add((args[0].requires_grad, out.dtype)) if args[0].requires_grad else None
    )
    trainer(fast_dev_run=2, precision=precision).fit(module, loader())
    assert (True, torch.float32) in dtypes
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_half_precision_weights_with_an_average_are_refused(gan, trainer):
    with pytest.raises(InputError, match="bf16-mixed"):
        trainer(fast_dev_run=1, precision="bf16-true").fit(gan(), loader())


def test_a_batch_may_be_a_tensor_a_pair_or_a_record(gan, trainer):
    x, labels = torch.rand(8, 1, 8, 8), torch.arange(8)
    for batch in (x, (x, labels), [x, labels], Batch(x, labels)):
        module = gan()
        trainer(max_steps=2).fit(module, DataLoader([batch], batch_size=None))
        assert module.images_seen == 8


def test_a_batch_of_another_kind_is_refused(gan, trainer):
    with pytest.raises(InputError, match="yield a tensor"):
        trainer(max_steps=2).fit(gan(), DataLoader([{"picture": torch.rand(2, 1, 8, 8)}], batch_size=None))


@pytest.mark.parametrize("options", [{"discriminator_updates": 0}, {"accumulate": 0}])
def test_counts_below_one_are_refused(gan, options):
    with pytest.raises(InputError, match="at least 1"):
        gan(**options)
