"""Tables of indices: what they cost, that they are whole numbers, and that coding gives back what was coded."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lightning_gen.applications import index_tables
from lightning_gen.applications.index_coding import decoded, encoded
from lightning_gen.applications.index_tables import BITS, POWERS, RANK, STEPS, IndexTables, as_maps, from_maps

pytest.importorskip("constriction")


def chain(n, height, width, codes, stay=0.9, seed=0):
    """Maps whose rows are Markov chains: the index of the left neighbour with probability `stay`, else any."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(codes, size=(n, 1, height, width))
    for column in range(1, width):
        same = rng.random((n, 1, height)) < stay
        maps[..., column] = np.where(same, maps[..., column - 1], maps[..., column])
    return torch.from_numpy(maps)


@pytest.fixture
def short(monkeypatch):
    """Fits of a few updates: coding is exact whatever tables were found."""
    monkeypatch.setattr(index_tables, "LEAST", 10)
    monkeypatch.setattr(index_tables, "PASSES", 10)


@pytest.fixture(scope="module")
def tables():
    return IndexTables.fit(chain(400, 4, 6, 8), (8,), "key")


def test_powers_are_floors_of_powers_of_two():
    """By their definition in exact numbers: p <= 2^(24 - i/64) < p + 1."""
    for i in (0, 1, 63, 64, 65, 500, 1535):
        value = Fraction(2) ** (BITS * STEPS - i)
        assert int(POWERS[i]) ** STEPS <= value < (int(POWERS[i]) + 1) ** STEPS


def test_weights_are_whole_numbers_from_1_to_2_to_the_24(tables):
    weights = tables.weights(tables.canvas(3), 0, 1, 2)
    assert weights.shape == (3, 8)
    assert weights.dtype == np.float64
    assert np.array_equal(weights, np.floor(weights))
    assert weights.min() >= 1
    assert weights.max() == 2**24


def test_a_chain_costs_its_conditional_entropy(tables):
    """Not the entropy of its indices, 3 bits each; from below it is bounded by the entropy of the chain."""
    maps = chain(1000, 4, 6, 8, seed=1).numpy()
    stay = 0.9 + 0.1 / 8
    bits = -stay * np.log2(stay) - 7 * (0.1 / 8) * np.log2(0.1 / 8)
    entropy = (4 * 3 + 20 * bits) / 24
    data = encoded(maps, tables)
    assert np.array_equal(decoded(data, len(maps), tables), maps), "tables of a whole fit"
    cost = 8 * len(data) / maps.size
    assert 0.98 * entropy < cost < 1.12 * entropy


@pytest.mark.parametrize(("depth", "shape"), [(1, (5, 3)), (3, (2, 4)), (2, (1, 1))])
def test_indices_come_back_and_depend_on_no_index_that_comes_later(depth, shape, short):
    source = torch.Generator().manual_seed(0)
    maps = torch.randint(6, (1030, depth, *shape), generator=source)
    found = IndexTables.fit(maps[:60], (6,) * depth, "key")
    data = encoded(maps.numpy(), found)
    assert np.array_equal(decoded(data, len(maps), found), maps.numpy())


def test_a_code_that_training_never_had_is_written_and_read(short):
    maps = torch.zeros(50, 1, 3, 3, dtype=torch.int64)
    found = IndexTables.fit(maps, (40,), "key")
    unseen = np.full((2, 1, 3, 3), 39)
    assert np.array_equal(decoded(encoded(unseen, found), 2, found), unseen)


def test_indices_of_a_codebook_before_are_used():
    """The second codebook repeats the first one, so both cost hardly more than one."""
    first = torch.randint(16, (400, 1, 1, 2), generator=torch.Generator().manual_seed(0))
    maps = torch.cat([first, first], 1)
    found = IndexTables.fit(maps, (16, 16), "key")
    assert 8 * len(encoded(maps.numpy(), found)) / first.numel() < 4.3


def test_a_single_picture_and_none(short):
    one = torch.randint(5, (1, 1, 2, 2))
    found = IndexTables.fit(one, (5,), "key")
    assert np.array_equal(decoded(encoded(one.numpy(), found), 1, found), one.numpy())
    assert decoded(encoded(one.numpy()[:0], found), 0, found).shape == (0, 1, 2, 2)


def test_tables_are_plain_data_with_a_key_of_their_values(tables):
    again = IndexTables.rebuilt(tables.described())
    assert again.key == tables.key
    assert again.map_size == (4, 6)
    described = tables.described()
    changed = described["codebooks"][0]["places"].clone()
    changed[0, 0] += 1
    described["codebooks"][0]["places"] = changed
    assert IndexTables.rebuilt(described).key != tables.key
    assert tables.described()["codebooks"][0]["neighbours"].dtype == torch.int16


def test_sums_of_tables_are_exact_in_any_order(tables):
    """The largest sum that int16 tables and the neighbours of eight codebooks can give is a whole number in float64."""
    assert 40 * 2**15 * 2**15 * RANK + 2**31 < 2**53


def test_maps_of_indices_of_any_sides():
    for sides in [(), (5,), (2, 3), (2, 3, 4)]:
        indices = [torch.randint(9, (4, *sides)) for _ in range(2)]
        maps = as_maps(indices)
        assert maps.ndim == 4
        assert all(torch.equal(one, other) for one, other in zip(indices, from_maps(maps, sides), strict=True))
