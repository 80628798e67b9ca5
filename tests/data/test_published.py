import gzip
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets
from PIL import Image

from lightning_gen.data import (
    CIFAR10,
    CIFAR100,
    EMNIST,
    KMNIST,
    MNIST,
    STL10,
    SVHN,
    CelebA,
    FashionMNIST,
    PublishedImages,
)
from lightning_gen.data.mnist import EMNIST_CLASSES
from lightning_gen.errors import InputError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
RANDOM = np.random.default_rng(0)


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((gzip.compress if path.suffix == ".gz" else bytes)(header + array.tobytes()))


def write_mnist(folder, names=("train", "t10k"), prefix="", suffix="", counts=(40, 10), first_label=0):
    images = [RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8) for count in counts]
    labels = [np.arange(count, dtype=np.uint8) % 10 + first_label for count in counts]
    for name, x, y in zip(names, images, labels, strict=True):
        write_idx(folder / f"{prefix}{name}-images-idx3-ubyte{suffix}", x)
        write_idx(folder / f"{prefix}{name}-labels-idx1-ubyte{suffix}", y)
    return images, labels


def contents(dataset):
    x, labels = dataset.__getitems__(list(range(len(dataset))))
    return {image.numpy().tobytes(): label for image, label in zip(x, labels.tolist(), strict=True)}


def expected(images, labels):
    return {np.ascontiguousarray(image).tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)}


def agree(module, images, labels):
    """The training and validation split make up the training part, each image with its own label."""
    module.setup()
    assert contents(module.train_set) | contents(module.val_set) == expected(images[0], labels[0])
    assert contents(module.test_set) == expected(images[1], labels[1])
    assert len(module.train_set) + len(module.val_set) == len(images[0])


@pytest.fixture
def no_debian(monkeypatch, tmp_path):
    monkeypatch.setattr(FashionMNIST, "debian_folder", tmp_path / "debian")
    return tmp_path / "debian"


@pytest.fixture
def no_checksums(monkeypatch):
    for name in ("cifar", "svhn", "stl10"):
        module = getattr(torchvision.datasets, name)
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_mnist_like_files_are_found_in_any_folder(tmp_path, no_debian, suffix, below):
    images, labels = write_mnist(tmp_path / "x" / below, suffix=suffix)
    module = FashionMNIST(data_dir=str(tmp_path / "x"), download=False, val_size=7)
    agree(module, images, labels)
    assert len(module.val_set) == 7


def test_debian_folder_is_the_last_resort(tmp_path, no_debian):
    images, labels = write_mnist(no_debian, suffix=".gz")
    agree(FashionMNIST(data_dir=str(tmp_path / "x"), download=False), images, labels)
    images, labels = write_mnist(tmp_path / "x")
    agree(FashionMNIST(data_dir=str(tmp_path / "x"), download=False), images, labels)


def test_emnist_is_turned_upright_and_counts_letters_from_0(tmp_path):
    images, labels = write_mnist(
        tmp_path, names=("train", "test"), prefix="emnist-letters-", counts=(40, 10), first_label=1
    )
    module = EMNIST(split="letters", data_dir=str(tmp_path), download=False)
    assert module.num_classes == 26
    assert module.classes == tuple("abcdefghijklmnopqrstuvwxyz")
    agree(module, [part.transpose(0, 2, 1) for part in images], [part - 1 for part in labels])


@pytest.mark.parametrize(("module", "key"), [(CIFAR10, "labels"), (CIFAR100, "fine_labels")])
def test_cifar(tmp_path, no_checksums, module, key):
    images, labels = [], []
    counts = [4] * (len(module.files) - 1) + [3]
    for name, count in zip(module.files, counts, strict=True):
        images.append(RANDOM.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8))
        labels.append(RANDOM.integers(0, module.native_classes, count))
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps({"data": images[-1].reshape(count, 3072), key: labels[-1].tolist()}))
    meta = module.source.meta
    names = [f"kind {number}" for number in range(module.native_classes)]
    (path.parent / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: names}))
    images, labels = [np.concatenate(images[:-1]), images[-1]], [np.concatenate(labels[:-1]), labels[-1]]
    data = module(data_dir=str(tmp_path), download=False, val_size=1)
    agree(data, images, labels)
    assert data.classes == tuple(names)


def test_svhn(tmp_path, no_checksums):
    images = [RANDOM.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8) for count in (12, 5)]
    labels = [RANDOM.integers(0, 10, count) for count in (12, 5)]
    for name, x, y in zip(SVHN.files, images, labels, strict=True):
        content = {"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None].astype(np.uint8)}
        scipy.io.savemat(tmp_path / name, content)
    agree(SVHN(data_dir=str(tmp_path), download=False), images, labels)


def test_stl10(tmp_path, no_checksums):
    images = [RANDOM.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8) for count in (12, 5)]
    labels = [RANDOM.integers(0, 10, count) for count in (12, 5)]
    (tmp_path / "stl10_binary").mkdir()
    for name, x, y in zip(("train", "test"), images, labels, strict=True):
        (tmp_path / f"stl10_binary/{name}_X.bin").write_bytes(x.transpose(0, 1, 3, 2).tobytes())
        (tmp_path / f"stl10_binary/{name}_y.bin").write_bytes((y + 1).astype(np.uint8).tobytes())
    (tmp_path / "stl10_binary/unlabeled_X.bin").touch()
    agree(STL10(data_dir=str(tmp_path), download=False), images, labels)


def test_celeba_has_the_published_splits_and_the_central_square(tmp_path):
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    parts = [0, 0, 1, 2, 0, 1]
    for index, _ in enumerate(parts):
        image = np.full((218, 178, 3), 40 * index, dtype=np.uint8)
        image[:20] = image[-20:] = 255
        Image.fromarray(image).save(folder / f"{index:06}.jpg")
    lines = [f"{index:06}.jpg {part}\n" for index, part in enumerate(parts)]
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("".join(lines))
    module = CelebA(size=16, data_dir=str(tmp_path), download=False, cache_dir=str(tmp_path / "cache"))
    module.setup()
    splits = (module.train_set, module.val_set, module.test_set)
    values = [split.__getitems__(list(range(len(split)))).x.float().mean((1, 2, 3)) for split in splits]
    for value, value_expected in zip(values, ([0, 40, 160], [80, 200], [120]), strict=True):
        torch.testing.assert_close(value, torch.tensor(value_expected).float(), atol=2, rtol=0)
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("202599\n")
    with pytest.raises(InputError, match="is not CelebA's list of splits"):
        CelebA(data_dir=str(tmp_path), download=False).setup()


def test_a_broken_image_of_celeba_has_a_remedy_that_works(tmp_path):
    """CelebA cannot leave images out: its splits are published."""
    pictures = tmp_path / "celeba" / "img_align_celeba"
    pictures.mkdir(parents=True)
    for index in range(3):
        Image.new("RGB", (178, 218), (index, 0, 0)).save(pictures / f"{index}.jpg")
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("0.jpg 0\n1.jpg 1\n2.jpg 2\n")
    whole = (pictures / "1.jpg").read_bytes()
    (pictures / "1.jpg").write_bytes(whole[:300])

    def decoded():
        CelebA(size=8, data_dir=str(tmp_path), download=False, cache_dir=str(tmp_path / "cache")).setup()

    with pytest.raises(
        InputError, match=r"1\.jpg cannot be decoded .*: replace it by that of CelebA's archive"
    ) as error:
        decoded()
    assert "on_error" not in str(error.value)
    (pictures / "1.jpg").write_bytes(whole)
    decoded()


def test_celeba_says_which_package_downloads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(InputError, match=r"could not be downloaded \(.*pip install gdown"):
        CelebA(data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache")).prepare_data()


@pytest.mark.parametrize("size", [16, 32])
def test_images_are_resized_in_all_splits(tmp_path, size):
    write_mnist(tmp_path)
    module = MNIST(data_dir=str(tmp_path), download=False, size=size)
    module.setup()
    assert module.shape == (1, size, size)
    for split in (module.train_set, module.val_set, module.test_set):
        assert split[0].x.shape == module.shape


def test_validation_split_is_a_tenth_and_depends_on_the_seed_alone(tmp_path):
    write_mnist(tmp_path)
    splits = []
    for seed in (0, 0, 1):
        module = KMNIST(data_dir=str(tmp_path), download=False, seed=seed)
        module.setup()
        splits.append(set(contents(module.val_set)))
    assert len(splits[0]) == 4
    assert splits[0] == splits[1] != splits[2]


def test_missing_files_are_named_with_a_remedy(tmp_path, no_debian):
    with pytest.raises(InputError) as error:
        FashionMNIST(data_dir=str(tmp_path), download=False).prepare_data()
    message = str(error.value)
    assert f"Fashion-MNIST is not in {tmp_path}/FashionMNIST/raw (train-images-idx3-ubyte is missing)" in message
    assert "--data.download is false" in message
    assert "apt-get install dataset-fashion-mnist" in message


def test_one_missing_file_is_the_one_that_is_named(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match=r"\(t10k-labels-idx1-ubyte is missing\)"):
        MNIST(data_dir=str(tmp_path), download=False).setup()


def test_damaged_and_foreign_files_are_refused(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in CIFAR10.files:
        (tmp_path / name).write_bytes(b"not it")
    with pytest.raises(InputError, match=r"CIFAR-10 in .* is damaged: delete its files"):
        CIFAR10(data_dir=str(tmp_path), download=False).setup()
    write_mnist(tmp_path)
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((40, 32, 32), np.uint8))
    with pytest.raises(InputError, match=r"holds 40 images of shape \(1, 32, 32\) and 40 labels, which is not MNIST"):
        MNIST(data_dir=str(tmp_path), download=False).setup()


class Online(PublishedImages):
    title, link, files, native_shape, native_classes = "Online", "https://example.org", ("a/x", "y"), (1, 2, 2), 2
    lines_are_up = True

    def fetch(self, folder):
        (folder / "a").mkdir()
        (folder / "a" / "x").write_text("half")
        if not self.lines_are_up:
            raise ConnectionError("one\nthe line is cut.")
        (folder / "y").write_text("whole")

    def read(self, place, train):
        raise NotImplementedError


def test_download_arrives_whole_and_once(tmp_path, monkeypatch):
    module = Online(data_dir=str(tmp_path / "x" / "y"))
    module.prepare_data()
    assert sorted(path.name for path in (tmp_path / "x" / "y").rglob("*")) == ["a", "x", "y"]
    monkeypatch.setattr(Online, "lines_are_up", False)
    module.prepare_data()


@pytest.mark.parametrize("existing", [False, True])
def test_failed_download_leaves_nothing_behind(tmp_path, monkeypatch, existing):
    monkeypatch.setattr(Online, "lines_are_up", False)
    if existing:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "mine").touch()
    with pytest.raises(InputError, match=r"\(a/x is missing\) and could not be downloaded \(the line is cut\): put"):
        Online(data_dir=str(tmp_path / "x" / "y")).prepare_data()
    assert [path.name for path in tmp_path.rglob("*")] == (["x", "mine"] if existing else [])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EMNIST(split="big"), "EMNIST has no part 'big': set --data.split to one of byclass"),
        (lambda: MNIST(size=0), "--data.size must be at least 1"),
        (lambda: MNIST(val_size=-1), "--data.val_size must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_validation_split_as_large_as_the_training_part_is_refused(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(InputError, match=r"has 40 images to train on: set --data.val_size below that, not 40"):
        MNIST(data_dir=str(tmp_path), download=False, val_size=40).setup()


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="the package dataset-fashion-mnist is not installed")
def test_fashion_mnist_has_its_published_statistics(tmp_path):
    module = FashionMNIST(data_dir=str(tmp_path), download=False)
    module.setup()
    assert [len(part) for part in (module.train_set, module.val_set, module.test_set)] == [55_000, 5_000, 10_000]
    x, labels = module.train_set.x, module.train_set.labels
    assert torch.bincount(labels).tolist() == [6_000] * 10
    assert torch.bincount(module.test_set.labels).tolist() == [1_000] * 10
    assert labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    pixels = x.float() / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.2860, 0.3530)


@pytest.mark.parametrize(
    ("module", "options"),
    [(module, {}) for module in (MNIST, FashionMNIST, KMNIST, CIFAR10, SVHN, STL10)]
    + [(EMNIST, {"split": split}) for split in EMNIST_CLASSES],
)
def test_each_class_has_a_name_of_its_own(module, options):
    data = module(download=False, **options)
    assert len(set(data.classes)) == len(data.classes) == data.num_classes
