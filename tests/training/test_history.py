"""The history of samples: what it gives back, what it keeps, and how it goes on."""

import pytest
import torch

from lightning_gen.errors import InputError
from lightning_gen.training.history import HistoryPool


def numbered(first, count):
    """Samples that show their numbers."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def numbers(samples):
    return samples[:, 0, 0, 0].long().tolist()


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_a_size_each_batch_comes_back():
    x = numbered(0, 4)
    assert HistoryPool(0).exchange(x, source()) is not None
    assert torch.equal(HistoryPool(0).exchange(x, source()), x)


def test_a_pool_that_fills_gives_samples_back_as_they_are():
    pool = HistoryPool(6)
    for first in (0, 3):
        assert numbers(pool.exchange(numbered(first, 3), source())) == [first, first + 1, first + 2]
    assert numbers(pool.samples) == [0, 1, 2, 3, 4, 5]


def test_it_exchanges_half_of_the_samples_and_loses_none():
    pool, rng, given = HistoryPool(50), source(), []
    batches = [numbered(4 * index, 4) for index in range(500)]
    for batch in batches:
        given += numbers(pool.exchange(batch, rng))
    kept = numbers(pool.samples)
    assert sorted(given[50:] + kept) == list(range(2000)), "since it is full, each is given once or kept"
    older = sum(number < 4 * (index // 4) for index, number in enumerate(given))
    assert abs(older / (2000 - 50) - 0.5) < 4 * 0.5 / 1950**0.5
    assert max(index // 4 - number // 4 for index, number in enumerate(given)) > 30, "some are old"


def test_samples_of_a_batch_have_slots_of_their_own():
    pool, rng = HistoryPool(8), source()
    pool.exchange(numbered(0, 8), rng)
    for index in range(1, 40):
        before, batch = set(numbers(pool.samples)), numbered(8 * index, 8)
        given = numbers(pool.exchange(batch, rng))
        assert sorted([*given, *numbers(pool.samples)]) == sorted([*before, *numbers(batch)])


def test_a_batch_larger_than_the_pool_is_given_back_beyond_its_size():
    pool = HistoryPool(3)
    assert numbers(pool.exchange(numbered(0, 5), source())) == [0, 1, 2, 3, 4]
    assert numbers(pool.exchange(numbered(5, 5), source()))[3:] == [8, 9]


def test_it_keeps_copies_without_a_graph():
    pool, weight = HistoryPool(4), torch.ones((), requires_grad=True)
    x = numbered(0, 2) * weight
    given = pool.exchange(x, source())
    assert not given.requires_grad
    assert not pool.samples.requires_grad
    assert pool.samples.untyped_storage().nbytes() == 4 * 4 * 4
    given.fill_(7)
    assert numbers(pool.samples[:2]) == [0, 1]


def test_the_parts_of_a_batch_are_asked_for_once():
    whole, parted, x = HistoryPool(4), HistoryPool(4), [numbered(6 * index, 6) for index in range(5)]
    rngs = source(3), source(3)
    for batch in x:
        expected = whole.exchange(batch, rngs[0])
        for part in batch.split(2):
            parted.collect(part)
        assert torch.equal(torch.cat([parted.take(rngs[1]) for _ in range(3)]), expected)


@pytest.mark.parametrize("batches", [1, 5])
def test_it_goes_on_from_its_state(batches):
    """Half full, and full."""
    pool, rng = HistoryPool(8), source()
    for index in range(batches):
        pool.exchange(numbered(4 * index, 4), rng)
    other = HistoryPool(8)
    other.load_state(pool.state())
    rngs = torch.Generator(), torch.Generator()
    for each in rngs:
        each.set_state(rng.get_state())
    for index in range(batches, batches + 4):
        ours, theirs = (p.exchange(numbered(4 * index, 4), r) for p, r in zip((pool, other), rngs, strict=True))
        assert torch.equal(ours, theirs)


def test_what_cannot_be_a_history_is_refused():
    with pytest.raises(InputError, match="must be at least 0, not -1"):
        HistoryPool(-1)
    with pytest.raises(InputError, match=r"50 samples cannot be divided over 4 devices: set --model\.history to a mul"):
        HistoryPool.of_device(50, 4)
    assert HistoryPool.of_device(48, 4).size == 12
