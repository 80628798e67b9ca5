"""The command ``evaluate``: its report, the sampler that it uses, and its messages."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen import InputError
from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main
from lightning_gen.commands import output
from lightning_gen.commands.evaluate import evaluate
from lightning_gen.data import Digits, ImageFolder, Ring, Tensors
from lightning_gen.metrics import Measurement, Report
from lightning_gen.networks import DenseDiscriminator, DenseGenerator


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
    assert json.loads(target.read_text())["card"]["omitted"].keys() >= {"figures of gmm samples"}
    assert "sliced_wasserstein" not in json.loads(target.read_text())["figures"]


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
        (["--output", "figures.txt"], "give a name that ends in .json, such as evaluation.json"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_with_its_remedy(autoencoder, checkpoint, words, remedy, capsys):
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
