"""Mirrored training images: which are flipped, and what is never flipped."""

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

from lightning_gen import data
from lightning_gen.data.loader import Loader
from lightning_gen.data.mirrored import Mirrored
from lightning_gen.errors import InputError
from lightning_gen.records import Batch

COUNT = 200
IMAGES = torch.stack([torch.arange(COUNT), torch.arange(COUNT) + 1000], 1)[:, None, None].float()
"""One line of two pixels, i and 1000 + i, so that each shows its number and whether it is flipped."""


class Lines(data.DataModule):
    def __init__(self, mirror=True, num_workers=0, seed=3):
        super().__init__(
            shape=(1, 1, 2), num_classes=None, batch_size=20, seed=seed, num_workers=num_workers, mirror=mirror
        )

    def splits(self):
        return data.Splits(*(data.ArrayDataset(IMAGES, torch.arange(COUNT)) for _ in range(3)))


def read(loader):
    """The numbers and the flips of an epoch, in the order in which they are read."""
    rows = torch.cat([batch.x.flatten(1) for batch in loader])
    numbers = rows.min(1).values.long()
    assert torch.equal(rows.sort(1).values, IMAGES[numbers].flatten(1))
    return numbers, rows[:, 0] > rows[:, 1]


def loader(dataset, **options):
    return Loader(dataset, 20, shuffle=True, drop_last=True, seed=3, mirror=True, **options)


def test_flipped_images_are_those_of_numpy():
    x = torch.rand(5, 3, 4, 7)
    batch = Batch(x, torch.arange(5), x + 1)
    both = Mirrored(data.ArrayDataset(x, torch.arange(5)))
    assert len(both) == 10
    got = both.__getitems__([4, 9, 0, 6])
    expected = [x[4], x[4].numpy()[..., ::-1], x[0], x[1].numpy()[..., ::-1]]
    np.testing.assert_array_equal(got.x, np.stack(expected))
    assert got.labels.tolist() == [4, 4, 0, 1]
    assert torch.equal(both[-1].x, x[4].flip(-1))

    class Paired(data.ArrayDataset):
        def __getitems__(self, indices):
            return batch.map(lambda each: each[indices])

    pair = Mirrored(Paired(x)).__getitems__([5, 1])
    assert torch.equal(pair.target, pair.x + 1)


def test_half_are_flipped_by_a_new_coin_in_each_epoch():
    module = Lines()
    epochs = module.train_dataloader()
    flips = torch.zeros(50, COUNT)
    plain = Lines(mirror=False).train_dataloader()
    for epoch in range(50):
        numbers, turned = read(epochs)
        assert torch.equal(numbers, read(plain)[0]), "the order is that of data that are not mirrored"
        flips[epoch, numbers] = turned.float()
    count = flips.numel()
    assert abs(flips.mean() - 0.5) < 4 * 0.5 / count**0.5
    for axis in (0, 1):  # neither the epoch nor the number tells
        spread = flips.mean(axis).std() * flips.shape[axis] ** 0.5
        assert 0.8 < 2 * spread < 1.2
    assert 0.4 < (flips[1:] == flips[:-1]).float().mean() < 0.6


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_coins_are_those_of_a_resumed_run_and_of_any_number_of_processes(num_workers):
    dataset = data.ArrayDataset(IMAGES)
    whole = loader(dataset)
    read(whole)
    numbers, turned = read(whole)
    resumed = loader(dataset, num_workers=num_workers)
    resumed.load_state_dict({"epoch": 1, "batches": 4})
    assert all(torch.equal(a, b) for a, b in zip(read(resumed), (numbers[80:], turned[80:]), strict=True))
    for rank in range(2):
        part = loader(dataset, rank=rank, world_size=2, epoch=1)
        assert all(torch.equal(a, b) for a, b in zip(read(part), (numbers[rank::2], turned[rank::2]), strict=True))


def test_another_seed_throws_other_coins():
    flips = []
    for seed in (3, 4):
        numbers, turned = read(Lines(seed=seed).train_dataloader())
        flips.append(turned[numbers.argsort()])
    assert 0.3 < (flips[0] == flips[1]).float().mean() < 0.7


def test_validation_test_and_the_references_of_metrics_are_not_flipped():
    module = Lines()
    for each in (module.val_dataloader(), module.test_dataloader(), module.predict_dataloader()):
        assert not read(each)[1].any()
    assert torch.equal(module.train_set[:].x, IMAGES)
    assert len(module.train_set) == COUNT
    assert not read(Lines(mirror=False).train_dataloader())[1].any()


def test_a_run_on_the_same_batches_flips_none(gan, trainer):
    seen = []
    module = data.Digits(size=8, mirror=True, batch_size=8)
    model = gan()
    model.discriminator.layers.register_forward_hook(lambda m, args, out: seen.append(args[0][:8].detach()))
    trainer(max_epochs=2, overfit_batches=1, limit_val_batches=0).fit(model, module)
    expected = module.scaled(module.train_set[:8]).x
    assert torch.equal(seen[0], expected.flatten(1)) or torch.equal(seen[0].view_as(expected), expected)


class Endless(IterableDataset):
    def __iter__(self):
        yield IMAGES[0]


class Stream(Lines):
    def splits(self):
        return data.Splits(Endless(), Endless(), Endless())


def test_what_cannot_be_flipped_is_refused(tmp_path):
    np.save(tmp_path / "points.npy", np.zeros((64, 2), np.float32))
    points = data.Tensors(str(tmp_path / "points.npy"), batch_size=8, mirror=True)
    with pytest.raises(InputError, match=r"--data.mirror flips images .*, not points: leave it out"):
        points.setup("fit")
    with pytest.raises(InputError, match=r"--data.mirror flips images .*, not data without a length"):
        Stream().setup("fit")
