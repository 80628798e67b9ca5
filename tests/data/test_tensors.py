import pickle

import numpy as np
import pytest
import torch

from lightning_gen.data import Tensors
from lightning_gen.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 6), dtype=np.uint8)
LABELS = np.arange(20) % 4


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def save(path, x, labels=None):
    arrays = {"x": x} if labels is None else {"x": x, "labels": labels}
    if path.suffix == ".npy":
        np.save(path, x)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        torch.save({name: torch.from_numpy(value) for name, value in arrays.items()}, path)
    return str(path)


def everything(module):
    module.setup()
    parts = [part.__getitems__(list(range(len(part)))) for part in (module.train_set, module.val_set, module.test_set)]
    return torch.cat([part.x for part in parts]), [part.labels for part in parts]


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt"])
def test_every_sample_is_in_one_split(tmp_path, kind):
    module = Tensors(save(tmp_path / f"a{kind}", IMAGES), batch_size=4)
    assert (module.shape, module.num_classes) == ((3, 8, 6), None)
    x, labels = everything(module)
    assert sorted(x.flatten(1).tolist()) == sorted(IMAGES.reshape(20, -1).tolist())
    assert x.dtype == torch.uint8
    assert labels == [None] * 3
    assert [len(part) for part in (module.train_set, module.val_set, module.test_set)] == [16, 2, 2]


@pytest.mark.parametrize("kind", [".npz", ".pt"])
def test_labels_stay_with_their_samples(tmp_path, kind):
    module = Tensors(save(tmp_path / f"a{kind}", IMAGES, LABELS))
    assert module.num_classes == 4
    x, labels = everything(module)
    for image, label in zip(x, torch.cat(labels), strict=True):
        row = np.flatnonzero((image.numpy() == IMAGES).all((1, 2, 3))).item()
        assert LABELS[row] == label


def test_labels_in_a_file_of_their_own(tmp_path):
    module = Tensors(save(tmp_path / "a.npy", IMAGES), labels_path=save(tmp_path / "b.npy", LABELS))
    assert module.num_classes == 4
    assert torch.bincount(torch.cat(everything(module)[1])).tolist() == [5, 5, 5, 5]


def test_tensor_alone_and_grey_images(tmp_path):
    torch.save(torch.from_numpy(IMAGES[:, 0]), tmp_path / "a.pt")
    module = Tensors(str(tmp_path / "a.pt"))
    assert module.shape == (1, 8, 6)
    assert everything(module)[0].shape == (20, 1, 8, 6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_points_are_float32_as_they_are(tmp_path, dtype):
    points = np.linspace(-3, 9, 40).reshape(20, 2).astype(dtype)
    module = Tensors(save(tmp_path / "a.npy", points))
    x, _ = everything(module)
    assert module.shape == (2,)
    assert x.dtype == torch.float32
    assert sorted(x.tolist()) == sorted(points.astype(np.float32).tolist())


def test_npy_is_mapped_from_the_disk(tmp_path):
    module = Tensors(save(tmp_path / "a.npy", IMAGES))
    module.setup()
    assert isinstance(module.train_set.x, np.memmap)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt"])
def test_file_with_an_object_is_refused_and_runs_nothing(tmp_path, kind):
    path, trap = tmp_path / f"a{kind}", tmp_path / "trap"
    objects = np.array([Malicious(trap)], dtype=object)
    if kind == ".pt":
        torch.save({"x": Malicious(trap)}, path)
    elif kind == ".npy":
        np.save(path, objects, allow_pickle=True)
    else:
        np.savez(path, x=objects)
    with pytest.raises(InputError, match="refused because they could run code"):
        Tensors(str(path))
    assert not trap.exists()


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pt"])
def test_bare_pickle_is_refused_and_runs_nothing(tmp_path, kind):
    path, trap = tmp_path / f"a{kind}", tmp_path / "trap"
    path.write_bytes(pickle.dumps(Malicious(trap)))
    with pytest.raises(InputError, match="save arrays alone"):
        Tensors(str(path))
    assert not trap.exists()


def refused(tmp_path, x, message, labels=None):
    with pytest.raises(InputError, match=message):
        Tensors(save(tmp_path / "a.npz", x, labels)).setup()


def test_unfit_arrays_are_refused(tmp_path):
    refused(tmp_path, np.zeros((5, 4), np.int32), r"holds int32 of shape \(5, 4\): save images as uint8")
    refused(tmp_path, np.zeros((5, 4), np.uint8), "save images as uint8")
    either = r"may be grey images \(n, height, width\) as well as series \(n, channels, length\): save images as"
    refused(tmp_path, np.zeros((5, 1, 4096), np.uint8), either)
    refused(tmp_path, np.zeros((5, 1, 4096), np.float32), either)
    refused(tmp_path, np.zeros((5, 28, 28), np.float32), either)
    refused(tmp_path, np.zeros((0, 2)), "empty array")
    refused(tmp_path, np.array([[1.0, np.inf]]), "not finite")
    refused(tmp_path, np.array([[1.0, np.nan]]), "not finite")
    points = np.zeros((10_000, 2))
    points[[9_000, 9_500], 1] = np.nan, np.inf
    refused(tmp_path, points, r"a\.npz .* not finite, first in sample 9000: remove")
    images = np.zeros((5, 1, 8, 8))
    images[3] = 1.5
    refused(tmp_path, images, "first in sample 3: save them as uint8")
    refused(tmp_path, np.full((4, 1, 8, 8), 255.0), r"outside of \[-1, 1\], first in sample 0: save them as uint8")
    last = r"channels seem to come last: save x.transpose\(0, 3, 1, 2\)"
    refused(tmp_path, np.zeros((5, 8, 8, 3), np.uint8), last)
    refused(tmp_path, np.zeros((5, 8, 8, 1), np.float32), last)
    refused(tmp_path, IMAGES, "save one integer from 0 up for each of the 20 samples", labels=LABELS[:3])
    refused(tmp_path, IMAGES, r"\(20,\) and go down to -1: save one integer from 0 up", labels=np.full(20, -1))
    refused(tmp_path, IMAGES, "save one integer", labels=LABELS - 1)
    refused(tmp_path, IMAGES, "save one integer", labels=LABELS.astype(float))


@pytest.mark.parametrize(
    ("scales", "told"), [((1, 5), ""), ((1, 200), "from 1 to 200,"), ((0.01, 1), "from 0.01 to 1")]
)
def test_points_of_other_scales_are_told_of(tmp_path, scales, told):
    np.save(tmp_path / "x.npy", np.array([[-1.0, -1.0], [1.0, 1.0]] * 50) * scales)
    data = Tensors(str(tmp_path / "x.npy"))
    data.setup()
    said = data.contents()
    assert bool(said) == bool(told)
    assert told in "".join(said)


def test_unfit_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, y=LABELS)
    with pytest.raises(InputError, match="holds images, y: name the samples x"):
        Tensors(str(tmp_path / "a.npz"))
    with pytest.raises(InputError, match=r"there is no file .*: set --data.path"):
        Tensors(str(tmp_path / "none.npy"))
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(InputError, match="of an unknown kind"):
        Tensors(str(tmp_path / "a.csv"))


def test_series_are_standardised_by_the_training_split(tmp_path):
    x = np.random.default_rng(0).normal([[5.0], [-300.0]], [[0.1], [40.0]], (50, 2, 16))
    module = Tensors(save(tmp_path / "a.npy", x), series=True)
    assert module.shape == (2, 16)
    module.setup()
    stored = module.train_set[:]
    seen = module.scaled(stored).x
    torch.testing.assert_close(seen.mean((0, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std((0, 2), correction=0), torch.ones(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(module.medium.to_stored(seen), stored.x)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_with_three_sides_are_volumes(tmp_path, dtype):
    x = (np.random.default_rng(0).random((10, 1, 8, 9, 10)) * (200 if dtype is np.uint8 else 1)).astype(dtype)
    module = Tensors(save(tmp_path / "a.npy", x))
    module.setup()
    assert (module.shape, module.medium.noun) == ((1, 8, 9, 10), "volumes")
    seen = module.scaled(module.test_set[:]).x
    assert seen.shape == (1, 1, 8, 9, 10)
    assert -1 <= seen.min() < seen.max() <= 1


def test_unfit_series_are_refused(tmp_path):
    for x, sentence in (
        (np.zeros((5, 4)), "save series as float32"),
        (IMAGES, "save series as float32"),
        (np.zeros((9, 1, 32)), "channel 0 .* is constant in the training split"),
        (np.full((9, 1, 32), np.nan), "not finite"),
    ):
        with pytest.raises(InputError, match=sentence):
            Tensors(save(tmp_path / "a.npy", x), series=True)
