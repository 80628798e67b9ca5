"""What a trained model is applied to: splits, arrays, folders and files of pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule
from lightning_gen.applications import Trained, read_inputs
from lightning_gen.applications.inputs import product_names
from lightning_gen.bottlenecks import IdentityBottleneck
from lightning_gen.errors import InputError
from lightning_gen.networks import Concatenation, DenseDecoder, DenseEncoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood

SIDE = 8


def picture(path: Path, colour=(200, 10, 30), size=(SIDE, SIDE)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def model(shape=(3, SIDE, SIDE), classes=None, names=None):
    conditioning = None if classes is None else Concatenation(classes)
    module = AutoencoderModule(
        DenseEncoder(shape, features=4, widths=(8,), conditioning=conditioning),
        DenseDecoder(shape, latent_dim=4, widths=(8,), conditioning=conditioning),
        IdentityBottleneck(4),
        {"reconstruction": BernoulliLikelihood()},
    )
    module.class_names = names
    return Trained(module, "model.ckpt", {}, torch.device("cpu"))


def test_pictures_of_a_folder_keep_their_relative_names_and_pixels(tmp_path):
    picture(tmp_path / "b.png", (0, 0, 255))
    picture(tmp_path / "sub" / "a.png")
    found = read_inputs(model(), [str(tmp_path)])
    assert found.names == ["b.png", "sub/a.png"]
    (batch,) = found.batches()
    assert torch.equal(batch.x[0, :, 0, 0], torch.tensor([-1.0, -1.0, 1.0]))
    assert found.labels is None


def test_files_are_in_the_order_given_and_named_after_their_common_folder(tmp_path):
    one, two = picture(tmp_path / "x" / "same.png"), picture(tmp_path / "y" / "same.png", (0, 0, 0))
    found = read_inputs(model(), [str(two), str(one), str(two)])
    assert found.names == ["y/same.png", "x/same.png"]
    assert found.samples[0].x.max() == 0


def test_a_folder_and_its_files_give_the_same_pixels(tmp_path):
    picture(tmp_path / "a.png", size=(20, 11))
    folder, file = (read_inputs(model(), [str(path)]) for path in (tmp_path, tmp_path / "a.png"))
    assert torch.equal(folder.samples[:].x, file.samples[:].x)


def test_sub_folders_are_classes_matched_by_name(tmp_path):
    picture(tmp_path / "dogs" / "1.png")
    picture(tmp_path / "apes" / "2.png")
    known = read_inputs(model(classes=3, names=("apes", "cats", "dogs")), [str(tmp_path)])
    assert known.labels.tolist() == [0, 2]
    known.require_labels()
    other = read_inputs(model(classes=3, names=("apes", "cats", "owls")), [str(tmp_path)])
    with pytest.raises(InputError, match=r"knows no class dogs: .* apes, cats, owls"):
        other.require_labels()
    bare = read_inputs(model(classes=3), [str(tmp_path / "dogs" / "1.png")])
    with pytest.raises(InputError, match="put the files into sub-folders"):
        bare.require_labels()


def test_what_was_done_to_pictures_of_other_sizes_and_colours_is_said(tmp_path):
    picture(tmp_path / "wide.png", size=(20, 10))
    picture(tmp_path / "large.png", size=(16, 16))
    picture(tmp_path / "same.png")
    (sizes, grey) = read_inputs(model(shape=(1, SIDE, SIDE)), [str(tmp_path)]).notes
    assert sizes.startswith("2 of 3 pictures have other sizes than 8 x 8")
    assert "and 1 were cropped at the centre" in sizes
    assert grey.startswith("3 of 3 pictures are in colour")


def test_arrays_are_read_with_their_labels(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (5, 3, SIDE, SIDE), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, labels=np.arange(5))
    found = read_inputs(model(), [str(tmp_path / "x.npz")])
    assert found.names == ["000000", "000001", "000002", "000003", "000004"]
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(torch.cat([batch.x for batch in found.batches()]), torch.from_numpy(x) / 127.5 - 1)


def test_batches_are_bounded_by_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_gen.applications.inputs.NUMBERS", 2 * 3 * SIDE * SIDE)
    np.save(tmp_path / "x.npy", np.zeros((5, 3, SIDE, SIDE), np.uint8))
    found = read_inputs(model(), [str(tmp_path / "x.npy")])
    assert [len(batch.x) for batch in found.batches()] == [2, 2, 1]


def broken(folder):
    picture(folder / "good.png")
    (folder / "bad.png").write_bytes(b"no picture")


@pytest.mark.parametrize("single", [False, True])
def test_a_broken_picture_is_named_or_left_out(tmp_path, single):
    broken(tmp_path)
    given = [str(tmp_path / "good.png"), str(tmp_path / "bad.png")] if single else [str(tmp_path)]
    with pytest.raises(InputError, match=r"bad.png cannot be decoded .its content is not an image.*--on_error skip"):
        read_inputs(model(), given)
    found = read_inputs(model(), given, on_error="skip")
    assert found.names == ["good.png"]
    assert found.notes[0].startswith("left out 1 of 2 pictures")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nothing is given"),
        (["missing"], "there is no missing: name a folder"),
        (["test", "x.npy"], "'test' is a split"),
        (["x.npy", "x.npy"], "give one array alone"),
        (["wrong.npy"], r"has samples of shape \(3, 4, 4\) and the model was trained on \(3, 8, 8\)"),
        (["empty"], "there is no image in empty, no file at all"),
        (["text.txt"], "no picture and no array by its name"),
        (["test"], "does not say what data it was trained on"),
    ],
)
def test_bad_inputs_get_a_sentence(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((2, 3, SIDE, SIDE), np.uint8))
    np.save("wrong.npy", np.zeros((2, 3, 4, 4), np.uint8))
    Path("empty").mkdir()
    Path("text.txt").touch()
    with pytest.raises(InputError, match=sentence):
        read_inputs(model(), words)


def test_a_model_of_points_reads_no_pictures(tmp_path):
    picture(tmp_path / "a.png")
    module = AutoencoderModule(
        DenseEncoder((6,), features=4, widths=(8,)),
        DenseDecoder((6,), latent_dim=4, widths=(8,)),
        IdentityBottleneck(4),
        {"reconstruction": GaussianLikelihood()},
    )
    with pytest.raises(InputError, match="picture files do not hold: give an array"):
        read_inputs(Trained(module, "model.ckpt", {}, torch.device("cpu")), [str(tmp_path)])


def test_names_of_products_do_not_collide():
    assert product_names(["a.png", "a.jpg", "a.jpg.png"], ".png") == ["a.png.png", "a.jpg.png", "a.jpg.png.png"]


def test_the_training_data_are_made_once_and_named_once(capsys, tmp_path):
    described = {"_class_path": "lightning_gen.data.ImageFolder", "folder": str(tmp_path), "size": SIDE}
    trained = Trained(model().module, "model.ckpt", {"datamodule_hyper_parameters": described}, torch.device("cpu"))
    for index in range(12):
        picture(tmp_path / f"{index}.png")
    assert trained.data() is trained.data()
    assert (
        len(read_inputs(trained, "train")) + len(read_inputs(trained, "val")) + len(read_inputs(trained, "test")) == 12
    )
    assert capsys.readouterr().err.count("names the data") == 1
