"""A file that is no whole checkpoint is called what it is; what it holds never fails later, or in Lightning."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError


@pytest.fixture
def content(gan):
    """The content of a checkpoint."""
    module = gan()
    return {
        "hyper_parameters": dict(module.hparams),
        "state_dict": module.state_dict(),
        "pytorch-lightning_version": "2.6.6",
        "callbacks": {},
        "loops": {},
        "optimizer_states": [],
        "lightning_gen": {"images_seen": 64},
    }


def whole(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def zipped(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "text")
    return file.getvalue()


def arrays(save):
    file = io.BytesIO()
    save(file, x=np.zeros(3))
    return file.getvalue()


def program(_):
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.ReLU(), torch.zeros(2)), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda content: b"", "is no checkpoint, it holds nothing (0 bytes): use another one"),
        (lambda content: b"a,b", "is no checkpoint, it holds something else (3 bytes)"),
        (lambda content: b"\x89PNG\r\n\x1a\n", "is no checkpoint, it holds a PNG image"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1", "`git lfs pull`"),
        (lambda content: gzip.compress(whole(content)), "it holds a file that is compressed by gzip"),
        (lambda content: whole(content)[:2000], "is truncated (2,000 bytes): use another one"),
        (lambda content: pickle.dumps({"a": 1}), "holds pickled code, which could run anything, and was not loaded"),
        (lambda content: whole(content, _use_new_zipfile_serialization=False), "holds pickled code"),
        (lambda content: whole(nn.ReLU()), "holds pickled code"),
        (lambda content: whole(content | {"more": np.zeros(3)}), "holds pickled code"),
        (lambda content: arrays(np.savez), "is no checkpoint but a zip archive of x.npy"),
        (lambda content: arrays(np.savez_compressed), "is no checkpoint but a zip archive of x.npy"),
        (lambda content: zipped("notes.txt"), "is no checkpoint but a zip archive of notes.txt"),
        (program, "is no checkpoint but a program of TorchScript"),
        (lambda content: whole(torch.zeros(3)), "holds no lightning_gen module"),
        (lambda content: whole(content["state_dict"]), "holds no lightning_gen module"),
        (
            lambda content: whole(content | {"callbacks": [1]}),
            "is damaged, its entry callbacks is [1]: use another one",
        ),
        (lambda content: whole(content | {"loops": "x"}), "is damaged, its entry loops is 'x'"),
        (lambda content: whole(content | {"optimizer_states": {}}), "is damaged, its entry optimizer_states is {}"),
        (lambda content: whole(content | {"lightning_gen": {"images_seen": "x"}}), "its entry images_seen is 'x'"),
        (
            lambda content: whole(content | {"datamodule_hyper_parameters": [1]}),
            "its entry datamodule_hyper_parameters",
        ),
        (lambda content: whole(content | {"state_dict": {"w": "x"}}), "is damaged, its weights w are no tensor"),
    ],
)
def test_each_file_is_called_what_it_is(tmp_path, content, write, expected):
    path = tmp_path / "x.ckpt"
    path.write_bytes(write(content))
    with pytest.raises(InputError) as refused:
        checkpoints.read(path)
    assert expected in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("version", [None, "x", 2])
def test_lightning_is_given_a_version_that_it_can_read(tmp_path, content, version):
    torch.save(content | {"pytorch-lightning_version": version}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match=f"is damaged, Lightning wrote it in version {version}"):
        checkpoints.AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")


def test_what_is_whole_is_read(tmp_path, content):
    torch.save(content, tmp_path / "x.ckpt")
    assert checkpoints.read(tmp_path / "x.ckpt")["lightning_gen"] == {"images_seen": 64}
    assert checkpoints.AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")["loops"] == {}
    torch.save(content["state_dict"], tmp_path / "x.ckpt")  # as ddp_spawn passes weights between processes
    weights = checkpoints.AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")
    assert weights.keys() == content["state_dict"].keys()


def test_a_file_that_may_not_be_read_is_not_called_truncated(tmp_path, monkeypatch):
    def refuse(name):
        raise PermissionError(13, "Permission denied", str(name))

    (tmp_path / "x.ckpt").touch()
    monkeypatch.setattr("lightning_gen.contents.opened", refuse)
    with pytest.raises(InputError, match=r"x\.ckpt may not be read or written \(Permission denied\): change its perm"):
        checkpoints.read(tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("/dev/null", "is no file: give"), ("n" * 300, "is longer than the disk allows"), (".", "holds no checkpoint")],
)
def test_a_place_without_a_checkpoint_is_called_what_it_is(tmp_path, monkeypatch, name, expected):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=expected):
        checkpoints.read(name)


@pytest.mark.parametrize(("part", "argument"), [("generator", "latent_dim"), ("discriminator", "widths")])
def test_a_module_that_does_not_fit_into_memory_is_refused(tmp_path, content, part, argument):
    content["hyper_parameters"][part]["init_args"][argument] = [10**12] if argument == "widths" else 10**12
    with pytest.raises(InputError, match=r"GANModule of x\.ckpt, with a tensor of .*, would take [\d,]+ GB of memory"):
        checkpoints.restore(nn.Module, content, "x.ckpt")
