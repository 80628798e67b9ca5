"""Real samples of the generator's own: which they are, and that only one batch of a step is counted."""

import pytest
import torch
from torch.utils.data import DataLoader

from lightning_gen import InputError
from lightning_gen.callbacks import LogEveryImages, Throughput
from lightning_gen.data import Digits
from lightning_gen.data.loader import GlobalBatches, seeded
from lightning_gen.objectives import RelativisticPaired

BATCH = 60


def reals_of(module):
    """What the discriminator sees in its own update and in the generator's, in the order of the passes."""
    passes = []
    module.discriminator.layers.register_forward_hook(lambda m, args, out: passes.append(args[0].detach().flatten(1)))
    return passes


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_generator_has_the_batch_that_follows_that_of_the_discriminator(gan, trainer, accumulate):
    data = Digits(size=8, batch_size=BATCH, seed=4)
    module = gan(objective=RelativisticPaired(), fresh_reals=True, accumulate=accumulate)
    passes = reals_of(module)
    trainer(max_epochs=1, limit_val_batches=0).fit(module, data)
    order = torch.randperm(len(data.train_set), generator=seeded(4, 0))
    part = BATCH // accumulate
    in_a_step = passes[: 3 * accumulate]
    first = torch.cat([each[:part] for each in in_a_step[:accumulate]])  # real and fake samples are passed as one
    fresh = torch.cat(in_a_step[accumulate::2])
    for seen, rows in ((first, order[:BATCH]), (fresh, order[BATCH : 2 * BATCH])):
        assert torch.equal(seen, data.scaled(data.train_set.__getitems__(rows.tolist())).x.flatten(1))
    steps = len(data.train_set) // (2 * BATCH)
    assert module.rounds == steps
    assert module.images_seen == steps * BATCH
    assert module.updates == {"discriminator": steps, "generator": steps}


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_halves_of_all_processes_are_the_halves_of_the_batch(world_size):
    order = torch.randperm(240, generator=seeded(1, 0))
    ranks = [iter(GlobalBatches(240, 2 * BATCH, True, True, 1, rank, world_size)) for rank in range(world_size)]
    for start in (0, 2 * BATCH):
        rows = [torch.tensor(next(each)).chunk(2) for each in ranks]
        for half, parts in enumerate(zip(*rows, strict=True)):
            expected = order[start + half * BATCH :][:BATCH]
            assert torch.equal(torch.cat(parts).sort().values, expected.sort().values)


def test_what_is_counted_is_one_batch_of_a_step(gan, trainer):
    module = gan(fresh_reals=True)
    throughput = Throughput()
    rhythm = LogEveryImages(2 * BATCH)
    trainer(max_steps=8, limit_val_batches=0, callbacks=[throughput, rhythm]).fit(module, Digits(8, batch_size=BATCH))
    assert module.trainer.log_every_n_steps == 2
    assert throughput._images == module.images_seen == module.rounds * BATCH == 4 * BATCH


def test_validation_and_other_modules_read_one_batch(gan, trainer):
    data = Digits(size=8, batch_size=BATCH)
    runner = trainer(max_epochs=1)
    runner.fit(gan(fresh_reals=True), data)
    assert len(data.val_dataloader()) == 180 // BATCH
    trainer(max_epochs=1).fit(gan(), data)
    assert len(data.train_dataloader()) == len(data.train_set) // BATCH


def test_impossible_halves_are_refused(gan, trainer):
    with pytest.raises(InputError, match=r"one to both: set --model\.shared_samples false"):
        gan(fresh_reals=True, shared_samples=True)
    with pytest.raises(InputError, match="cannot halve a batch of 5"):
        trainer(max_epochs=1).fit(gan(fresh_reals=True), DataLoader(torch.rand(10, 1, 8, 8), batch_size=5))
    with pytest.raises(InputError, match=r"fewer than 2 times --data.batch_size 1000: lower --data.batch_size to 718"):
        trainer(max_epochs=1).fit(gan(fresh_reals=True), Digits(size=8, batch_size=1000))
