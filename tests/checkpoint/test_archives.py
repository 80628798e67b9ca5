"""Files in which bits have changed."""

import random
import struct
import zipfile

import pytest
import torch

from lightning_gen import GANModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.checkpoint.archives import Damaged, check_archive
from lightning_gen.data import Digits


def content(seed=0):
    """A small checkpoint, not of a module that could be built."""
    torch.manual_seed(seed)
    weights = {f"layer{i}.weight": torch.randn(40, 50) for i in range(6)}
    return {"state_dict": weights, "hyper_parameters": {"_class_path": "none", "text": "abc"}, "epoch": 3}


@pytest.fixture
def written(tmp_path):
    """A file as the package writes it, and its bytes."""
    path = tmp_path / "x.ckpt"
    checkpoints.AtomicCheckpointIO().save_checkpoint(content(), path)
    return path, path.read_bytes()


def equal(one, other):
    torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=0, atol=0)
    return all(one[key] == other[key] for key in ("hyper_parameters", "epoch")) and one.keys() == other.keys()


def refused_or_the_same(path, readers):
    """Whether each reader refuses a file; one that does not has read what was written."""
    refusals = []
    for reader in readers:
        try:
            stored = reader(path)
        except InputError:
            refusals.append(True)
        else:
            assert equal(stored, content())
            refusals.append(False)
    return refusals


def readers():
    return (checkpoints.read, lambda path: checkpoints.AtomicCheckpointIO().load_checkpoint(path, weights_only=True))


def test_a_bit_that_has_changed_is_noticed_or_without_effect(written):
    """In 200 places all over the file, and in every bit of the directory at its end."""
    path, whole = written
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    places = random.Random(0).sample(range(8 * directory), 200) + list(range(8 * directory, 8 * len(whole), 3))
    noticed = 0
    for bit in places:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        noticed += all(refused_or_the_same(path, readers()[:1]))
    assert noticed > 0.5 * len(places), "most of the file is weights"


def test_a_page_that_was_lost_is_noticed(written):
    path, whole = written
    for start in range(0, len(whole), 1024):
        changed = bytearray(whole)
        changed[start : start + 4096] = bytes(len(changed[start : start + 4096]))
        path.write_bytes(changed)
        assert refused_or_the_same(path, readers()) == [True, True], start


def test_every_truncation_is_refused(written):
    path, whole = written
    for length in [0, 1, 100, *random.Random(1).sample(range(len(whole)), 60), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert refused_or_the_same(path, readers()) == [True, True], length


def test_the_damaged_part_is_named(written):
    path, whole = written
    with zipfile.ZipFile(path) as archive:
        part = archive.getinfo(next(name for name in archive.namelist() if name.endswith("/data/3")))
    name, extra = struct.unpack("<HH", whole[part.header_offset + 26 : part.header_offset + 30])
    changed = bytearray(whole)
    changed[part.header_offset + 30 + name + extra + 17] ^= 64
    path.write_bytes(changed)
    with pytest.raises(InputError, match=rf"x\.ckpt is damaged: {part.filename} has changed"):
        checkpoints.read(path)


def test_what_torch_does_not_write_is_refused(tmp_path):
    """Parts that are packed, of which a small file could hold any number of bytes, and two of one name."""
    for name, method, times in (("packed", zipfile.ZIP_DEFLATED, 1), ("twice", zipfile.ZIP_STORED, 2)):
        path = tmp_path / f"{name}.ckpt"
        with zipfile.ZipFile(path, "w", method) as archive:
            for _ in range(times):
                with pytest.warns(UserWarning, match="Duplicate") if archive.namelist() else _nothing():
                    archive.writestr("x/data.pkl", bytes(1000))
        with pytest.raises(Damaged):
            check_archive(path)


class _nothing:
    def __enter__(self): ...
    def __exit__(self, *_): ...


def test_a_resume_from_a_damaged_file_is_refused_by_any_trainer(gan, trainer, tmp_path):
    """Also where Lightning's own reader reads it."""
    path = tmp_path / "gan.ckpt"
    runner = trainer(max_steps=1, limit_val_batches=0)
    runner.fit(gan(), datamodule=Digits(size=8))
    runner.save_checkpoint(path)
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        weights = [part for part in archive.infolist() if "/data/" in part.filename]
        part = max(weights, key=lambda part: part.file_size)
    whole[part.header_offset + 200 + part.file_size // 2] ^= 1
    path.write_bytes(whole)
    for plugins in ([], [checkpoints.AtomicCheckpointIO()]):
        with pytest.raises(InputError, match="is damaged"):
            trainer(max_steps=2, plugins=plugins).fit(gan(), datamodule=Digits(size=8), ckpt_path=path)
    with pytest.raises(InputError, match="is damaged"):
        GANModule.load_from_checkpoint(path)


def test_what_is_written_is_read_back_before_it_takes_the_place_of_the_older_one(written, monkeypatch):
    path, whole = written
    save = torch.save

    def damaging(value, file):
        save(value, file)
        file.seek(len(whole) // 2)
        file.write(bytes(100))
        file.seek(0, 2)

    monkeypatch.setattr(torch, "save", damaging)
    with pytest.raises(InputError, match="could not be written"):
        checkpoints.AtomicCheckpointIO().save_checkpoint(content(1), path)
    assert path.read_bytes() == whole
    assert [file.name for file in path.parent.iterdir()] == ["x.ckpt"]
