"""Data that only a checkpoint names."""

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.cli import main
from lightning_gen.data import MNIST, DataModule, Digits, ImageFolder
from lightning_gen.data.stored import harmless, origin
from lightning_gen.media.letters import PRINTABLE


@pytest.mark.parametrize(
    "words", [["evaluate"], ["validate", "--ckpt_path"], ["fit", "--max_images=16", "--ckpt_path"]]
)
def test_the_images_of_a_checkpoint_are_decoded_into_the_users_own_cache_and_that_is_said(
    autoencoder, trainer, tmp_path, monkeypatch, capsys, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    (tmp_path / "private").mkdir()
    for index in range(40):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "private" / f"{index}.png")
    data = ImageFolder("private", size=8, channels=1, batch_size=8, cache_dir="public")
    runner = trainer(max_steps=1, limit_val_batches=0)
    runner.fit(autoencoder(), datamodule=data)
    runner.save_checkpoint("x.ckpt")
    for file in (tmp_path / "public").iterdir():
        file.unlink()
    capsys.readouterr()
    main([*words, "x.ckpt"])
    said = [line for line in capsys.readouterr().err.splitlines() if "names the data" in line]
    assert len(said) == 1
    assert "x.ckpt names the data: ImageFolder of folder 'private'; decoded files are stored in" in said[0]
    assert str(tmp_path / "own" / "lightning_gen") in said[0]
    assert not list((tmp_path / "public").iterdir())
    assert list((tmp_path / "own" / "lightning_gen").glob("*.npy"))
    assert DataModule.load_from_checkpoint("x.ckpt").cache_dir is None


def test_a_setting_that_was_left_as_it_is_names_no_data():
    described = {"_class_path": "lightning_gen.data.TextLines", "path": "notes", "alphabet": PRINTABLE}
    assert origin(described, "x.ckpt") == "x.ckpt names the data: TextLines of path 'notes'"
    own = described | {"alphabet": "abc"}
    assert origin(own, "x.ckpt") == "x.ckpt names the data: TextLines of path 'notes', alphabet 'abc'"


def test_a_folder_that_the_user_names_is_not_said_to_be_that_of_the_checkpoint(
    autoencoder, trainer, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    for name in ("theirs", "mine"):
        (tmp_path / name).mkdir()
        for index in range(40):
            Image.new("L", (8, 8), index).save(tmp_path / name / f"{index}.png")
    runner = trainer(max_steps=1, limit_val_batches=0)
    runner.fit(autoencoder(), datamodule=ImageFolder("theirs", size=8, channels=1, batch_size=8))
    runner.save_checkpoint("x.ckpt")
    capsys.readouterr()
    main(["validate", "--ckpt_path=x.ckpt", "--data.folder=mine"])
    assert "theirs" not in capsys.readouterr().err


def test_nothing_is_downloaded_because_a_checkpoint_says_so(gan, trainer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runner = trainer(max_steps=1, limit_val_batches=0)
    runner.fit(gan(), datamodule=Digits(size=8))
    runner.save_checkpoint("x.ckpt")
    stored = torch.load("x.ckpt", weights_only=True)
    stored["datamodule_hyper_parameters"] = dict(MNIST(size=8).hparams)
    torch.save(stored, "x.ckpt")
    monkeypatch.setattr(MNIST, "fetch", lambda *_: pytest.fail("it was asked for"))
    for words in (["evaluate"], ["validate", "--ckpt_path"], ["fit", "--ckpt_path"]):
        with pytest.raises(SystemExit):
            main([*words, "x.ckpt"])
        said = capsys.readouterr().err
        assert "nothing is downloaded for it" in said
        assert "MNIST is not in data" in said


def test_data_within_data_are_harmless_too():
    inner = {"class_path": "x.Y", "init_args": {"cache_dir": "/public", "download": True, "size": 3}}
    expected = {"class_path": "x.Y", "init_args": {"download": False, "size": 3}}
    assert harmless({"singles": inner, "many": [inner]}) == {"singles": expected, "many": [expected]}
