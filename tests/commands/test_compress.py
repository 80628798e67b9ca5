"""The commands ``compress`` and ``decompress``: files in, files out, with names, and their checks."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule, InputError
from lightning_gen.applications import Trained, index_tables
from lightning_gen.bottlenecks import VectorQuantizer
from lightning_gen.cli import main
from lightning_gen.commands.compress import compress
from lightning_gen.commands.decompress import decompress
from lightning_gen.data import ImageFolder
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import DenseDecoder, DenseEncoder
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.regularizers import Commitment

pytest.importorskip("constriction")
SHAPE = (3, 8, 8)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of coloured pictures, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(index_tables, "UPDATES", 5)
    source = np.random.default_rng(0)
    for index in range(40):
        path = tmp_path / "pictures" / ("a" if index % 2 else "b") / f"{index}.{'jpg' if index % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def checkpoint(pictures, trainer):
    module = AutoencoderModule(
        DenseEncoder(SHAPE, 4, (16,)),
        DenseDecoder(SHAPE, 4, (16,)),
        VectorQuantizer(4, 8),
        {"error": GaussianLikelihood(), "commitment": Commitment()},
    )
    runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
    runner.fit(module, ImageFolder(str(pictures), size=8, batch_size=16))
    runner.save_checkpoint("model.ckpt")
    return "model.ckpt"


def test_pictures_come_back_under_their_names_as_reconstructions(checkpoint, pictures, capsys):
    compress(checkpoint, ["pictures"], out="x.lgz", output="card.json", device="cpu")
    shown = capsys.readouterr()
    assert "they are stored in model.ckpt, which alone reads the file" in shown.err
    figures = json.loads(Path("card.json").read_text())["figures"]
    assert figures["bits_per_pixel"] == 8 * os.path.getsize("x.lgz") / (40 * 64)
    assert f"40 images in x.lgz, {os.path.getsize('x.lgz'):,} bytes" in shown.out
    decompress("x.lgz", checkpoint, out="back", device="cpu")
    originals = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*"))
    written = {name: f"back/{name}" if name.endswith(".png") else f"back/{name}.png" for name in originals}
    assert sorted(os.path.join(root, name) for root, _, names in os.walk("back") for name in names) == sorted(
        written.values()
    )
    module = Trained.open(checkpoint).module.eval()
    x = torch.stack([torch.from_numpy(np.array(Image.open(pictures / name))) for name in originals]).movedim(-1, 1)
    with torch.no_grad():
        wanted = to_uint8(module.reconstruct(x / 127.5 - 1))
    for name, pixels in zip(originals, wanted, strict=True):
        assert np.array_equal(np.array(Image.open(written[name])).transpose(2, 0, 1), pixels)
    decompress("x.lgz", checkpoint, out="back.npy", device="cpu")
    assert np.array_equal(np.load("back.npy"), wanted)


def test_the_second_time_no_data_are_needed(checkpoint, pictures, capsys):
    compress(checkpoint, ["pictures/b/0.png"], device="cpu")
    os.rename("pictures", "elsewhere")
    capsys.readouterr()
    compress(checkpoint, ["elsewhere/b/0.png"], out="again.lgz", device="cpu")
    assert "fitting" not in capsys.readouterr().err
    assert Path("again.lgz").read_bytes() == Path("compressed.lgz").read_bytes()


def test_nothing_is_replaced_unasked(checkpoint):
    compress(checkpoint, ["pictures"], device="cpu")
    with pytest.raises(InputError, match=r"compressed.lgz exists: give another --out, or add --overwrite"):
        compress(checkpoint, ["pictures"], device="cpu")
    compress(checkpoint, ["pictures"], device="cpu", overwrite=True)
    decompress("compressed.lgz", checkpoint, device="cpu")
    with pytest.raises(InputError, match=r"decompressed holds files: give another --out, or add --overwrite"):
        decompress("compressed.lgz", checkpoint, device="cpu")
    decompress("compressed.lgz", checkpoint, device="cpu", overwrite=True)
    with pytest.raises(InputError, match=r"pictures/b/0.png is a file of its own kind: give a name that ends in .lgz"):
        compress(checkpoint, ["pictures"], out="pictures/b/0.png", overwrite=True)


def test_requests_that_cannot_be_carried_out(checkpoint):
    with pytest.raises(InputError, match=r"there is no nowhere: name a folder"):
        compress(checkpoint, ["nowhere"], device="cpu")
    with pytest.raises(InputError, match=r"x.lgz holds indices, which only the checkpoint .*: add --checkpoint FILE"):
        decompress("x.lgz")
    with pytest.raises(InputError, match=r"x.lgz cannot be read"):
        decompress("x.lgz", checkpoint)
    with pytest.raises(InputError, match=r"model.ckpt is no file that compress wrote"):
        decompress(checkpoint, checkpoint)
    assert not os.path.exists("decompressed")
    compress(checkpoint, ["pictures"], device="cpu")
    with pytest.raises(InputError, match=r"model.ckpt has tables already, .*: leave --data out"):
        compress(checkpoint, ["pictures"], out="y.lgz", data=ImageFolder("pictures", size=8))


def test_pixels_of_another_machine_are_a_warning(checkpoint, capsys, monkeypatch):
    compress(checkpoint, ["pictures"], device="cpu")
    monkeypatch.setattr("lightning_gen.applications.compression.checksum_of", lambda stored: 1)
    decompress("compressed.lgz", checkpoint, device="cpu")
    shown = capsys.readouterr()
    assert "warning: 40 of 40 are in batches whose values differ somewhere" in shown.err
    assert "40 images in decompressed" in shown.out


def test_from_the_shell(checkpoint, capsys):
    main(["compress", checkpoint, "pictures/a", "pictures/b", "--out", "x.lgz", "--device", "cpu"])
    main(["decompress", "x.lgz", "--checkpoint", checkpoint, "--out", "back", "--device", "cpu"])
    assert "40 images in back" in capsys.readouterr().out
