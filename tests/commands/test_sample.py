"""The command ``sample``: the files that it writes, and its checks."""

import os
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import AutoencoderModule, GANModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.cli import main
from lightning_gen.commands.sample import sample
from lightning_gen.data import Digits, ImageFolder, Ring, Tensors
from lightning_gen.media import preview
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
from lightning_gen.objectives import GaussianLikelihood
from lightning_gen.records import Batch
from lightning_gen.regularizers import KLDivergence
from lightning_gen.samplers import FlowSampler, GaussianMixtureSampler, RectifiedFlowSampler
from lightning_gen.samplers import rectified_flow as rectified_flow_module
from lightning_gen.training.sharding import NumberedSamples

command = sys.modules[sample.__module__]

SMALL_FLOW = {"width": 16, "updates": 4, "batch_size": 8, "steps": 2}
"""Options of a rectified flow that is fitted in no time."""


@pytest.fixture
def checkpoint(gan, trainer, tmp_path):
    """Make the checkpoint of a GAN that was trained for a batch."""

    def make(data=None, **options):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(gan(**options), data or Digits(size=8))
        once.save_checkpoint(tmp_path / "gan.ckpt")
        return str(tmp_path / "gan.ckpt")

    return make


@pytest.fixture
def points(checkpoint):
    return checkpoint(
        Ring(count=1000),
        generator=DenseGenerator((2,), 4, (8,), bounded=False),
        discriminator=DenseDiscriminator((2,), (8,)),
    )


def test_an_image_shows_all_samples_in_a_grid(checkpoint, tmp_path):
    sample(checkpoint(), n=9, out=str(tmp_path / "new" / "grid.png"))
    with Image.open(tmp_path / "new" / "grid.png") as drawn:
        assert drawn.mode == "L"
        assert drawn.size == (3 * 64 + 4 * 2,) * 2  # 8 x 8 pixels enlarged to 64, with lines of 2 between them


def test_an_array_holds_bytes_and_a_folder_the_same_images(checkpoint, tmp_path):
    path = checkpoint()
    sample(path, n=5, out=str(tmp_path / "x.npy"))
    sample(path, n=5, out=str(tmp_path / "pictures"))
    array = np.load(tmp_path / "x.npy")
    assert array.shape == (5, 1, 8, 8)
    assert array.dtype == np.uint8
    names = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    assert names == [f"{index:06d}.png" for index in range(5)]
    for index, name in enumerate(names):
        with Image.open(tmp_path / "pictures" / name) as drawn:
            assert np.array_equal(np.asarray(drawn), array[index, 0])


def conditional(checkpoint, **options):
    generator = DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(10))
    discriminator = DenseDiscriminator((1, 8, 8), (16,), conditioning=Concatenation(10))
    return checkpoint(generator=generator, discriminator=discriminator, **options)


@pytest.mark.parametrize("standing", [0, 3])
def test_what_is_written_is_what_the_module_draws(checkpoint, tmp_path, standing):
    path = checkpoint(batch_norm=True)
    sample(path, n=5, out=str(tmp_path / "x.npy"), seed=2, standing_batches=standing, truncation=0.7)
    module = GANModule.load_from_checkpoint(path)
    module.recalibrate(standing, generator=torch.Generator().manual_seed(2))
    expected = module.sample(5, generator=torch.Generator().manual_seed(2), truncation=0.7)
    assert np.array_equal(np.load(tmp_path / "x.npy"), to_uint8(expected).numpy())
    assert standing or torch.equal(
        expected,
        GANModule.load_from_checkpoint(path).sample(5, generator=torch.Generator().manual_seed(2), truncation=0.7),
    )


def test_a_conditional_model_is_drawn_with_one_class_a_row(checkpoint, tmp_path):
    path = conditional(checkpoint)
    module, source = GANModule.load_from_checkpoint(path), torch.Generator()
    for name, labels, rows in (
        ("all", None, torch.arange(10).repeat_interleave(3)[:29]),
        ("some", [7, 2], [7, 7, 2]),
        ("one", 7, [7] * 3),
    ):
        count = len(rows)
        sample(path, n=count, out=str(tmp_path / f"{name}.png"), labels=labels)
        expected = preview(module.sample(count, rows, source.manual_seed(0)), {"all": 3, "some": 2}.get(name))
        with Image.open(tmp_path / f"{name}.png") as drawn:
            pixels = np.asarray(drawn)
        assert np.array_equal(pixels[:, -expected.shape[2] :], expected[0].numpy())
        names = np.array_split(pixels[:, : -expected.shape[2]], {"all": 10, "some": 2}.get(name, 1))
        assert [bool((row > 200).any()) for row in names] == [name != "one"] * len(names), "a name beside each row"


CLASSES = ("cats", "dogs", "ankle boots", *(f"kind {number}" for number in range(7)))


@pytest.fixture
def named(checkpoint, monkeypatch):
    monkeypatch.setattr(Digits, "classes", CLASSES)
    return conditional(checkpoint)


@pytest.mark.parametrize(
    ("words", "indices", "said"),
    [
        ("dogs", [1], "dogs"),
        ("ankle boots", [2], "ankle boots"),
        ("[dogs, 0]", [1, 0], "dogs, cats"),
        ("['ankle boots', cats, 9]", [2, 0, 9], "ankle boots, cats, kind 6"),
        ("3", [3], "kind 0"),
    ],
)
def test_classes_are_drawn_by_their_names(named, tmp_path, capsys, words, indices, said):
    by_name, by_number = tmp_path / "name.npy", tmp_path / "number.npy"
    main(["sample", named, "--labels", words, "--n=6", f"--out={by_name}"])
    assert capsys.readouterr().out == f"6 samples of {said} in {by_name}\n"
    sample(named, n=6, labels=indices, out=str(by_number))
    assert np.array_equal(np.load(by_name), np.load(by_number))
    names = [CLASSES[index] for index in indices]
    drawn = GANModule.load_from_checkpoint(named).sample(6, names, torch.Generator().manual_seed(0))
    assert np.array_equal(np.load(by_name), to_uint8(drawn).numpy())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("dog", f"there is no class 'dog'; did you mean 'dogs'?: the classes are {', '.join(CLASSES)}"),
        ("[cats, anklebots]", "there is no class 'anklebots'; did you mean 'ankle boots'?: the classes are cats, "),
        ("[]", "--labels is empty"),
        ("[10, cats]", "the classes are 0 to 9 and not 0, 10"),
    ],
)
def test_a_mistyped_class_is_answered_by_the_list(named, tmp_path, capsys, words, sentence):
    with pytest.raises(SystemExit) as exit_info:
        main(["sample", named, "--labels", words, f"--out={tmp_path / 'x.npy'}"])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_model_whose_classes_have_no_names_says_their_numbers(checkpoint, monkeypatch):
    monkeypatch.setattr(Digits, "classes", None)
    with pytest.raises(InputError, match="the classes of this model have no names, so there is no 'cats': give 0 to 9"):
        sample(conditional(checkpoint), labels="cats")


def test_a_number_that_is_the_name_of_another_class_is_explained(checkpoint, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Digits, "classes", tuple("1234567890"))
    path = conditional(checkpoint)
    sample(path, n=2, labels=[1, 5], out=str(tmp_path / "x.npy"))
    out, err = capsys.readouterr()
    assert out.startswith("2 samples of 2, 6 in")
    assert err.splitlines()[0] == "--labels 1 counts the classes from 0 and is '2': the class '1' is --labels 0"
    sample(path, n=2, labels=0, out=str(tmp_path / "y.npy"))
    assert capsys.readouterr().err.startswith("--labels 0 counts the classes from 0 and is '1'")


def test_classes_beyond_the_first_ten_are_counted(checkpoint, tmp_path, capsys):
    path = checkpoint(
        generator=DenseGenerator((1, 8, 8), 4, (16,), conditioning=Concatenation(12)),
        discriminator=DenseDiscriminator((1, 8, 8), (16,), conditioning=Concatenation(12)),
    )
    sample(path, n=20, out=str(tmp_path / "x.png"))
    assert capsys.readouterr().out.startswith("20 samples of the first 10 of 12 classes in")


def test_arrays_of_a_conditional_model_hold_as_many_samples_as_asked_for_of_all_classes(checkpoint, tmp_path):
    path = conditional(checkpoint)
    module, source = GANModule.load_from_checkpoint(path), torch.Generator()
    sample(path, n=23, out=str(tmp_path / "random.npy"))
    assert np.array_equal(
        np.load(tmp_path / "random.npy"), to_uint8(module.sample(23, generator=source.manual_seed(0))).numpy()
    )
    sample(path, n=3, out=str(tmp_path / "some.npy"), labels=[7, 2])
    assert np.array_equal(
        np.load(tmp_path / "some.npy"), to_uint8(module.sample(3, [7, 2, 7], source.manual_seed(0))).numpy()
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": 10}, "the classes are 0 to 9"),
        ({"labels": 10**12}, "the classes are 0 to 9 and not 1000000000000: give labels among them"),
        ({"labels": -1}, "the classes are 0 to 9"),
        ({"labels": []}, "--labels is empty"),
        ({"n": 0}, "at least 1"),
        ({"n": 0, "labels": 3}, "at least 1"),
        ({"standing_batches": -1}, "0 or more"),
        ({"truncation": -1.0}, "--truncation must be above 0"),
    ],
    ids=str,
)
def test_what_a_conditional_model_cannot_draw_is_refused(checkpoint, tmp_path, options, sentence):
    path = conditional(checkpoint)
    with pytest.raises(InputError, match=sentence):
        sample(path, out=str(tmp_path / "x.png"), **options)
    assert not (tmp_path / "x.png").exists()


def test_the_seed_alone_decides_what_is_drawn(checkpoint, tmp_path):
    path = checkpoint()
    for name, seed in {"a": 3, "b": 3, "c": 4}.items():
        torch.rand(7)  # the global state does not matter
        sample(path, n=4, out=str(tmp_path / f"{name}.npy"), seed=seed)
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_points_are_floats_or_a_map_and_no_images(points, tmp_path):
    sample(points, n=20, out=str(tmp_path / "x.npy"))
    assert np.load(tmp_path / "x.npy").shape == (20, 2)
    assert np.load(tmp_path / "x.npy").dtype == np.float32
    sample(points, n=20, out=str(tmp_path / "map.png"))
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.size == (400, 400)
    with pytest.raises(InputError, match=r"points go into one file: give a \.png or \.npy file"):
        sample(points, n=20, out=str(tmp_path / "folder"))


def test_what_is_replaced_is_said(checkpoint, tmp_path, capsys):
    path, out = checkpoint(), tmp_path / "grid.png"
    sample(path, n=4, out=str(out))
    assert capsys.readouterr().out == f"4 samples in {out}\n"
    sample(path, n=4, out=str(out))
    assert "replaced" in capsys.readouterr().out


def test_nothing_of_another_kind_is_replaced(checkpoint, tmp_path):
    path = checkpoint()
    for name in ("notes.png", "notes.npy", "folder/000001.png", "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("notes")
        out = tmp_path / name if "/" not in name else tmp_path / "folder"
        with pytest.raises(InputError, match=f"{name} (is no .* and would be lost|is a file and would be a folder)"):
            sample(path, n=4, out=str(out))
        assert (tmp_path / name).read_text() == "notes"
    assert os.listdir(tmp_path / "folder") == ["000001.png"]
    sample(path, n=1, out=str(tmp_path / "folder"))  # the other stays
    assert (tmp_path / "folder" / "000001.png").read_text() == "notes"


def test_the_data_of_the_training_are_not_replaced(checkpoint, tmp_path):
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((100, 8, 8), dtype=np.uint8))
    path, before = checkpoint(Tensors(str(images))), images.read_bytes()
    (tmp_path / "link.npy").symlink_to(images)
    for name in ("images.npy", "link.npy"):
        with pytest.raises(InputError, match=f"{name} is part of the data that the model was trained on"):
            sample(path, n=4, out=str(tmp_path / name))
    assert images.read_bytes() == before
    sample(path, n=4, out=str(tmp_path / "other.npy"))


@pytest.mark.parametrize("name", ["x.npy", "x.png", "folder"])
def test_a_full_disk_leaves_the_older_samples(checkpoint, tmp_path, monkeypatch, name):
    path, out = checkpoint(), tmp_path / name
    sample(path, n=4, out=str(out))
    before = {file: file.read_bytes() for file in (out.iterdir() if out.is_dir() else [out])}

    def full(*args):
        raise OSError("4 requested and 2 written")  # numpy's words, without a number of the error

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"could not be written .*: free some disk space"):
        sample(path, n=4, out=str(out), seed=1)
    assert {file: file.read_bytes() for file in before} == before
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"n": 0}, "at least 1"),
        ({"labels": [1, 2]}, "leave out the labels"),
        ({"out": "grid.jpg"}, "give a .png or .npy file, or a folder"),
        ({"seed": 10**20}, r"--seed must be a whole number from -2\^63 to 2\^64 - 1, not 100000000000000000000"),
        ({"out": ""}, "a path is empty: give one"),
    ],
)
def test_what_cannot_be_done_is_refused(checkpoint, options, remedy, tmp_path, monkeypatch):
    path = checkpoint()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=remedy):
        sample(path, **options)


def test_from_the_shell(checkpoint, tmp_path, capsys):
    path = checkpoint()
    main(["sample", path, "--n", "4", "--out", str(tmp_path / "x.npy"), "--seed", "1"])
    assert len(np.load(tmp_path / "x.npy")) == 4
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_info:
        main(["sample", path, "--n", "0"])
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "error: the number of samples must be at least 1, not 0\n"


@pytest.mark.parametrize("out", ["x.png", "x.npy", "folder"])
def test_more_samples_than_memory_holds_are_refused_before_any_is_drawn(checkpoint, tmp_path, monkeypatch, out):
    path = checkpoint()
    sample(path, n=4, out=str(tmp_path / "few.npy"))

    def drawn(*args, **options):
        raise AssertionError("something was drawn")

    monkeypatch.setattr(GANModule, "sample", drawn)
    with pytest.raises(InputError, match=r"1,000,000,000 samples of shape \(1, 8, 8\) take .* draw at most [\d,]+ at"):
        sample(path, n=10**9, out=str(tmp_path / out))
    assert not (tmp_path / out).exists()


def test_as_many_as_the_sentence_names_are_drawn(checkpoint, tmp_path, monkeypatch):
    path = checkpoint()
    monkeypatch.setattr(command, "available", lambda: 3 * 4 * 64 * 10 + 1)
    with pytest.raises(InputError, match="draw at most 10 at a time with --n, each time with another --seed"):
        sample(path, n=11, out=str(tmp_path / "x.npy"))
    sample(path, n=10, out=str(tmp_path / "x.npy"))
    assert len(np.load(tmp_path / "x.npy")) == 10


# classes in sub-folders ---------------------------------------------------------------------------------------------


def test_each_class_has_a_folder_of_its_name(named, tmp_path, capsys):
    out = tmp_path / "samples"
    main(["sample", named, "--per_class", "3", "--out", str(out), "--seed", "5", "--truncation", "0.7"])
    assert capsys.readouterr().out == f"30 samples, 3 of each of 10 classes, in {out}\n"
    assert sorted(path.name for path in out.iterdir()) == sorted(CLASSES)
    module = GANModule.load_from_checkpoint(named)
    labels = torch.arange(10).repeat_interleave(3)
    drawn = NumberedSamples(partial(module.sample, truncation=0.7), 30, 5, labels)
    for row, x in enumerate(to_uint8(torch.cat(list(drawn)))):
        with Image.open(out / CLASSES[row // 3] / f"{row % 3:06d}.png") as image:
            assert np.array_equal(np.asarray(image), x[0].numpy())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--per_class 0 --out x", "--per_class must be at least 1, not 0"),
        ("--per_class 2", "samples.png is the name of a file: give --out a folder, such as samples"),
        ("--per_class 2 --out x.npy", "x.npy is the name of a file: give --out a folder, such as x"),
        ("--per_class 2 --out x --n 5", "--per_class says how many samples are drawn, of every class: leave --n out"),
        ("--per_class 2 --out x --labels 3", "of every class: leave --labels out"),
        ("--per_class 2 --out x --n 64 --labels [1,2]", "of every class: leave --n and --labels out"),
        ("--per_class 2 --out used", "--out used holds files, with which others would be mixed: give another folder"),
        ("--per_class 2 --out used/notes", "--out used/notes is a file and would be a folder"),
        ("--per_class 2 --out x --truncation -1", "--truncation must be above 0"),
    ],
)
def test_what_cannot_be_put_into_folders_is_refused(named, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes").write_text("notes")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as exit_info:
        main(["sample", named, *words.split()])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_models_without_classes_or_images_have_no_folders_of_classes(checkpoint, tmp_path):
    with pytest.raises(InputError, match="this model was trained without classes: give --n, or train a recipe with"):
        sample(checkpoint(), per_class=2, out=str(tmp_path / "x"))
    path = checkpoint(
        Ring(count=1000),
        generator=DenseGenerator((2,), 4, (8,), bounded=False, conditioning=Concatenation(8)),
        discriminator=DenseDiscriminator((2,), (8,), conditioning=Concatenation(8)),
    )
    with pytest.raises(InputError, match=r"points go into one file: give --n and --labels, and --out a \.npy file"):
        sample(path, per_class=2, out=str(tmp_path / "x"))


def test_samples_do_not_become_training_data(checkpoint, tmp_path):
    pictures = tmp_path / "pictures"
    for name in "ab":
        (pictures / name).mkdir(parents=True)
        for index in range(100):
            Image.new("L", (8, 8), index).save(pictures / name / f"{index}.png")
    path = conditional(checkpoint, data=ImageFolder(str(pictures), size=8, channels=1, cache_dir=str(tmp_path / "c")))
    with pytest.raises(InputError, match=r"lies in the data that the model was trained on, .* give another --out"):
        sample(path, per_class=2, out=str(pictures / "more"))
    assert not (pictures / "more").exists()
    sample(path, per_class=2, out=str(tmp_path / "more"))


# samplers of codes --------------------------------------------------------------------------------------------------


@pytest.fixture
def coder(autoencoder, trainer, tmp_path):
    """Make the checkpoint of an autoencoder that was trained for some batches."""

    def make(**options):
        runner = trainer(max_epochs=-1, max_steps=4, limit_val_batches=0)
        runner.fit(autoencoder(**options), Digits(size=8))
        runner.save_checkpoint(tmp_path / "ae.ckpt")
        return str(tmp_path / "ae.ckpt")

    return make


def test_a_code_without_a_prior_is_told_of_the_sampler(coder, tmp_path):
    with pytest.raises(InputError, match="no prior to draw from: --sampler gmm is fitted"):
        sample(coder(), out=str(tmp_path / "x.npy"))
    with pytest.raises(InputError, match="no prior"):
        sample(coder(), out=str(tmp_path / "x.npy"), sampler="prior")
    path = coder(variational=True)
    sample(path, n=3, out=str(tmp_path / "prior.npy"), sampler="prior")
    sample(path, n=3, out=str(tmp_path / "none.npy"))
    assert np.array_equal(np.load(tmp_path / "prior.npy"), np.load(tmp_path / "none.npy"))


def test_a_sampler_is_fitted_once_and_kept_in_the_checkpoint(coder, tmp_path, capsys, monkeypatch):
    path, out = coder(), tmp_path / "x.npy"
    before = torch.load(path, weights_only=True)
    sample(path, n=5, out=str(out), sampler="gmm")
    said = capsys.readouterr().out
    assert "fitting GaussianMixtureSampler to the codes of the training split of Digits" in said
    assert f"stored in {path}" in said
    first = np.load(out)
    monkeypatch.setattr(checkpoints, "rebuild", only_samplers(checkpoints.rebuild))
    sample(path, n=5, out=str(out), sampler="gmm")
    assert "fitting" not in capsys.readouterr().out
    assert np.array_equal(np.load(out), first)
    after = torch.load(path, weights_only=True)
    assert after["lightning_gen"].pop("samplers").keys() == {"lightning_gen.samplers.GaussianMixtureSampler"}
    before["lightning_gen"].pop("samplers")
    torch.testing.assert_close(after["state_dict"], before["state_dict"], rtol=0, atol=0)
    assert str(after) == str(before), "nothing else has changed"
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []


def test_maps_of_codes_are_drawn_by_a_rectified_flow(trainer, tmp_path, capsys, monkeypatch):
    path, out = str(tmp_path / "maps.ckpt"), tmp_path / "x.npy"
    runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
    runner.fit(of_maps(IdentityBottleneck(4)), Digits(size=16))
    runner.save_checkpoint(path)
    with pytest.raises(InputError, match="no prior to draw from: --sampler rectified_flow is fitted"):
        sample(path, out=str(out))
    with pytest.raises(InputError, match=r"too few for 10 Gaussians .* for maps RectifiedFlowSampler"):
        sample(path, out=str(out), sampler="gmm")
    sample(path, n=5, out=str(out), sampler="rectified_flow", sampler_options=SMALL_FLOW)
    assert "fitting RectifiedFlowSampler to the codes" in capsys.readouterr().out
    first = np.load(out)
    sample(path, n=5, out=str(out), sampler="rectified_flow", sampler_options=SMALL_FLOW)
    assert "fitting" not in capsys.readouterr().out
    assert np.array_equal(np.load(out), first)
    sampler = AutoencoderModule.load_from_checkpoint(path).fitted_sampler(RectifiedFlowSampler)
    assert sampler.shape == (4, 8, 8)


def test_the_fit_of_a_sampler_that_is_stopped_goes_on_at_the_next_call(trainer, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rectified_flow_module, "REPORT_EVERY_SECONDS", -1.0)
    path, whole, out = str(tmp_path / "maps.ckpt"), tmp_path / "whole.npy", tmp_path / "x.npy"
    runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
    runner.fit(of_maps(IdentityBottleneck(4)), Digits(size=16))
    runner.save_checkpoint(path)
    shutil.copy(path, tmp_path / "other.ckpt")
    sample(str(tmp_path / "other.ckpt"), n=5, out=str(whole), sampler="rectified_flow", sampler_options=SMALL_FLOW)
    error, updates = RectifiedFlowSampler.error, []

    def interrupted(*arguments):
        updates.append(1)
        if len(updates) == 4:
            raise KeyboardInterrupt
        return error(*arguments)

    monkeypatch.setattr(RectifiedFlowSampler, "error", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sample(path, n=5, out=str(out), sampler="rectified_flow", sampler_options=SMALL_FLOW)
    assert "the same command goes on from there" in capsys.readouterr().err
    assert torch.load(path, weights_only=True)["lightning_gen"]["begun_fits"]
    sample(path, n=5, out=str(out), sampler="rectified_flow", sampler_options=SMALL_FLOW)
    assert "going on after 3 of 4 updates" in capsys.readouterr().err
    assert len(updates) == 4 + 1
    assert np.array_equal(np.load(out), np.load(whole))
    assert not torch.load(path, weights_only=True)["lightning_gen"]["begun_fits"]
    monkeypatch.setattr(RectifiedFlowSampler, "error", error)
    runner.fit(of_maps(IdentityBottleneck(4)), Digits(size=16), ckpt_path=path)


def test_options_of_a_sampler_fit_it_again_where_they_change_the_fit(coder, tmp_path, capsys):
    path, out = coder(), str(tmp_path / "x.npy")

    def fitted(**options):
        sample(path, n=2, out=out, sampler="rectified_flow", sampler_options=options)
        return "fitting" in capsys.readouterr().out

    assert fitted(width=16, updates=3)
    assert not fitted()
    assert not fitted(updates=3, steps=1)
    module = AutoencoderModule.load_from_checkpoint(path)
    one, many = (module.fitted_sampler(RectifiedFlowSampler, steps=steps) for steps in (1, 12))
    assert not torch.equal(one.draw(2, torch.Generator()), many.draw(2, torch.Generator()))
    assert fitted(updates=4, width=16)
    assert not fitted(updates=4)
    for wrong, sentence in (
        (
            {"update": 3},
            r"has no option update; did you mean 'updates'\?: --sampler_options. is followed by batch_size",
        ),
        ({"updates": -3}, "numbers above 0 only"),
        ({"updates": "many"}, "do not fit the sampler rectified_flow"),
    ):
        with pytest.raises(InputError, match=sentence):
            fitted(**wrong)
    with pytest.raises(InputError, match="add --sampler with gmm or flow or rectified_flow"):
        sample(path, out=out, sampler_options={"updates": 3})


def test_samples_of_the_prior_of_a_map_name_the_sampler_that_draws_shapes(trainer, tmp_path, capsys, monkeypatch):
    path, out = str(tmp_path / "maps.ckpt"), str(tmp_path / "x.npy")
    module = of_maps(GaussianBottleneck(4), kl=KLDivergence())
    assert list(module.previews(Batch(torch.zeros(2, 1, 16, 16)), 4, 0)) == ["reconstructions"]
    runner = trainer(max_epochs=-1, max_steps=2, limit_val_batches=0)
    runner.fit(module, Digits(size=16))
    runner.save_checkpoint(path)
    sample(path, n=2, out=out)
    assert "add --sampler rectified_flow (it is fitted to the codes first)" in capsys.readouterr().err
    with pytest.raises(InputError, match="knows no classes: add --sampler rectified_flow, which learns those of its"):
        sample(path, n=2, out=out, labels=[3])
    capsys.readouterr()
    sample(path, n=2, out=out, sampler="prior")
    sample(path, n=2, out=out, sampler="rectified_flow", sampler_options=SMALL_FLOW)
    assert "add --sampler" not in capsys.readouterr().err
    first = np.load(out)
    sample(path, n=2, out=out)
    assert "drawn by --sampler rectified_flow, which the checkpoint holds" in capsys.readouterr().err
    assert np.array_equal(np.load(out), first)
    sample(path, n=2, out=out, sampler_options={"guidance": 1, "steps": 3})
    assert not np.array_equal(np.load(out), first)
    sample(path, n=2, out=out, sampler="prior")
    assert not np.array_equal(np.load(out), first)


def test_a_rectified_flow_of_data_with_classes_draws_the_classes_asked_for(coder, tmp_path, capsys):
    """The autoencoder itself knows no classes."""
    options = SMALL_FLOW | {"updates": 200, "learning_rate": 0.01}
    path, flow = coder(), {"sampler": "rectified_flow", "sampler_options": options}
    with pytest.raises(InputError, match=r"the classes are 0 to 9 and not 10"):
        sample(path, out=str(tmp_path / "x.npy"), labels=[10], **flow)
    assert not torch.load(path, weights_only=True)["lightning_gen"]["samplers"], "nothing was fitted for it"
    for name, labels in (("three", [3]), ("five", [5]), ("both", [3, 5])):
        sample(path, n=4, out=str(tmp_path / f"{name}.npy"), labels=labels, **flow)
    three, five, both = (np.load(tmp_path / f"{name}.npy") for name in ("three", "five", "both"))
    assert not np.array_equal(three, five)
    assert np.array_equal(both, np.stack([three[0], five[1], three[2], five[3]]))
    sample(path, n=40, out=str(tmp_path / "rows.png"), **flow)
    assert Image.open(tmp_path / "rows.png").size[0] < Image.open(tmp_path / "rows.png").size[1], "ten rows of four"
    sample(path, out=str(tmp_path / "classes"), per_class=2, **flow)
    assert sorted(each.name for each in (tmp_path / "classes").iterdir()) == [str(number) for number in range(10)]
    capsys.readouterr()
    with pytest.raises(InputError, match="trained without classes"):
        sample(path, out=str(tmp_path / "x.npy"), labels=[3], sampler="gmm")
    module = AutoencoderModule.load_from_checkpoint(path)
    fitted = module.fitted_sampler(RectifiedFlowSampler)
    drawn = module.sample(4, labels=[3], generator=torch.Generator().manual_seed(0), sampler=fitted)
    assert np.array_equal(module.medium.to_stored(drawn).numpy(), three)


def test_classes_are_those_of_the_data_that_a_sampler_was_fitted_to(coder, tmp_path):
    """Their names, their number, and which of them had a training image."""
    path, out = coder(), str(tmp_path / "x.npy")
    grey = np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)
    for row, image in enumerate(grey):
        place = tmp_path / "train" / ("cat", "dog")[row % 2] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    (tmp_path / "val" / "emu").mkdir(parents=True)
    Image.fromarray(grey[0]).save(tmp_path / "val" / "emu" / "0.png")
    module = AutoencoderModule.load_from_checkpoint(path)
    animals = ImageFolder(tmp_path, size=8, channels=1)
    fitted = module.fit_sampler(RectifiedFlowSampler(**SMALL_FLOW), animals)
    assert (fitted.class_names, fitted.absent) == (("cat", "dog", "emu"), {2})
    source = torch.Generator()
    assert torch.equal(
        module.sample(2, labels="dog", generator=source.manual_seed(0), sampler=fitted),
        module.sample(2, labels=1, generator=source.manual_seed(0), sampler=fitted),
    )
    with pytest.raises(InputError, match="no training sample is of class emu, so it was not learned"):
        module.sample(2, labels="emu", sampler=fitted)
    given = {"sampler": "rectified_flow", "sampler_options": SMALL_FLOW, "data": animals}
    sample(path, n=4, out=str(tmp_path / "rows.png"), **given)
    sample(path, n=4, out=out, labels="cat", **given)
    with pytest.raises(InputError, match="no training sample is of class emu"):
        sample(path, out=str(tmp_path / "each"), per_class=1, **given)


def test_a_conditional_model_draws_by_a_flow_that_learned_no_classes(trainer, tmp_path):
    """As those of checkpoints of before flows learned any."""
    module = AutoencoderModule(
        DenseEncoder((1, 8, 8), 4, (8,), conditioning=Concatenation(10)),
        DenseDecoder((1, 8, 8), 4, (8,), conditioning=Concatenation(10)),
        IdentityBottleneck(4),
        {"reconstruction": GaussianLikelihood()},
    )
    once = trainer(max_epochs=-1, max_steps=1, limit_val_batches=0)
    once.fit(module, Digits(size=8))
    learned = module.fit_sampler(RectifiedFlowSampler(**SMALL_FLOW), Digits(size=8))
    assert learned.num_classes == 10
    assert module.sample(3, labels=[3, 5, 3], sampler=learned).shape == (3, 1, 8, 8)
    digits = Digits(size=8)
    digits.setup()
    batch = digits.train_set[:]
    threes = batch.labels == 3
    other = module.fit_sampler(
        RectifiedFlowSampler(**SMALL_FLOW), [(batch.x[threes].float() / 127.5 - 1, batch.labels[threes])]
    )
    assert other.num_classes is None
    assert module.sample(3, labels=[3, 5, 3], sampler=other).shape == (3, 1, 8, 8)
    assert module.sample(3, sampler=other).shape == (3, 1, 8, 8)


@pytest.mark.parametrize(
    "labels",
    [
        torch.rand(40),
        torch.arange(40) % 2 - 1,
        torch.ones(40, 2, dtype=torch.long),
        torch.arange(40) * 10_000_000,
        torch.arange(40) % 2 == 0,
    ],
    ids=["floats", "negative", "several", "names", "bool"],
)
def test_labels_that_are_no_classes_are_left_out_of_a_fit(autoencoder, labels):
    fitted = autoencoder().fit_sampler(RectifiedFlowSampler(**SMALL_FLOW), [(torch.rand(40, 1, 8, 8), labels)])
    assert fitted.num_classes is None


def of_maps(bottleneck, **terms):
    """An autoencoder of digits of 16 x 16 whose codes are maps of 4 x 8 x 8."""
    encoder = ResidualEncoder((1, 16, 16), bottleneck.features, width=4, downsamplings=1)
    decoder = ResidualDecoder((1, 16, 16), 4, width=4, downsamplings=1)
    return AutoencoderModule(encoder, decoder, bottleneck, {"reconstruction": GaussianLikelihood(), **terms})


def only_samplers(rebuild):
    """What a second call may rebuild: the model and the sampler, not the data."""

    def checked(base, hparams, *args, **options):
        assert "Digits" not in hparams["_class_path"], "the data are read again"
        return rebuild(base, hparams, *args, **options)

    return checked


@pytest.mark.parametrize("sampler", [None, "gmm"])
def test_codes_are_decoded_some_at_a_time_and_give_the_same(coder, tmp_path, sampler, monkeypatch):
    path = coder(variational=True)
    sample(path, n=1300, out=str(tmp_path / "x.npy"), seed=3, sampler=sampler)
    module = AutoencoderModule.load_from_checkpoint(path).eval()
    fitted = module.fitted_sampler(GaussianMixtureSampler)
    with torch.no_grad():
        whole = module.decode(module.draw_codes(1300, torch.Generator().manual_seed(3), fitted))
    sizes, decode = [], AutoencoderModule.decode

    def counted(self, code, labels=None):
        sizes.append(len(code))
        return decode(self, code, labels)

    monkeypatch.setattr(AutoencoderModule, "decode", counted)
    drawn = module.sample(1300, generator=torch.Generator().manual_seed(3), sampler=fitted)
    assert sizes == [512, 512, 276]
    assert torch.equal(drawn, whole)
    assert np.array_equal(np.load(tmp_path / "x.npy"), to_uint8(whole).numpy())


def test_classes_stay_with_their_codes_however_many_are_decoded_at_a_time(autoencoder):
    module = autoencoder(
        variational=True,
        encoder=DenseEncoder((1, 8, 8), 6, widths=(16,), conditioning=Concatenation(10)),
        decoder=DenseDecoder((1, 8, 8), 3, widths=(16,), conditioning=Concatenation(10)),
    )
    whole, parts = (module.sample(25, [7, 1, 2], torch.Generator().manual_seed(0), batch_size=size) for size in (25, 4))
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)
    assert not torch.allclose(whole, module.sample(25, 7, torch.Generator().manual_seed(0)))


def test_what_is_drawn_is_what_the_kept_sampler_draws(coder, tmp_path):
    path = coder(variational=True)
    sample(path, n=5, out=str(tmp_path / "x.npy"), seed=3, sampler="gmm")
    module = AutoencoderModule.load_from_checkpoint(path)
    sampler = module.fitted_sampler(GaussianMixtureSampler)
    assert module.fitted_sampler(FlowSampler) is None
    expected = module.sample(5, generator=torch.Generator().manual_seed(3), sampler=sampler)
    assert np.array_equal(np.load(tmp_path / "x.npy"), to_uint8(expected).numpy())
    again = module.fit_sampler(GaussianMixtureSampler(), Digits(size=8))
    assert torch.equal(again.means, sampler.means)


def test_a_run_resumes_to_the_bit_from_a_checkpoint_with_a_sampler_and_drops_it(coder, autoencoder, trainer, tmp_path):
    path = coder(variational=True)
    states = []
    for fitted in (False, True):
        if fitted:
            sample(path, n=2, out=str(tmp_path / "x.npy"), sampler="gmm")
            assert torch.load(path, weights_only=True)["lightning_gen"]["samplers"]
        module, runner = autoencoder(variational=True), trainer(max_epochs=-1, max_steps=8, limit_val_batches=0)
        runner.fit(module, Digits(size=8), ckpt_path=path)
        states.append([module.state_dict(), module.rng.get_state(), torch.get_rng_state()])
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert module.fitted_sampler(GaussianMixtureSampler) is None, "the weights have moved on"
    runner.save_checkpoint(tmp_path / "later.ckpt")
    assert torch.load(tmp_path / "later.ckpt", weights_only=True)["lightning_gen"]["samplers"] == {}


def test_a_sampler_that_cannot_be_kept_still_draws(coder, tmp_path, capsys, monkeypatch):
    path = coder()

    def full(*args, **options):
        raise OSError("the disk is full")

    monkeypatch.setattr(torch, "save", full)
    sample(path, n=4, out=str(tmp_path / "x.npy"), sampler="gmm")
    assert "fitted again at the next call: the disk is full" in capsys.readouterr().out
    assert len(np.load(tmp_path / "x.npy")) == 4


def test_a_run_that_goes_on_while_a_sampler_is_fitted_loses_nothing(coder, tmp_path, capsys, monkeypatch):
    path = coder()
    fit = AutoencoderModule.fit_sampler

    def slow(self, *arguments, **options):
        stored = torch.load(path, weights_only=True)
        stored["lightning_gen"]["images_seen"] += 1000
        torch.save(stored, path)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(AutoencoderModule, "fit_sampler", slow)
    sample(path, n=5, out=str(tmp_path / "x.npy"), sampler="gmm")
    assert "rewritten by its run meanwhile" in capsys.readouterr().out
    stored = torch.load(path, weights_only=True)["lightning_gen"]
    assert stored["images_seen"] >= 1000
    assert not stored["samplers"]
    assert np.load(tmp_path / "x.npy").shape[0] == 5


WRITES = """
import sys
import torch
from lightning_gen.checkpoint import read
from lightning_gen.files import replacing
stored = read(sys.argv[1])
stored["lightning_gen"]["images_seen"] += 1000
with replacing(sys.argv[1]) as file:
    torch.save(stored, file)
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_a_run_that_is_just_writing_its_checkpoint_is_left_alone(coder, tmp_path, capsys):
    """Its unfinished file is neither removed nor waited for, and takes the place of the one with the sampler."""
    path = coder()
    run = subprocess.Popen([sys.executable, "-c", WRITES, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"writing\n"
    sample(path, n=4, out=str(tmp_path / "x.npy"), sampler="gmm")
    assert f"it is stored in {path}" in capsys.readouterr().out
    run.communicate(b"\n")
    assert run.returncode == 0
    assert torch.load(path, weights_only=True)["lightning_gen"]["images_seen"] > 1000
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("moment", ["while it is fitted", "while it is written"])
def test_what_a_run_writes_at_the_last_moment_is_not_lost(coder, tmp_path, capsys, monkeypatch, moment):
    """At the same count of images, with other weights."""
    path = coder()
    theirs = torch.load(path, weights_only=True)
    for weight in theirs["state_dict"].values():
        weight.add_(1)
    torch.save(theirs, tmp_path / "theirs")
    owner, name = (AutoencoderModule, "fit_sampler") if moment == "while it is fitted" else (os, "fsync")
    usual = getattr(owner, name)

    def overtaken(*arguments, **options):
        if (tmp_path / "theirs").exists():
            os.replace(tmp_path / "theirs", path)
        return usual(*arguments, **options)

    monkeypatch.setattr(owner, name, overtaken)
    sample(path, n=4, out=str(tmp_path / "x.npy"), sampler="gmm")
    assert "rewritten by its run meanwhile: the sampler is not stored there" in capsys.readouterr().out
    stored = torch.load(path, weights_only=True)
    torch.testing.assert_close(stored["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    assert not stored["lightning_gen"]["samplers"]


def test_a_link_to_a_checkpoint_stays_one(coder, tmp_path):
    path, link = coder(), tmp_path / "link.ckpt"
    link.symlink_to(path)
    sample(str(link), n=4, out=str(tmp_path / "x.npy"), sampler="gmm")
    assert link.is_symlink()
    assert torch.load(path, weights_only=True)["lightning_gen"]["samplers"]


def test_samplers_that_there_are_not_are_refused(coder, checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"no sampler 'gnm'; did you mean 'gmm'.: the samplers are prior, gmm, flow"):
        sample(coder(), sampler="gnm")
    with pytest.raises(InputError, match="--sampler is for autoencoders"):
        sample(checkpoint(), sampler="gmm")


@pytest.mark.parametrize("given", [{}, {"device": "auto"}, {"device": "cpu", "precision": "32-true"}])
def test_the_device_and_the_rate_are_said_and_the_samples_stay_the_same(checkpoint, tmp_path, capsys, given):
    path = checkpoint()
    sample(path, n=5, out=str(tmp_path / "x.npy"), **({} if torch.cuda.is_available() else given))
    said = capsys.readouterr().err
    assert " samples a second on cpu in 32-true" in said
    module = checkpoints.restore(GANModule, checkpoints.read(path), path)
    drawn = module.sample(5, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(np.load(tmp_path / "x.npy"), to_uint8(drawn).numpy())


def test_samples_in_bfloat16_are_the_same_but_for_rounding(checkpoint, tmp_path):
    path, found = checkpoint(), {}
    for precision in ("32-true", "bf16-mixed"):
        sample(path, n=8, out=str(tmp_path / "x.npy"), precision=precision)
        found[precision] = np.load(tmp_path / "x.npy").astype(int)
    difference = np.abs(found["32-true"] - found["bf16-mixed"])
    assert 0 < difference.max() <= 8, "of 255: another rounding, and the same latents"


@pytest.mark.slow
def test_compiled_samples_are_the_same_but_for_rounding(checkpoint, tmp_path, capsys):
    path, found = checkpoint(), {}
    for compiled in (False, True):
        sample(path, n=300, out=str(tmp_path / "x.npy"), compile=compiled)  # a batch of 256, and one of 44
        found[compiled] = np.load(tmp_path / "x.npy").astype(int)
    said = capsys.readouterr().err
    assert "compiled in " in said
    assert " samples a second on cpu in 32-true, compiled" in said
    assert np.abs(found[True] - found[False]).max() <= 1


def test_a_device_or_precision_that_is_not_there_is_refused(checkpoint, tmp_path):
    path = checkpoint()
    with pytest.raises(InputError, match="there is no --device 'abacus' here: give one of cpu"):
        sample(path, out=str(tmp_path / "x.npy"), device="abacus")
    with pytest.raises(InputError, match="there is no --precision half: give one of 32-true, bf16-mixed, 16-mixed"):
        sample(path, out=str(tmp_path / "x.npy"), precision="half")
    with pytest.raises(InputError, match="16-mixed is for GPUs"):
        sample(path, out=str(tmp_path / "x.npy"), precision="16-mixed")
    assert not (tmp_path / "x.npy").exists()
