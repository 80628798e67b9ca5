"""A batch keeps all its parts, whatever is done with it."""

import copy
import pickle

import pytest
import torch
from lightning.pytorch.utilities import move_data_to_device
from torch.utils.data import DataLoader

from lightning_gen import Batch

X, LABELS, TARGET = torch.arange(14.0).reshape(7, 2), torch.arange(7), torch.arange(21.0).reshape(7, 3)
BATCHES = [Batch(X), Batch(X, LABELS), Batch(X, LABELS, TARGET), Batch(X, target=TARGET)]


def assert_equal(one, other):
    torch.testing.assert_close(vars(one), vars(other), rtol=0, atol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_the_parts_of_a_batch_are_the_batch(batch):
    for parts in (1, 2, 3, 7, 9):
        found = list(batch.split(parts))
        assert [len(part.x) for part in found] == [len(chunk) for chunk in X.chunk(parts)]
        for name in ("x", "labels", "target"):
            whole = getattr(batch, name)
            pieces = [getattr(part, name) for part in found]
            assert pieces == [None] * len(found) if whole is None else torch.equal(torch.cat(pieces), whole)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_change_meets_every_part(batch):
    changed = batch.map(lambda each: each + 1)
    for name in ("x", "labels", "target"):
        whole = getattr(batch, name)
        assert getattr(changed, name) is None if whole is None else torch.equal(getattr(changed, name), whole + 1)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_survives_loaders_processes_and_devices(batch):
    assert_equal(pickle.loads(pickle.dumps(batch)), batch)
    assert_equal(copy.deepcopy(batch), batch)
    assert_equal(move_data_to_device(batch, torch.device("cpu")), batch)
    assert {each.device.type for each in vars(batch.to("meta")).values() if torch.is_tensor(each)} == {"meta"}
    (loaded,) = DataLoader([batch], batch_size=None, num_workers=1)
    assert_equal(loaded, batch)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_loader_of_torch_joins_single_samples(batch):
    singles = [batch.map(lambda each, index=index: each[index]) for index in range(7)]
    (loaded,) = DataLoader(singles, batch_size=7)
    assert_equal(loaded, batch)
    labelled = [Batch(sample.x, index) for index, sample in enumerate(singles)]
    (loaded,) = DataLoader(labelled, batch_size=7)
    assert_equal(loaded, Batch(X, LABELS))


def test_a_batch_is_unpacked_as_in_the_first_version():
    x, labels = Batch(X, LABELS, TARGET)
    assert x is X
    assert labels is LABELS


def test_targets_are_read_as_samples_are():
    pixels = torch.tensor([[0, 255]], dtype=torch.uint8)
    read = Batch.of(Batch(pixels, None, pixels))
    assert torch.equal(read.target, torch.tensor([[-1.0, 1.0]]))
    assert Batch.of(Batch(X, LABELS, TARGET.double())).target.dtype == torch.float32
    same = Batch(X, LABELS, TARGET)
    assert Batch.of(same) is same
