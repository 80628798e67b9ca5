"""Two domains of unequal sizes: which images meet, how often each is seen, and crops of their own."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.data import UnpairedFolder
from lightning_gen.data.loader import Loader
from lightning_gen.data.pairs import UnpairedViews
from lightning_gen.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(folder, numbers, side=12):
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:side, :side]
    for number in numbers:
        pixels = np.stack([rows * 10, columns * 10, np.full_like(rows, number)], -1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def data_of(tmp_path, a=20, b=7, **options):
    write(tmp_path / "x/trainA", range(a))
    write(tmp_path / "x/trainB", range(100, 100 + b))
    options = {"size": 12, "batch_size": 4, "val_fraction": 0.0, "test_fraction": 0.0} | options
    data = UnpairedFolder(str(tmp_path / "x"), **options)
    data.setup()
    return data


def numbers(x):
    return x[:, 2, 0, 0].tolist()


@pytest.mark.parametrize(("a", "b"), [(20, 7), (7, 20), (8, 8)])
def test_every_image_of_the_smaller_domain_is_seen_once_per_round(a, b, tmp_path):
    loader = data_of(tmp_path, a, b).train_dataloader()
    seen = [numbers(side) for _ in range(7) for batch in loader for side in (batch.x, batch.target)]
    sources, targets = (list(chain(*seen[side::2])) for side in (0, 1))
    smaller, size = (sources, a) if a < b else (targets, b)
    assert len(smaller) == 7 * (max(a, b) // 4 * 4)
    rounds = [smaller[start : start + size] for start in range(0, len(smaller) - size + 1, size)]
    assert all(len(set(each)) == size for each in rounds)
    assert len({tuple(each) for each in rounds}) == len(rounds), "a new order in each"


def test_partners_and_crops_are_those_of_a_resumed_run_and_of_two_ranks(tmp_path):
    data = data_of(tmp_path, size=8, load_size=12, mirror=True)

    def loader(**options):
        return Loader(UnpairedViews(data.train_set), 4, shuffle=True, drop_last=True, seed=1, epoch=3, **options)

    whole = list(loader())
    resumed = loader()
    resumed.load_state_dict({"epoch": 3, "batches": 2, "batch_size": 4})
    for a, b in zip(resumed, whole[2:], strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.target, b.target)
    for a, b, both in zip(*(loader(rank=rank, world_size=2) for rank in range(2)), whole, strict=True):
        assert torch.equal(torch.stack([a.target, b.target], 1).flatten(0, 1), both.target)


def test_crops_of_both_sides_are_independent(tmp_path):
    loader = data_of(tmp_path, size=8, load_size=12).train_dataloader()
    corners = [
        (x[:2, 0, 0].tolist(), y[:2, 0, 0].tolist())
        for _ in range(20)
        for batch in loader
        for x, y in zip(batch.x, batch.target, strict=True)
    ]
    assert len(corners) == 400
    equal = Counter(a == b for a, b in corners)[True]
    assert abs(equal - 16) < 4 * 4  # 1 of 25 places, four standard deviations
    assert {tuple(a) for a, _ in corners} == {tuple(b) for _, b in corners}


def test_numbers_beyond_64_bits_name_their_views(tmp_path):
    data = data_of(tmp_path)
    views = UnpairedViews(data.train_set)
    views.views = type(views.views)(2**60, 7)
    batches = Loader(views, 4, shuffle=True)
    assert sorted(chain(*(numbers(batch.x) for batch in batches))) == list(range(20))


def test_evaluation_goes_through_the_smaller_domain_again(tmp_path):
    write(tmp_path / "x/testA", range(50, 55))
    write(tmp_path / "x/testB", range(60, 62))
    data = data_of(tmp_path)
    batch = data.test_set[:]
    assert sorted(numbers(batch.x)) == list(range(50, 55))
    targets = numbers(batch.target)
    assert targets == [targets[i % 2] for i in range(5)]
    assert set(targets) == {60, 61}
    assert [f"testA/{number}.png" for number in numbers(batch.x)] == data.sample_names("test")


def test_evaluation_compares_with_the_answer_of_the_same_name(tmp_path):
    for side in "AB":
        write(tmp_path / f"x/test{side}", range(50, 58))
    batch = data_of(tmp_path).test_set[:]
    assert numbers(batch.x) == numbers(batch.target)
    assert not data_of(tmp_path).paired


def test_domains_need_folders(tmp_path):
    write(tmp_path / "x", range(3))
    with pytest.raises(InputError, match="has no folders of two domains: name them A and B"):
        UnpairedFolder(str(tmp_path / "x")).prepare_data()
