"""The command ``evaluate``: its report, the sampler that it uses, and its messages."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from other_weights import inception_file
from PIL import Image

from lightning_gen import AutoencoderModule, InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main
from lightning_gen.commands import output
from lightning_gen.commands.evaluate import evaluate
from lightning_gen.data import DataModule, Digits, ImageFolder, Ring, Tensors
from lightning_gen.data.stored import found
from lightning_gen.metrics import Measurement, Report
from lightning_gen.networks import DenseDiscriminator, DenseGenerator
from lightning_gen.pretrained import sha256_of
from lightning_gen.pretrained.lite0 import packaged_weights


@pytest.fixture
def checkpoint(trainer, tmp_path):
    """Train a module for one batch and write its checkpoint."""

    def make(module, data):
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(module, data)
        once.save_checkpoint(tmp_path / "model.ckpt")
        return str(tmp_path / "model.ckpt")

    return make


# the sampler


def test_the_sampler_of_evaluate_is_that_of_sample(autoencoder, checkpoint, tmp_path, capsys):
    path, target = checkpoint(autoencoder(), Digits(size=8)), tmp_path / "figures.json"
    words = ["evaluate", path, "--extractor", "false", "--output", str(target)]
    main([*words, "--sampler", "gmm"])
    assert f"it is stored in {path}" in capsys.readouterr().out
    first = json.loads(target.read_text())
    assert "GaussianMixtureSampler(components=10)" in first["card"]["samples"]
    main([*words, "--sampler", "gmm"])
    assert "fitting" not in capsys.readouterr().out
    assert json.loads(target.read_text()) == first
    main(words)
    assert "drawn by --sampler gmm, which the checkpoint holds" in capsys.readouterr().err
    assert json.loads(target.read_text()) == first
    with pytest.raises(SystemExit):
        main([*words, "--sampler", "prior"])
    assert "no prior to draw from" in capsys.readouterr().err


def test_a_sampler_of_data_that_are_named_is_kept_only_where_the_checkpoint_names_the_same(
    autoencoder, checkpoint, capsys
):
    path = checkpoint(autoencoder(), Digits(size=8))
    words = ["evaluate", path, "--extractor=false", "--sampler=gmm", "--data=Digits", "--data.size=8"]
    main([*words, "--data.val_fraction=0.3"])
    printed = capsys.readouterr().out
    assert f"{path} names other data: the sampler is not stored there" in printed
    assert "GaussianMixtureSampler(components=10)" in printed
    assert checkpoints.read(path)["lightning_gen"]["samplers"] == {}
    main(words)
    assert f"it is stored in {path}" in capsys.readouterr().out
    (kept,) = checkpoints.read(path)["lightning_gen"]["samplers"]
    assert kept.endswith(".GaussianMixtureSampler")


def test_a_sampler_is_kept_for_a_folder_of_images(autoencoder, checkpoint, tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    for index in range(100):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{index}.png")
    folder = ImageFolder(str(tmp_path / "pictures"), size=8, channels=1, batch_size=16, cache_dir=str(tmp_path))
    path = checkpoint(autoencoder(), folder)
    main(["sample", path, "--sampler=flow", f"--out={tmp_path / 'x.npy'}"])
    assert f"it is stored in {path}" in capsys.readouterr().out


# the report and the messages


def test_json_says_what_was_evaluated_and_the_same_seed_gives_the_same(gan, checkpoint, tmp_path, capsys):
    parts = {
        "generator": DenseGenerator((2,), 4, (8,), bounded=False),
        "discriminator": DenseDiscriminator((2,), (8,)),
    }
    path, target = checkpoint(gan(**parts), Ring(count=1000)), tmp_path / "new" / "figures.json"
    evaluate(path, output=str(target), samples=3000, seed=5)
    printed, read = capsys.readouterr().out, json.loads(target.read_text())
    assert read.keys() == {"figures", "card"}
    assert all(f"\n{name} " in f"\n{printed}" for name in read["figures"])
    card = read["card"]
    assert card["checkpoint"] == path
    assert (card["module"], card["ema"], card["images_seen"]) == ("GANModule", True, 256)
    assert card["data"]["class_path"] == "lightning_gen.data.Ring"
    assert card["data"]["init_args"]["count"] == 1000
    assert card["modes"]["seed"] == 5
    assert card["versions"]["torch"] == torch.__version__
    assert "\x1b" not in printed

    evaluate(path, output=str(target), samples=3000, seed=5)
    assert json.loads(target.read_text()) == read
    assert "replaced" in capsys.readouterr().out
    evaluate(path, output=str(target), samples=3000, seed=6)
    other = json.loads(target.read_text())["figures"]
    assert all(other[name] != read["figures"][name] for name in ("reverse_kl", "sliced_wasserstein"))


def test_the_rate_of_features_is_said_and_the_card_names_a_precision(gan, checkpoint, tmp_path, capsys):
    path, target, found = checkpoint(gan(), Digits(size=8)), tmp_path / "figures.json", {}
    for precision in ("32-true", "bf16-mixed"):
        evaluate(path, output=str(target), features="classifier", precision=precision)
        said = rf"features of \d+ images by a Digits classifier: .* a second on cpu in {precision}"
        assert re.search(said, capsys.readouterr().err)
        found[precision] = json.loads(target.read_text())
    evaluate(path, output=str(target), features="classifier")
    assert json.loads(target.read_text()) == found["32-true"]
    exact, narrow = found["32-true"], found["bf16-mixed"]
    assert narrow["card"]["precision"] == "bf16-mixed"
    assert "precision" not in exact["card"].keys() | exact["card"]["extractor"].keys()
    assert narrow["card"]["extractor"] == exact["card"]["extractor"] | {"precision": "bf16-mixed"}
    distances = [each["figures"]["frechet_distance"] for each in (exact, narrow)]
    assert distances[0] != distances[1] == pytest.approx(distances[0], rel=0.05)


def test_no_output_takes_the_place_of_a_checkpoint(autoencoder, checkpoint, tmp_path):
    """Whatever it is called, and through a link or under a second name too; nothing is computed before."""
    path = checkpoint(autoencoder(), Digits(size=8))
    with pytest.raises(InputError, match=r"give a name that ends in \.json"):
        evaluate(path, output=path)
    before = Path(path).read_bytes()
    (tmp_path / "link.json").symlink_to(path)
    os.link(path, tmp_path / "second.json")
    for name in ("link.json", "second.json"):
        with pytest.raises(InputError, match=f"{name} is no report of metrics and would be lost"):
            evaluate(path, output=str(tmp_path / name))
    assert Path(path).read_bytes() == before


def test_an_output_through_a_link_leaves_what_it_leads_to(autoencoder, checkpoint, tmp_path):
    path, older, link = checkpoint(autoencoder(), Digits(size=8)), tmp_path / "older.json", tmp_path / "link.json"
    older.write_text('{"figures": {"mse": 1}}')
    link.symlink_to(older)
    evaluate(path, output=str(link), extractor=False)
    assert older.read_text() == '{"figures": {"mse": 1}}'
    assert not link.is_symlink()
    assert "mse" in json.loads(link.read_text())["figures"]


def test_figures_are_written_before_they_are_printed_and_printed_on_a_full_disk(tmp_path, capsys, monkeypatch):
    report, target = Report((Measurement("mse", 0.5, "error"),)), tmp_path / "figures.json"

    def leave(text):
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(output, "say", leave)
        with pytest.raises(BrokenPipeError):
            output.show(report, target)
    assert json.loads(target.read_text())["figures"] == {"mse": 0.5}

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"figures.json could not be written .*an older file is intact"):
        output.show(Report((Measurement("mse", 0.7, "error"),)), target)
    assert json.loads(target.read_text())["figures"] == {"mse": 0.5}
    assert "0.7" in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "width"), [(None, 120), (70, 70), (200, 200)])
def test_the_text_is_as_wide_as_the_terminal(autoencoder, checkpoint, capsys, monkeypatch, columns, width):
    path = checkpoint(autoencoder(variational=True), Digits(size=8))
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    capsys.readouterr()
    evaluate(path, draws=1, extractor=False)
    printed = capsys.readouterr().out
    longest = max(len(line) for line in printed.splitlines() if str(path) not in line)
    assert width - 15 < longest <= width
    assert " ".join(printed.split()).count("grey pixels") == 1


def test_data_can_be_named_from_the_shell_by_a_short_class_name(autoencoder, checkpoint, tmp_path):
    path, target = checkpoint(autoencoder(), Digits(size=8)), tmp_path / "figures.json"
    main(
        ["evaluate", path, "--output", str(target), "--data", "Digits", "--data.size=8", "--data.test_fraction", "0.2"]
    )
    card = json.loads(target.read_text())["card"]
    assert card["data"]["init_args"]["test_fraction"] == 0.2
    assert card["split"]["test"] == 359


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--data", "Digits", "--data.size", "16"], "set --data.size 8"),
        (["--data", "Digits", "--data.size", "99"], "set --data.size to 8 ... 64"),
        (["--data", "Ring"], "leaving out --data"),
        (["--data", "ImageFolder", "--data.folder", "x"], "set --data.channels 1 and --data.size 8"),
        (["--data", "Digits", "--data.size", "8", "--data.test_fraction", "0"], "set --data.test_fraction above 0"),
        (["--samples", "0"], "--samples must be at least 1"),
        (["--draws", "0"], "--draws must be at least 1"),
        (["--sampler", "gnm"], "did you mean 'gmm'?"),
        (["--sampler", "prior"], "has no prior to draw from: --sampler gmm"),
        (["--output", "."], "is a folder"),
        (["--features", "lite1"], "there are no features 'lite1'; did you mean 'lite0'?"),
        (["--features", "inception"], "get pt_inception-2015-12-05-6726825d.pth by https://github.com/mseitzer"),
        (["--weights", "nothing.pth"], "is read from nothing.pth, which is no file: get it by https://"),
        (["--features", "classifier", "--weights", "x.pth"], "leave it out, or take --features inception"),
        (["--reference", "trian"], "compared with a split 'trian'; did you mean 'train'?: give test or train"),
        (["--device", "cudda"], "there is no --device 'cudda' here: give one of cpu"),
        (["--precision", "half"], "there is no --precision half: give one of 32-true, bf16-mixed, 16-mixed"),
        (["--precision", "16-mixed"], "--precision 16-mixed is for GPUs"),
        (["--output", "figures.txt"], "give a name that ends in .json, such as evaluation.json"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_with_its_remedy(
    autoencoder, checkpoint, words, remedy, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = checkpoint(autoencoder(), Digits(size=8))
    with pytest.raises(SystemExit) as exit_info:
        main(["evaluate", path, *words])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert remedy in error
    assert error.count("\n") == 1


def test_data_that_are_gone_are_named_by_their_own_sentence(autoencoder, checkpoint, tmp_path):
    file = tmp_path / "x.pt"
    torch.save(torch.rand(100, 1, 8, 8), file)
    path = checkpoint(autoencoder(), Tensors(str(file)))
    file.unlink()
    with pytest.raises(InputError, match=f"^there is no file {file}"):
        evaluate(path)


def test_a_checkpoint_without_data_asks_for_them(autoencoder, checkpoint):
    path = checkpoint(autoencoder(), torch.utils.data.DataLoader(torch.rand(64, 1, 8, 8), 32))
    with pytest.raises(InputError, match="--data Digits"):
        evaluate(path)
    evaluate(path, data=Digits(size=8))


# features of published networks


@pytest.fixture
def small_lite0(monkeypatch):
    """EfficientNet-Lite0 on small images, as many at a time as there are."""
    pytest.importorskip("timm")
    room = sys.modules["lightning_gen.metrics.pretrained_features"]
    monkeypatch.setattr(room, "BATCH", 8)
    monkeypatch.setattr(room, "LITE0_SIZE", 32)


@pytest.fixture
def colours(gan, trainer, tmp_path, monkeypatch):
    """A checkpoint of a GAN of a folder of colour images without classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for index in range(120):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(gan((3, 8, 8)), ImageFolder("images", size=8, batch_size=8))
    once.save_checkpoint(tmp_path / "model.ckpt")
    return str(tmp_path / "model.ckpt")


def test_a_folder_without_classes_has_figures_and_a_picture_of_neighbours(colours, small_lite0, capsys, tmp_path):
    main(["evaluate", colours, "--output=x.json"])
    read = json.loads(Path("x.json").read_text())
    assert {"fd_lite0", "fd_lite0_floor", "kid_lite0", "precision_lite0", "recall_lite0"} < read["figures"].keys()
    assert {"density_lite0", "coverage_lite0", "authenticity_lite0", "duplicates"} < read["figures"].keys()
    assert not {"frechet_distance", "fid"} & read["figures"].keys()
    assert read["card"]["features_lite0"]["published_weights"] is True
    assert read["card"]["spreads"].keys() == {"kid_lite0", "kid_lite0_floor"}
    assert Image.open("x_nearest.png").size == (8 * 66 + 2, 3 * 66 + 2), "12 samples, each beside an image"
    assert "written to x_nearest.png" in capsys.readouterr().out
    main(["evaluate", colours, "--output=y.json", "--extractor=false"])
    assert "fd_lite0" not in json.loads(Path("y.json").read_text())["figures"]
    main(["evaluate", colours, "--output=y.json", "--extractor=false", "--features=lite0"])
    again = json.loads(Path("y.json").read_text())["figures"]
    assert again == read["figures"]


def test_alpha_and_16_bits_are_read_as_colours_of_8_bits(colours, small_lite0):
    """As training has read them: features see what the model was trained on."""
    for path in Path("images").glob("*.png"):
        Image.open(path).convert("RGBA").save(path)
    grey = np.random.default_rng(0).integers(0, 2**16, (8, 8)).astype(np.uint16)
    Image.fromarray(grey).save("images/grey.png")
    evaluate(colours, output="x.json", features="lite0")
    found = json.loads(Path("x.json").read_text())
    assert found["figures"]["fd_lite0"] > 0
    assert found["card"]["not_finite"] == {}


def test_a_picture_of_neighbours_takes_the_place_of_no_other_file(colours):
    Path("x_nearest.png").write_text("mine")
    with pytest.raises(InputError, match=r"x_nearest.png is no PNG image and would be lost"):
        evaluate(colours, output="x.json")


@pytest.mark.slow
def test_weights_alone_name_the_network(colours, small_lite0, tmp_path):
    """Other weights of Inception give no figure called FID."""
    path = inception_file(tmp_path)
    evaluate(colours, output="x.json", weights=str(path))
    found = json.loads(Path("x.json").read_text())
    first = sha256_of(path)[:8]
    assert {f"fd_{first}", f"kid_{first}", f"inception_score_{first}"} < found["figures"].keys()
    assert not {"fid", "kid", "inception_score"} & found["figures"].keys()
    evaluate(colours, output="x.json", weights=packaged_weights())
    assert "fd_lite0" in json.loads(Path("x.json").read_text())["figures"]


@pytest.mark.slow
def test_two_processes_write_one_report_to_the_bit_that_of_one(colours):
    words = ["-m", "lightning_gen", "evaluate", colours, "--features=lite0"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    for start, name in ((launcher, "two.json"), ([], "one.json")):
        subprocess.run([sys.executable, *start, *words, f"--output={name}"], check=True, timeout=300)
    one, two = (json.loads(Path(name).read_text()) for name in ("one.json", "two.json"))
    assert one == two
    assert "fd_lite0" in one["figures"]


def test_without_the_packages_a_folder_is_told_what_to_install(colours, monkeypatch):
    monkeypatch.setattr("lightning_gen.commands.features.available_features", lambda: None)
    evaluate(colours, output="x.json")
    omitted = json.loads(Path("x.json").read_text())["card"]["omitted"]
    assert "pip install 'lightning_gen[features]'" in omitted["features"]


# where the checkpoint and the data are


@pytest.fixture
def run(autoencoder, trainer, tmp_path, monkeypatch):
    """The folder of a run that was trained in `project` on images in a relative folder."""
    project = tmp_path / "project"
    for name, level in (("images", 0), ("others", 100)):
        (project / name).mkdir(parents=True)
        for index in range(150):
            Image.new("L", (8, 8), level + index).save(project / name / f"{index}.png")
    monkeypatch.chdir(project)
    once = trainer(max_steps=1, limit_val_batches=0)
    once.fit(autoencoder(variational=True), ImageFolder("images", size=8, channels=1, batch_size=8))
    once.save_checkpoint(project / "runs" / "first" / "checkpoints" / "last.ckpt")
    return project / "runs" / "first"


def measured(capsys, *words):
    """The data that `evaluate` says it has measured on."""
    capsys.readouterr()
    main(["evaluate", *map(str, words), "--extractor=false", "--draws=1", "--output=x.json"])
    return json.loads(Path("x.json").read_text())["card"]


@pytest.mark.parametrize("place", [".", "checkpoints", "checkpoints/last.ckpt"])
def test_the_folder_of_a_run_stands_for_its_last_state(run, capsys, place):
    assert measured(capsys, run / place)["checkpoint"] == str(run / "checkpoints" / "last.ckpt")
    main(["sample", str(run / place), "--n=2", "--out=x.npy"])
    assert len(np.load("x.npy")) == 2
    assert AutoencoderModule.load_from_checkpoint(run / place).images_seen == 8
    assert DataModule.load_from_checkpoint(run / place).folder == "images"


def test_without_a_last_state_it_is_the_one_that_was_written_last(run):
    (run / "checkpoints" / "last.ckpt").rename(run / "checkpoints" / "images-000000008.ckpt")
    (run / "checkpoints" / "best.ckpt").touch()
    os.utime(run / "checkpoints" / "best.ckpt", (0, 0))
    assert checkpoints.located(run) == run / "checkpoints" / "images-000000008.ckpt"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("runs", "give one of the runs in it, such as runs/first"), (".", "give a .ckpt file or the folder of a run")],
)
def test_a_folder_of_something_else_is_answered_with_what_to_give(run, capsys, place, sentence):
    for words in (["evaluate", place], ["sample", place], ["fit", "--ckpt_path", place]):
        with pytest.raises(SystemExit):
            main(words)
        assert f"holds no checkpoint: {sentence}" in capsys.readouterr().err


def test_data_of_a_relative_folder_are_found_from_elsewhere(run, capsys, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    images = str(tmp_path / "project" / "images")
    assert measured(capsys, run)["data"]["init_args"]["folder"] == images
    assert f"ImageFolder of folder {images!r}" in capsys.readouterr().err
    assert DataModule.load_from_checkpoint(run).folder == images
    main(["sample", str(run), "--n=2", "--out=x.npy", "--sampler=gmm"])
    assert "it is stored in" in capsys.readouterr().out
    main(["fit", "--ckpt_path", str(run), "--max_images=16", "--trainer.accelerator=cpu"])
    assert DataModule.load_from_checkpoint(run).folder == images
    main(["validate", "--ckpt_path", str(run), "--trainer.accelerator=cpu"])


def test_data_beside_the_command_come_first(run, tmp_path, monkeypatch):
    checkpoint = run / "checkpoints" / "last.ckpt"
    (tmp_path / "elsewhere" / "images").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert found({"folder": "images", "size": 8}, checkpoint) == {"folder": "images", "size": 8}
    assert found({"folder": "others"}, checkpoint) == {"folder": str(tmp_path / "project" / "others")}
    nested = {"singles": [{"class_path": "x.Y", "init_args": {"data_dir": "others", "split": "others"}}]}
    expected = {"data_dir": str(tmp_path / "project" / "others"), "split": "others"}
    assert found(nested, checkpoint)["singles"][0]["init_args"] == expected
    for elsewhere in ("nowhere", "/nowhere", "~/others", ""):
        assert found({"folder": elsewhere}, checkpoint) == {"folder": elsewhere}


def test_data_that_are_not_found_are_named_by_one_option(run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project" / "images").rename(tmp_path / "moved")
    with pytest.raises(SystemExit):
        main(["evaluate", str(run)])
    assert "there is no folder images: set --data.folder to the folder" in capsys.readouterr().err
    card = measured(capsys, run, "--data.folder", "moved")
    assert card["data"]["init_args"]["folder"] == "moved"
    assert card["data"]["init_args"]["batch_size"] == 8, "its other arguments are those of the training"


def test_a_sampler_can_be_fitted_to_data_that_were_moved(run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project" / "images").rename(tmp_path / "moved")
    words = ["sample", str(run), "--n=2", "--out=x.npy"]
    with pytest.raises(SystemExit):
        main([*words, "--sampler=gmm"])
    assert "there is no folder images: set --data.folder to the folder" in capsys.readouterr().err
    main([*words, "--sampler=gmm", "--data.folder=moved"])
    assert "names other data: the sampler is not stored there" in capsys.readouterr().out
    for unused in ([], ["--sampler=prior"]):
        with pytest.raises(SystemExit):
            main([*words, *unused, "--data.folder=moved"])
        assert "add --sampler with gmm or flow or rectified_flow, or leave --data out" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--data.folder", "others"], ["--data.folder=others", "--data.val_fraction=0.3"]])
def test_options_of_data_alone_change_those_of_the_checkpoint(run, capsys, words):
    for argv in ([run, *words], [*words, run]):
        data = measured(capsys, *argv)["data"]
        assert data["class_path"] == "lightning_gen.data.ImageFolder"
        assert (data["init_args"]["folder"], data["init_args"]["channels"]) == ("others", 1)
        assert data["init_args"]["val_fraction"] == (0.3 if len(words) == 2 and "=" in words[0] else 0.1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data.foldr", "x"], "ImageFolder has no argument 'foldr'; did you mean 'folder'?"),
        (["--data.size", "many"], "--data.size: expected int"),
        (["--data", "Digits", "--data.folder", "x"], "Digits has no argument 'folder'"),
    ],
)
def test_mistakes_in_options_of_data_are_named(run, capsys, words, sentence):
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), *words])
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_options_of_data_need_a_class_where_the_checkpoint_names_none(autoencoder, checkpoint, capsys):
    path = checkpoint(autoencoder(), torch.utils.data.DataLoader(torch.rand(64, 1, 8, 8), 32))
    with pytest.raises(SystemExit):
        main(["evaluate", path, "--data.size", "8"])
    assert "does not say what data it was trained on: name their class too, --data CLASS" in capsys.readouterr().err
