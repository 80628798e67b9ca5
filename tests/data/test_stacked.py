import struct

import numpy as np
import pytest
import torch

from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule, StackedDigits, StackedMNIST
from lightning_gen.errors import InputError

COUNTS = {"train_set": 600, "val_set": 60, "test_set": 60}


@pytest.fixture
def mnist(tmp_path):
    """Files of MNIST's format; the pixels of an image tell its place and its part, its label is the place mod 10."""
    for part, name, count in ((0, "train", 200), (100, "t10k", 40)):
        x = np.full((count, 28, 28), part, np.uint8)
        x[:, 0, 0] = np.arange(count)
        for kind, array in (("images-idx3", x), ("labels-idx1", np.arange(count, dtype=np.uint8) % 10)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (tmp_path / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return str(tmp_path)


def stacks(mnist, **options):
    return [StackedDigits(size=8, count=600, **options), StackedMNIST(data_dir=mnist, count=600, **options)]


def known(split):
    """The label of each single image, by its pixels."""
    x, labels = split[:]
    return {image.numpy().tobytes(): label for image, label in zip(x, labels.tolist(), strict=True)}


def test_each_channel_is_an_image_of_the_same_split_and_the_label_spells_their_classes(mnist):
    for data in stacks(mnist):
        data.setup()
        for name, count in COUNTS.items():
            singles = known(getattr(data.singles, name))
            x, labels = getattr(data, name)[:]
            assert len(getattr(data, name)) == len(x) == count
            assert x.dtype == torch.uint8
            assert tuple(x.shape[1:]) == data.shape == (3, *data.singles.shape[1:])
            for image, label in zip(x, labels.tolist(), strict=True):
                a, b, c = (singles[channel.numpy().tobytes()] for channel in image)
                assert label == 100 * a + 10 * b + c


def test_shape_and_classes_are_known_before_anything_is_read():
    assert (StackedDigits().shape, StackedDigits().num_classes) == ((3, 32, 32), 1000)
    assert (StackedMNIST().shape, StackedMNIST().num_classes) == ((3, 28, 28), 1000)
    assert StackedMNIST(size=32).shape == (3, 32, 32)


def test_the_published_number_of_stacks_is_the_default():
    assert StackedMNIST().count == 128_000


def test_modes_of_digits_are_equally_likely():
    data = StackedDigits(size=8, count=100_000)
    data.setup()
    for split in (data.train_set, data.test_set):
        counts = torch.bincount(split[:].labels, minlength=1000).double()
        expected = len(split) / 1000
        chi_square = ((counts - expected).square() / expected).sum()  # 999 on average, deviation 45
        assert chi_square == pytest.approx(999, abs=200)


def test_digits_of_mnist_are_equally_likely_whatever_their_class(mnist):
    data = StackedMNIST(data_dir=mnist, count=20_000)
    data.setup()
    places = data.train_set[:].x[:, :, 0, 0].flatten().long()
    kept = torch.tensor([single.x[0, 0, 0].item() for single in data.singles.train_set])
    counts = torch.bincount(places, minlength=200)[kept].double()
    assert counts.sum() == 60_000  # nothing of the validation split
    expected = 60_000 / len(kept)
    assert ((counts - expected).square() / expected).sum() == pytest.approx(len(kept) - 1, abs=100)


def test_the_seed_alone_chooses_what_is_stacked(mnist):
    for first, again, other in zip(*(stacks(mnist, seed=seed) for seed in (0, 0, 1)), strict=True):
        for data in (first, again, other):
            data.setup()
        assert torch.equal(first.train_set[:].x, again.train_set[:].x)
        assert not torch.equal(first.train_set.rows, other.train_set.rows)
        assert not torch.equal(first.train_set.rows[:60], first.val_set.rows)


def test_single_samples_slices_and_batches_agree(mnist):
    for data in stacks(mnist):
        data.setup()
        x, labels = data.train_set.__getitems__([4, 2])
        assert torch.equal(data.train_set[2].x, x[1])
        assert data.train_set[2].labels == labels[1]
        assert torch.equal(data.train_set[2:5].x[2], x[0])


def test_only_single_images_are_in_memory():
    data = StackedDigits(size=32, count=50_000)
    data.setup()
    assert data.train_set.singles.x.numel() == 1797 * 32 * 32
    assert data.train_set.rows.numel() * 8 < 2e6


def test_a_checkpoint_describes_them(mnist):
    for data in stacks(mnist, seed=3, batch_size=7):
        again = checkpoints.rebuild(DataModule, dict(data.hparams), "x.ckpt")
        assert dict(again.hparams) == dict(data.hparams)
        for part in (data, again):
            part.setup()
        assert torch.equal(data.test_set[:].x, again.test_set[:].x)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: StackedDigits(size=4), "set --data.size to 8 ... 64"),
        (lambda: StackedDigits(count=9), "--data.count must be at least 10, not 9"),
        (lambda: StackedDigits(batch_size=0), "--data.batch_size must be at least 1"),
        (lambda: StackedMNIST(size=0), "--data.size must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_missing_files_are_named_with_a_remedy(tmp_path):
    data = StackedMNIST(data_dir=str(tmp_path), download=False)
    with pytest.raises(InputError, match=r"MNIST is not in .*set --data.data_dir"):
        data.prepare_data()
