"""The command ``reconstruct``: its files, to the bit, and its checks."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule, GANModule, InputError
from lightning_gen.bottlenecks import (
    FiniteScalarQuantizer,
    GaussianBottleneck,
    IdentityBottleneck,
    ResidualQuantizer,
    VectorQuantizer,
)
from lightning_gen.cli import main
from lightning_gen.commands.reconstruct import reconstruct
from lightning_gen.data import Digits, Ring
from lightning_gen.media.images import to_uint8
from lightning_gen.networks import (
    Concatenation,
    DenseDecoder,
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    ResidualDecoder,
    ResidualEncoder,
)
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood

SIDE = 8


@pytest.fixture
def saved(trainer, tmp_path):
    """Make a checkpoint of a module that was trained for a batch of data, whose splits it names."""

    def save(module, data=None):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(module, data or Digits(size=SIDE))
        once.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return save


@pytest.fixture
def coder(saved, autoencoder):
    return saved(autoencoder())


@pytest.fixture
def pictures(tmp_path):
    """A folder of grey pictures in sub-folders."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE), dtype=np.uint8)
    for name, image in zip(["b.png", "sub/a.png", "sub/c.bmp", "z.png"], pixels, strict=True):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "pictures" / name)
    return tmp_path / "pictures"


def rows(file):
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_folder_has_a_picture_for_each_input_and_their_errors(coder, pictures, tmp_path, capsys):
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "out"), output=str(tmp_path / "card.json"))
    assert "4 reconstructions in" in capsys.readouterr().out
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == ["b.png", "errors.csv", "sub/a.png", "sub/c.bmp.png", "z.png"]
    module = AutoencoderModule.load_from_checkpoint(coder).eval()
    table, errors = rows(tmp_path / "out" / "errors.csv"), []
    for row, name in zip(table, ["b.png", "sub/a.png", "sub/c.bmp.png", "z.png"], strict=True):
        x = np.asarray(Image.open(pictures / row["name"]))
        with torch.no_grad(), Image.open(tmp_path / "out" / name) as written:
            expected = to_uint8(module.reconstruct(torch.from_numpy(x.copy())[None, None]))[0, 0].numpy()
            assert np.array_equal(np.asarray(written), expected)
        errors.append(float(np.square(x / 255 - expected / 255).mean()))
        assert float(row["mse"]) == pytest.approx(errors[-1], rel=1e-4)
        assert float(row["psnr_db"]) == pytest.approx(-10 * np.log10(errors[-1]), abs=0.006)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["figures"]["mse"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert card["card"]["samples"] == 4


def test_an_array_holds_what_predict_writes_of_the_test_split(coder, tmp_path):
    reconstruct(coder, ["test"], out=str(tmp_path / "x.npy"))
    module, data = AutoencoderModule.load_from_checkpoint(coder).eval(), Digits(SIDE)
    data.setup()
    with torch.no_grad():
        expected = to_uint8(module.reconstruct(data.scaled(data.test_set[:])))
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected.numpy())


BOTTLENECKS = {
    "vq": lambda: VectorQuantizer(4, codes=16),
    "residual": lambda: ResidualQuantizer(4, codes=16, depth=2),
    "fsq": lambda: FiniteScalarQuantizer([5, 5, 3]),
    "gaussian": lambda: GaussianBottleneck(3),
}


def vectors(bottleneck, classes=None):
    """An autoencoder of vectors."""
    conditioning = None if classes is None else Concatenation(classes)
    return AutoencoderModule(
        DenseEncoder((1, SIDE, SIDE), bottleneck.features, widths=(16,), conditioning=conditioning),
        DenseDecoder((1, SIDE, SIDE), bottleneck.latent_dim, widths=(16,), conditioning=conditioning),
        bottleneck,
        {"reconstruction": BernoulliLikelihood()},
    )


@pytest.mark.parametrize("classes", [None, 10])
@pytest.mark.parametrize("name", BOTTLENECKS)
def test_codes_are_decoded_to_the_reconstructions_bit_for_bit(saved, tmp_path, monkeypatch, name, classes):
    monkeypatch.setattr("lightning_gen.applications.inputs.LARGEST_BATCH", 50)
    path = saved(vectors(BOTTLENECKS[name](), classes))
    first, again = tmp_path / "first.npy", tmp_path / "again.npy"
    reconstruct(path, ["test"], out=str(first), codes=str(tmp_path / "codes.npz"))
    reconstruct(path, [str(tmp_path / "codes.npz")], out=str(again))
    assert first.read_bytes() == again.read_bytes()
    with np.load(tmp_path / "codes.npz") as file:
        assert file["codes"].dtype == np.float32
        assert len(file["names"]) == len(file["codes"]) == 180
        assert ("labels" in file.files) == (classes is not None)


@pytest.mark.parametrize("name", ["vq", "fsq"])
def test_maps_of_codes_are_snapped_to_codes_of_the_quantizer(saved, tmp_path, name):
    bottleneck = BOTTLENECKS[name]()
    module = AutoencoderModule(
        ResidualEncoder((1, SIDE, SIDE), bottleneck.features, width=4, downsamplings=1),
        ResidualDecoder((1, SIDE, SIDE), bottleneck.latent_dim, width=4, downsamplings=1),
        bottleneck,
        {"reconstruction": GaussianLikelihood()},
    )
    path = saved(module)
    reconstruct(path, ["val"], out=str(tmp_path / "x.npy"), codes=str(tmp_path / "codes.npz"))
    with np.load(tmp_path / "codes.npz") as file:
        codes = torch.from_numpy(file["codes"])
    assert codes.shape[1:] == (bottleneck.latent_dim, 4, 4)
    assert torch.equal(AutoencoderModule.load_from_checkpoint(path).bottleneck.quantize(codes), codes)
    reconstruct(path, [str(tmp_path / "codes.npz")], out=str(tmp_path / "y.npy"))
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()
    altered(tmp_path / "codes.npz", codes=codes.flatten(1).numpy())
    reconstruct(path, [str(tmp_path / "codes.npz")], out=str(tmp_path / "z.npy"))
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "z.npy").read_bytes()


def test_codes_without_a_key_are_decoded_too_and_the_sheet_shows_them_alone(coder, tmp_path):
    np.savez(tmp_path / "codes.npz", codes=np.zeros((3, 3), np.float32))
    reconstruct(coder, [str(tmp_path / "codes.npz")], out=str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    reconstruct(coder, [str(tmp_path / "codes.npz")], out=str(tmp_path / "x.png"))
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.size == (3 * 64 + 4 * 2, 64 + 2 * 2)


def altered(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"codes": np.zeros((4, 5), np.float32)}, r"codes of shape \(4, 5\) and type float32, and the model reads"),
        (
            {"codes": np.zeros((4, 3), np.int64)},
            r"type int64, and the model reads floats of shape \(n, 3\): give the model that wrote it",
        ),
        ({"names": np.array(["a", "b"])}, "4 codes and not as many names"),
        ({"names": np.array(["../a", "b", "c", "d"])}, "names that cannot be those of files in a folder"),
        ({"names": np.array(["/a", "b", "c", "d"])}, "names that cannot be those of files in a folder"),
        ({"names": np.array(["a", "a", "c", "d"])}, "names that cannot be those of files in a folder"),
        ({"weights": np.array("0" * 64)}, r"written with other weights \(00000000\) than .*model.ckpt has"),
        ({"names": np.array([{}] * 4, dtype=object)}, "is damaged and its codes cannot be read"),
    ],
)
def test_files_of_other_codes_are_refused(coder, pictures, tmp_path, changes, sentence):
    codes = tmp_path / "codes.npz"
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "x.png"), codes=str(codes))
    altered(codes, **changes)
    with pytest.raises(InputError, match=sentence):
        reconstruct(coder, [str(codes)], out=str(tmp_path / "folder"))
    assert not (tmp_path / "folder").exists()


def test_a_damaged_file_of_codes_is_refused(coder, pictures, tmp_path):
    codes = tmp_path / "codes.npz"
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "x.png"), codes=str(codes))
    whole = bytearray(codes.read_bytes())
    with zipfile.ZipFile(codes) as archive:
        start = archive.getinfo("codes.npy").header_offset
    whole[start + 200] ^= 1
    codes.write_bytes(bytes(whole))
    with pytest.raises(InputError, match="is damaged"):
        reconstruct(coder, [str(codes)], out=str(tmp_path / "y.npy"))
    codes.write_bytes(bytes(whole[: len(whole) // 2]))
    with pytest.raises(InputError, match="truncated or damaged"):
        reconstruct(coder, [str(codes)], out=str(tmp_path / "y.npy"))


def test_a_sheet_is_bounded_and_pairs_inputs_with_reconstructions(coder, tmp_path, capsys):
    reconstruct(coder, ["test"], out=str(tmp_path / "x.png"), max_sheet=6)
    assert "(the first 6 on the sheet" in capsys.readouterr().out
    data = Digits(SIDE)
    data.setup()
    module = AutoencoderModule.load_from_checkpoint(coder).eval()
    pixels = data.test_set[:].x[:6]
    with torch.no_grad(), Image.open(tmp_path / "x.png") as drawn:
        made, sheet = to_uint8(module.reconstruct(pixels)), np.asarray(drawn)
    assert sheet.shape == (2 * 66 + 2, 8 * 66 + 2)
    for index in range(6):
        row, column = divmod(index, 4)
        for offset, expected in ((0, pixels), (1, made)):
            cell = sheet[2 + 66 * row :, 2 + 66 * (2 * column + offset) :][:64:8, :64:8]
            assert np.array_equal(cell, expected[index, 0].numpy())


def test_points_go_into_arrays(saved, tmp_path):
    module = AutoencoderModule(
        DenseEncoder((2,), 1, widths=(8,)),
        DenseDecoder((2,), 1, widths=(8,)),
        IdentityBottleneck(1),
        {"reconstruction": GaussianLikelihood()},
    )
    path = saved(module, Ring(count=1000))
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    reconstruct(path, [str(tmp_path / "x.npy")], out=str(tmp_path / "y.npy"), errors=str(tmp_path / "e.csv"))
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == np.float32
    errors = [float(row["mse"]) for row in rows(tmp_path / "e.csv")]
    assert errors == pytest.approx(np.square(x - found).mean(1), rel=1e-4)
    for out in ("y.png", "folder"):
        with pytest.raises(InputError, match=r"cannot hold reconstructions of points: give a name that ends in \.npy"):
            reconstruct(path, [str(tmp_path / "x.npy")], out=str(tmp_path / out))


def test_nothing_is_replaced_unasked_and_no_input_ever(coder, pictures, tmp_path):
    before = {path: path.read_bytes() for path in pictures.rglob("*.*")}
    with pytest.raises(InputError, match="holds files: give another --out, or add --overwrite"):
        reconstruct(coder, [str(pictures)], out=str(pictures))
    with pytest.raises(InputError, match="is one of the inputs and would be lost"):
        reconstruct(coder, [str(pictures)], out=str(pictures), overwrite=True)
    with pytest.raises(InputError, match="is one of the inputs and would be lost"):
        reconstruct(coder, [str(pictures / "b.png")], out=str(pictures), overwrite=True)
    assert {path: path.read_bytes() for path in pictures.rglob("*.*")} == before
    for name in ("x.npz", "x.csv"):
        (tmp_path / name).write_text("notes")
    with pytest.raises(InputError, match=r"x\.npz is no file of arrays and would be lost"):
        reconstruct(coder, [str(pictures)], out=str(tmp_path / "o.png"), codes=str(tmp_path / "x.npz"), overwrite=True)
    with pytest.raises(InputError, match=r"x\.csv is no table of errors and would be lost"):
        reconstruct(coder, [str(pictures)], out=str(tmp_path / "o.png"), errors=str(tmp_path / "x.csv"), overwrite=True)
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "o.npy"), codes=str(tmp_path / "c.npz"))
    with pytest.raises(InputError, match="give another --codes, or add --overwrite"):
        reconstruct(coder, [str(pictures)], out=str(tmp_path / "p.npy"), codes=str(tmp_path / "c.npz"))
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "o.npy"), codes=str(tmp_path / "c.npz"), overwrite=True)


def test_broken_pictures_are_named_or_left_out(coder, pictures, tmp_path, capsys):
    (pictures / "broken.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.png cannot be decoded"):
        reconstruct(coder, [str(pictures)], out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    reconstruct(coder, [str(pictures)], out=str(tmp_path / "out"), on_error="skip")
    assert "left out 1 of 5 pictures" in capsys.readouterr().err
    assert len(rows(tmp_path / "out" / "errors.csv")) == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--steps=5"], "an autoencoder has an encoder and searches nothing: leave out --steps"),
        (["--out=x.jpg"], "cannot hold reconstructions of images: give a name that ends in .npy or .png, or a folder"),
        (["--codes=x.npy"], "--codes x.npy is a file of arrays: give a name that ends in .npz"),
        (["--errors=x.txt"], "--errors x.txt is a table of errors: give a name that ends in .csv"),
        (["--max_sheet=0"], "--max_sheet must be at least 1"),
        (["--device=gpu"], "there is no --device 'gpu'"),
        (["--output=x.txt"], "give a name that ends in .json"),
    ],
)
def test_bad_options_get_a_sentence_before_anything_is_made(
    coder, pictures, tmp_path, monkeypatch, capsys, words, sentence
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as end:
        main(["reconstruct", coder, str(pictures), *words])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


# GANs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def generator(saved, gan):
    def make(classes=None):
        conditioning = None if classes is None else Concatenation(classes)
        return saved(
            gan(
                generator=DenseGenerator((1, SIDE, SIDE), 4, (16,), conditioning=conditioning),
                discriminator=DenseDiscriminator((1, SIDE, SIDE), (16,), conditioning=conditioning),
            )
        )

    return make


def test_latents_are_searched_and_the_error_told_is_that_of_the_file(generator, pictures, tmp_path, capsys):
    path, out = generator(), tmp_path / "out"
    words = [
        "--steps=20",
        "--restarts=2",
        "--seed=3",
        f"--codes={tmp_path / 'z.npz'}",
        f"--output={tmp_path / 'c.json'}",
    ]
    main(["reconstruct", path, str(pictures), f"--out={out}", *words])
    said = capsys.readouterr().out
    for row, name in zip(rows(out / "errors.csv"), ["b.png", "sub/a.png", "sub/c.bmp.png", "z.png"], strict=True):
        one, other = (np.asarray(Image.open(each)) / 255 for each in (pictures / row["name"], out / name))
        assert float(row["mse"]) == pytest.approx(np.square(one - other).mean(), rel=1e-4)
    figures = json.loads((tmp_path / "c.json").read_text())["figures"]
    assert figures["own_mse"] < figures["mean_mse"] < 1
    assert "are not invertible, as the model makes nothing that is closer to them" in said, "noise is no sample"
    with np.load(tmp_path / "z.npz") as file:
        latents = torch.from_numpy(file["codes"])
        assert list(file["names"]) == ["b.png", "sub/a.png", "sub/c.bmp", "z.png"]
    with torch.no_grad():
        drawn = GANModule.load_from_checkpoint(path).eval()(latents)
    assert np.array_equal(np.asarray(Image.open(out / "z.png")), to_uint8(drawn)[3, 0].numpy())
    main(["reconstruct", path, str(tmp_path / "z.npz"), f"--out={tmp_path / 'again'}"])
    for name in ("b.png", "sub/a.png", "sub/c.bmp.png", "z.png"):
        original = np.asarray(Image.open(out / name))
        assert np.array_equal(np.asarray(Image.open(tmp_path / "again" / name)), original)


def test_the_same_seed_finds_the_same(generator, pictures, tmp_path):
    path = generator()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        reconstruct(path, [str(pictures)], out=str(tmp_path / f"{name}.npy"), steps=3, restarts=1, seed=seed)
    one, same, other = ((tmp_path / f"{name}.npy").read_bytes() for name in "abc")
    assert one == same
    assert one != other


def test_classes_of_a_conditional_gan_are_given_or_searched(generator, tmp_path, capsys):
    path = generator(classes=10)
    x = np.random.default_rng(0).integers(0, 256, (3, 1, SIDE, SIDE), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, labels=np.array([7, 0, 3]))
    np.save(tmp_path / "x.npy", x)
    reconstruct(path, [str(tmp_path / "x.npz")], out=str(tmp_path / "a.npy"), codes=str(tmp_path / "a.npz"), steps=3)
    with np.load(tmp_path / "a.npz") as file:
        assert file["labels"].tolist() == [7, 0, 3]
    assert "searched too" not in capsys.readouterr().err
    reconstruct(path, [str(tmp_path / "x.npy")], out=str(tmp_path / "b.npy"), codes=str(tmp_path / "b.npz"), steps=3)
    assert "no classes that the model knows: its 10 are searched too" in capsys.readouterr().err
    for name in "ab":
        reconstruct(path, [str(tmp_path / f"{name}.npz")], out=str(tmp_path / f"{name} again.npy"))
        assert (tmp_path / f"{name} again.npy").read_bytes() == (tmp_path / f"{name}.npy").read_bytes()


def test_an_autoencoder_with_classes_needs_them(saved, pictures, tmp_path):
    path = saved(vectors(GaussianBottleneck(3), 10))
    with pytest.raises(InputError, match="put the files into sub-folders with the names of the classes"):
        reconstruct(path, [str(pictures / "b.png")], out=str(tmp_path / "x.png"))
    assert not Path(tmp_path / "x.png").exists()
