"""The command ``export``: the files that it writes, and its checks."""

import json
from pathlib import Path

import pytest
import torch

from lightning_gen import GANModule
from lightning_gen.applications import load
from lightning_gen.applications.programs import run_onnx, run_program
from lightning_gen.cli import main
from lightning_gen.commands.export import export
from lightning_gen.data import Digits
from lightning_gen.errors import InputError


@pytest.fixture
def run(gan, autoencoder, trainer, tmp_path, monkeypatch):
    """The folders of runs of a batch."""
    monkeypatch.chdir(tmp_path)

    def make(kind):
        module = gan() if kind == "gan" else autoencoder(variational=True)
        once = trainer(max_steps=1, limit_val_batches=0)
        once.fit(module, Digits(size=8))
        once.save_checkpoint(tmp_path / kind / "checkpoints" / "last.ckpt")
        return kind

    return make


def test_a_folder_draws_the_samples_of_the_checkpoint(run, capsys):
    main(["export", run("gan"), "--out", "given"])
    assert sorted(file.name for file in Path("given").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    stored, found = GANModule.load_from_checkpoint("gan"), load("given")
    assert torch.equal(*(each.sample(4, generator=torch.Generator().manual_seed(0)) for each in (stored, found)))
    assert "was not evaluated" in Path("given/README.md").read_text()
    assert "without figures" in capsys.readouterr().out


def test_the_evaluation_of_the_checkpoint_is_in_the_readme(run):
    kind = run("gan")
    for name, checkpoint, value in (("own", "gan/checkpoints/last.ckpt", 0.125), ("other", "gan/best.ckpt", 0.75)):
        report = {"figures": {"precision": value}, "card": {"checkpoint": checkpoint}}
        Path(f"gan/{name}.json").write_text(json.dumps(report, indent=2))
    export(kind, "given")
    text = Path("given/README.md").read_text()
    assert "| precision | 0.125 |" in text
    assert "0.75" not in text
    export(kind, "given", card="gan/other.json", overwrite=True)
    assert "| precision | 0.75 |" in Path("given/README.md").read_text()


def test_a_program_is_compared_on_the_test_split(run, capsys):
    export(run("autoencoder"), "encoder.pt2", part="encoder")
    said = capsys.readouterr().out
    assert "code float32 (batch, " in said
    assert "on 64 samples of the test split" in said
    assert run_program(Path("encoder.pt2").read_bytes())((torch.zeros(3, 1, 8, 8),))[0].shape[0] == 3


@pytest.mark.slow
def test_an_onnx_model_is_one_file(run, capsys):
    export(run("gan"), "new/g.onnx")
    assert [file.name for file in Path("new").iterdir()] == ["g.onnx"]
    assert "on 64 latents of the prior" in capsys.readouterr().out
    stored = GANModule.load_from_checkpoint("gan").eval()
    latents = stored.latents(5)
    with torch.no_grad():
        expected = stored(latents)
    found = run_onnx(Path("new/g.onnx").read_bytes())((latents,))[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_program_that_differs_is_not_written_and_an_older_one_stays(run, monkeypatch):
    kind = run("gan")
    export(kind, "g.pt2")
    before = Path("g.pt2").read_bytes()
    module = "lightning_gen.applications.programs.TOLERANCE"
    monkeypatch.setattr(module, -1.0)
    with pytest.raises(InputError, match=r"g.pt2 would give other samples than the model \(.* of the range at batch"):
        export(kind, "g.pt2", overwrite=True)
    assert Path("g.pt2").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"out": "x.pt2"}, "choose it with --part encoder or --part decoder"),
        ({"out": "x.pt2", "part": "encodr"}, "no part 'encodr'.*encoder"),
        ({"out": "x.pt2", "card": "a.json"}, "--card is the README of a folder"),
        ({"out": "x.safetensors", "card": "a.json"}, "--card is the README of a folder"),
        ({"out": "x", "part": "encoder"}, "--part is for .onnx and .pt2 files"),
        ({"out": "x.pt"}, "give a folder, or a name that ends in .safetensors, .onnx, .pt2"),
        ({"out": "full"}, "full holds files"),
        ({"out": "full/own.pt2", "part": "encoder", "overwrite": True}, "is no program of torch.export"),
        ({"out": "x", "card": "missing.json"}, "missing.json cannot be read"),
    ],
)
def test_bad_options_get_a_sentence_and_write_nothing(run, options, sentence):
    kind = run("autoencoder")
    Path("full").mkdir()
    Path("full/own.pt2").write_text("mine")
    before = sorted(map(str, Path().rglob("*")))
    with pytest.raises(InputError, match=sentence):
        export(kind, **options)
    assert sorted(map(str, Path().rglob("*"))) == before
