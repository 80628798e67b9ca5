"""The command ``embed``: its files, and its checks before anything is computed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule
from lightning_gen.cli import main
from lightning_gen.commands.embed import embed
from lightning_gen.data import Digits, Tensors
from lightning_gen.errors import InputError


@pytest.fixture
def here(tmp_path, monkeypatch, autoencoder, gan, trainer):
    """A folder with an autoencoder, a GAN and pictures of two classes."""
    monkeypatch.chdir(tmp_path)
    for name, module in (("vae.ckpt", autoencoder(variational=True)), ("gan.ckpt", gan())):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(module, Digits(size=8))
        once.save_checkpoint(tmp_path / name)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    for index, each in enumerate(pixels):
        file = tmp_path / "pictures" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(file)
    return tmp_path


def test_all_that_is_asked_for_is_written_with_names_in_their_order(here, capsys):
    words = ["--map=map.png", "--neighbours=2", "--projector=projector", "--output=card.json", "--device=cpu"]
    main(["embed", "vae.ckpt", "pictures", "--out=codes.npz", *words])
    said = capsys.readouterr().out
    for name in ("codes.npz", "map.png", "codes_neighbours.png", "projector", "card.json"):
        assert (here / name).exists()
        assert name in said
    with np.load("codes.npz", allow_pickle=False) as found:
        names = found["names"].tolist()
        assert names == [*("a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png", "b/5.png")]
        assert [found["classes"][label] for label in found["labels"]] == ["a"] * 3 + ["b"] * 3
        module = AutoencoderModule.load_from_checkpoint("vae.ckpt").eval()
        x = np.stack([np.asarray(Image.open(here / "pictures" / name)) for name in names])
        with torch.no_grad():
            expected = module.encode(torch.from_numpy(x)[:, None] / 127.5 - 1)
        assert np.allclose(found["codes"], expected, atol=1e-5)
        card = json.loads(str(found["card"]))
    report = json.loads((here / "card.json").read_text())
    assert report["figures"]["samples"] == 6
    assert report["figures"]["dimensions"] == 3
    assert card.items() <= report["card"].items()


def test_a_split_of_the_training_data_is_embedded_with_its_classes(here):
    embed("vae.ckpt", ["test"], out="codes.csv", active=False)
    data = Digits(size=8)
    data.setup()
    rows = (here / "codes.csv").read_text().splitlines()[1:]
    assert [int(row.rsplit(",", 1)[1]) for row in rows] == data.test_set[:].labels.tolist()


def test_several_inputs_and_a_broken_one(here, capsys):
    (here / "pictures" / "a" / "bad.png").write_bytes(b"no picture")
    main(["embed", "vae.ckpt", "pictures/b", "pictures/a", "--on_error", "skip", "--out", "codes.npy"])
    assert "left out 1 of 7 pictures" in capsys.readouterr().err
    assert np.load("codes.npy").shape == (6, 3)
    assert (here / "codes.names.txt").read_text().split() == [
        *("b/1.png", "b/3.png", "b/5.png", "a/0.png", "a/2.png", "a/4.png")
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gan.ckpt", "pictures"], "a GAN has no encoder to embed with"),
        (["vae.ckpt", "pictures", "--out=x.parquet"], "for parquet pandas"),
        (["vae.ckpt", "pictures", "--out=there.npz"], "there.npz exists: give another --out, or add --overwrite"),
        (["vae.ckpt", "pictures", "--map=there.npz"], "--map there.npz is a picture: give a name that ends in .png"),
        (["vae.ckpt", "pictures", "--map=m.png", "--by=tnse"], "there is no --by tnse; did you mean 'tsne'?"),
        (["vae.ckpt", "pictures", "--neighbours=6"], "give at most 5"),
        (["vae.ckpt", "pictures", "--neighbours=0"], "--neighbours must be at least 1, not 0"),
        (["vae.ckpt", "pictures", "--neighbours_out=n.png"], "add their number, such as --neighbours 5"),
        (["vae.ckpt", "pictures", "--map=m.png", "--neighbours=1", "--neighbours_out=m.png"], "written twice"),
        (["vae.ckpt", "pictures", "--projector=pictures"], "pictures holds files"),
        (["vae.ckpt", "pictures/a/0.png", "--map=m.png"], "a map needs at least 4 samples"),
        (["vae.ckpt", "x.npy", "--out=x.npy", "--overwrite"], "x.npy is one of the inputs and would be lost"),
        (["vae.ckpt", "picturs"], "there is no picturs"),
        (["vae.ckpt", "pictures", "--output=card.txt"], "ends in .json"),
    ],
)
def test_bad_input_gets_a_sentence_and_nothing_is_written(here, capsys, words, sentence):
    np.savez("there.npz", x=np.zeros(1))
    np.save("x.npy", np.zeros((9, 1, 8, 8), np.uint8))
    before = {file: file.read_bytes() for file in here.rglob("*") if file.is_file()}
    with pytest.raises(SystemExit) as end:
        main(["embed", *words])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err
    assert {file: file.read_bytes() for file in here.rglob("*") if file.is_file()} == before


def test_the_training_data_are_not_replaced(here, autoencoder, trainer):
    np.save("train.npy", np.zeros((20, 1, 8, 8), np.uint8))
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(autoencoder(), Tensors(str(here / "train.npy"), batch_size=4))
    once.save_checkpoint(here / "own.ckpt")
    with pytest.raises(InputError, match="is part of the data that the model was trained on"):
        embed("own.ckpt", ["pictures"], out="train.npy", overwrite=True)


def test_older_files_are_replaced_when_asked(here):
    for _ in range(2):
        embed("vae.ckpt", ["pictures"], out="c.npy", map="m.png", projector="p", overwrite=True)
    with pytest.raises(InputError, match=r"m.png exists"):
        embed("vae.ckpt", ["pictures"], out="d.npy", map="m.png")
