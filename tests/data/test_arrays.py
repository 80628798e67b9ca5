"""A file that holds no arrays is refused with what it holds instead, and no file takes more memory than there is."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from lightning_gen import memory
from lightning_gen.data import Tensors
from lightning_gen.data.arrays import read_arrays
from lightning_gen.errors import InputError

X = np.zeros((20, 1, 8, 8), np.uint8)


class Code:
    """Raises an error when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise AssertionError('code ran')",)


def header(shape):
    """The first bytes of a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(**parts):
    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name.replace("_npy", ".npy"), content)

    return write


def cut(write):
    def writing(path):
        write(path)
        path.write_bytes(path.read_bytes()[:-100])

    return writing


def npy(array):
    return lambda path: np.save(path, array)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def pt(content, **options):
    return lambda path: torch.save(content, path, **options)


def touch(path):
    path.touch()


def make_folder(path):
    path.mkdir()


KINDS = ("npy", "npz", "pt")
LEGACY = {"_use_new_zipfile_serialization": False}
OBJECTS = np.array([Code(), 1], dtype=object)


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        *((f"x.{kind}", touch, "holds nothing, not what its ending") for kind in KINDS),
        *((f"x.{kind}", lambda path: path.write_text("a,b"), "holds something else") for kind in KINDS),
        *((f"x.{kind}", make_folder, "it is a folder, a pipe or a device and no file") for kind in KINDS),
        ("x.npz", lambda path: np.save(path.open("wb"), X), "holds an array of numpy, not what its ending .npz says"),
        ("x.npy", lambda path: np.savez(path.open("wb"), x=X), "holds a zip archive, not what its ending .npy says"),
        ("x.pt", lambda path: path.write_bytes(pickle.dumps(Code())), "holds pickled Python objects, not what its"),
        ("x.pt", pt(torch.zeros(3), **LEGACY), "holds pickled Python objects, not what its ending .pt says"),
        ("x.npy", cut(npy(X)), "is truncated or damaged (1,308 bytes): save arrays alone"),
        ("x.npz", cut(npz(x=X)), "is truncated or damaged"),
        ("x.pt", cut(pt(torch.from_numpy(X))), "is truncated or damaged"),
        ("x.npy", lambda path: path.write_bytes(header((10**30, 1, 8, 8))), "is truncated or damaged"),
        ("x.npy", lambda path: path.write_bytes(header((-5, 1, 8, 8)) + bytes(999)), "is truncated or damaged"),
        ("x.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 9999), "is truncated or damaged"),
        ("x.npz", zipped(x_npy=header((10**9, 1, 999, 999))), "is truncated or damaged"),
        ("x.npz", zipped(x_npy=b"text"), "holds other files than arrays of numpy"),
        ("x.npz", zipped(x="text"), "holds other files than arrays of numpy"),
        ("x.npz", zipped(), "holds an empty zip archive"),
        ("x.npz", npz(**{f"a{n}": X for n in range(9)}), "holds a0, a1, a2, a3, a4, a5, a6, a7 and 1 more: name the"),
        ("x.npy", npy(OBJECTS), "holds Python objects, which are refused because they could run code"),
        ("x.npz", npz(x=OBJECTS), "holds Python objects, which are refused because they could run code"),
        ("x.pt", pt({"x": Code()}), "holds Python objects, which are refused because they could run code"),
        ("x.pt", pt(nn.Linear(2, 2)), "holds Python objects, which are refused because they could run code"),
        ("x.pt", pt([1, 2]), "holds a list, neither a tensor nor a dict of tensors"),
        ("x.pt", pt({"x": 5}), "holds something of the class int where a tensor belongs"),
        ("x.pt", pt({1: torch.zeros(3), 2: torch.zeros(3)}), "holds 1, 2: name the samples x"),
        ("x.pt", pt(torch.zeros(20, 2).to_sparse()), "holds a sparse or quantized tensor"),
        ("x.pt", pt(torch.zeros(1, 2).expand(10**12, 2)), "holds a tensor that repeats its values"),
    ],
)
def test_each_file_is_called_what_it_is(tmp_path, name, write, expected):
    path = tmp_path / name
    write(path)
    with pytest.raises(InputError) as refused:
        read_arrays(path)
    assert expected in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch, kind):
    def refuse(name, *options):
        raise PermissionError(13, "Permission denied", str(name))

    (tmp_path / f"x.{kind}").touch()
    monkeypatch.setattr("lightning_gen.contents.opened", refuse)
    with pytest.raises(InputError, match=r"may not be read or written \(Permission denied\): change its permissions"):
        read_arrays(tmp_path / f"x.{kind}")


def test_what_is_larger_than_the_memory_is_not_unpacked(tmp_path, monkeypatch):
    zipped(x_npy=header((10**6, 1, 8, 8)) + bytes(64 * 10**6))(tmp_path / "bomb.npz")
    assert (tmp_path / "bomb.npz").stat().st_size < 10**5
    monkeypatch.setattr(memory, "available", lambda: 10**7)
    monkeypatch.setattr(np, "load", None)  # nothing is read
    with pytest.raises(
        InputError, match=r"bomb\.npz, unpacked, would take 0\.1 GB of memory .*: save the samples with"
    ):
        read_arrays(tmp_path / "bomb.npz")


@pytest.mark.parametrize("largest", [10**12, 10**6, np.uint64(2**64 - 1)])
def test_labels_without_end_are_refused(tmp_path, largest):
    np.savez(tmp_path / "x.npz", x=X, labels=np.full(len(X), largest))
    with pytest.raises(InputError, match=rf"go up to {largest} and there are 20 samples: number the classes from 0"):
        Tensors(str(tmp_path / "x.npz"))


def test_the_option_that_names_the_file_is_named(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InputError, match=r"there is no file nowhere\.npy: set --data\.labels_path to"):
        Tensors(str(tmp_path / "x.npy"), labels_path="nowhere.npy")
