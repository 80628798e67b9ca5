"""A mapped array travels to other processes as its place in a file, and is the same array there."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from lightning_gen.data import ArrayDataset, ImageFolder, Tensors
from lightning_gen.errors import InputError
from lightning_gen.records import Batch

SMALL = 20_000
"""Bytes; the arrays here have more than 100,000."""


@pytest.fixture
def path(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (500, 2, 10, 12), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy"


def reopened(dataset):
    content = pickle.dumps(dataset)
    assert len(content) < SMALL
    return pickle.loads(content)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x[:, None],
        lambda x: x[7:],
        lambda x: x[7:400][3:],
        lambda x: x.reshape(500, -1),
        lambda x: x.transpose(3, 2, 1, 0),
    ],
    ids=("whole", "axis", "tail", "slice of a slice", "flat", "turned"),
)
def test_a_view_is_the_same_in_another_process(path, view):
    x = view(np.load(path, mmap_mode="r"))
    found = reopened(ArrayDataset(x)).x
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert found.dtype == x.dtype
    assert np.array_equal(found, x)


def test_labels_and_rows_travel_along(path):
    x = np.load(path, mmap_mode="r")
    dataset = ArrayDataset(x, torch.arange(500), torch.tensor([5, 3, 499]))
    found = reopened(reopened(dataset))
    assert torch.equal(found[:].x, torch.from_numpy(x[[5, 3, 499]]))
    assert found[:].labels.tolist() == [5, 3, 499]


@pytest.mark.parametrize(
    "view",
    [lambda x: x[::2], lambda x: x[::-1], lambda x: np.array(x), lambda x: torch.from_numpy(np.array(x))],
    ids=("gaps", "backwards", "array", "tensor"),
)
def test_what_has_no_place_of_its_own_is_copied(path, view):
    x = view(np.load(path, mmap_mode="r"))
    assert np.array_equal(pickle.loads(pickle.dumps(ArrayDataset(x))).x, x)


def test_changes_in_memory_alone_are_copied(path):
    x = np.load(path, mmap_mode="c")
    x[3] = 7
    assert np.array_equal(pickle.loads(pickle.dumps(ArrayDataset(x))).x, x)


def test_what_was_mapped_is_copied_where_the_file_is_another(path):
    x = np.load(path, mmap_mode="r")
    dataset, before = ArrayDataset(x), np.array(x)
    np.save(path.with_name("other.npy"), 255 - x)
    os.replace(path.with_name("other.npy"), path)
    assert np.array_equal(pickle.loads(pickle.dumps(dataset)).x, before)
    path.unlink()
    assert np.array_equal(pickle.loads(pickle.dumps(dataset)).x, before)


def test_a_file_that_changes_on_the_way_is_refused(path):
    content = pickle.dumps(ArrayDataset(np.load(path, mmap_mode="r")))
    np.save(path.with_name("other.npy"), np.zeros((500, 2, 10, 12), dtype=np.uint8))
    os.replace(path.with_name("other.npy"), path)
    with pytest.raises(InputError, match=r"x\.npy was replaced while it was in use"):
        pickle.loads(content)
    path.unlink()
    with pytest.raises(InputError, match=r"x\.npy cannot be read any more"):
        pickle.loads(content)


def test_another_array_in_its_place_is_what_is_pickled(path):
    dataset = ArrayDataset(np.load(path, mmap_mode="r"))
    dataset.x = np.zeros((3, 2))
    assert pickle.loads(pickle.dumps(dataset)).x.shape == (3, 2)


def test_tensors_and_folders_travel_as_places(tmp_path, path):
    points = np.random.default_rng(0).normal(size=(2000, 30)).astype(np.float32)
    np.save(tmp_path / "points.npy", points)
    data = Tensors(str(tmp_path / "points.npy"), val_fraction=0, test_fraction=0)
    data.setup()
    assert len(pickle.dumps(data)) < 3 * 8 * 2000 + SMALL  # the rows of the splits
    assert torch.equal(pickle.loads(pickle.dumps(data)).train_set[:].x, data.train_set[:].x)
    (tmp_path / "images").mkdir()
    for level in range(20):
        Image.new("L", (64, 64), level).save(tmp_path / "images" / f"{level}.png")
    folder = ImageFolder(str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"))
    folder.setup()
    assert torch.equal(reopened(folder.train_set)[:].x, folder.train_set[:].x)


@pytest.mark.slow
def test_a_worker_that_is_spawned_reads_the_same(path):
    x = np.load(path, mmap_mode="r")
    loader = DataLoader(
        ArrayDataset(x), batch_size=250, collate_fn=Batch.unpacked, num_workers=1, multiprocessing_context="spawn"
    )
    assert torch.equal(torch.cat([batch.x for batch in loader]), torch.from_numpy(np.array(x)))
