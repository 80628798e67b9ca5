"""The layers of a command: the user's settings override those of recipes and checkpoints."""

import json
from pathlib import Path

import pytest
import yaml

from lightning_gen import InputError
from lightning_gen.cli import recipes
from lightning_gen.cli.argv import CommandLine
from lightning_gen.cli.recipes import as_json

KNOWN = ["name", "runs_dir", "model", "data", "trainer", "max_images", "ckpt_path"]


def layers(command):
    words = command.complete()
    return [json.loads(w.split("=", 1)[1]) for w in words if w.startswith("--config={")], words


def test_the_default_recipe_lies_under_options_that_name_no_model():
    found, words = layers(CommandLine(["fit", "--model.generator.width", "8", "--max_images", "5"], KNOWN))
    assert found[0] == recipes.load(recipes.find(recipes.DEFAULT))
    assert found[1] == {"name": "projection"}
    assert words[-4:] == ["--model.generator.width", "8", "--max_images", "5"]


@pytest.mark.parametrize("words", [["--config", "autoencoder/vae"], ["--model", "GANModule"], ["--model.class_path=X"]])
def test_it_does_not_where_the_user_names_a_model(words):
    found, _ = layers(CommandLine(["fit", *words], KNOWN))
    assert all("model" not in layer for layer in found)


def test_a_part_alone_leaves_the_default_model():
    found, words = layers(CommandLine(["fit", "-c", "data/ring"], KNOWN))
    assert found[0]["model"]["class_path"] == "GANModule"
    assert found[-1]["name"] == "ring"
    assert f"--config={recipes.find('data/ring')}" in words


def test_the_last_value_of_an_option_counts():
    command = CommandLine(["fit", "--name", "a", "--name=b"], KNOWN)
    assert command.name == "b"


def test_last_is_the_checkpoint_in_the_runs_folder(tmp_path):
    words = ["--name=x", f"--runs_dir={tmp_path}", "--ckpt_path", "last"]
    last = tmp_path / "x" / "checkpoints" / "last.ckpt"
    assert CommandLine(["test", *words], KNOWN).checkpoint() == last
    last.parent.mkdir(parents=True)
    last.touch()
    assert CommandLine(["fit", *words], KNOWN).checkpoint() == last


@pytest.mark.parametrize("words", [["--name=x", "--config=autoencoder/vae"], []])
def test_a_run_that_the_command_describes_starts_where_there_is_no_last_yet(tmp_path, words):
    command = CommandLine(["fit", *words, f"--runs_dir={tmp_path}", "--ckpt_path", "last"], KNOWN)
    assert command.checkpoint() is None
    assert "--ckpt_path=null" in command.complete()


def test_a_name_alone_is_that_of_a_run_that_exists(tmp_path):
    for name in ("mine", "yours"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
    command = CommandLine(["fit", "--name=mien", f"--runs_dir={tmp_path}", "--ckpt_path", "last"], KNOWN)
    with pytest.raises(InputError, match=r"no run in .*mien to resume: the runs in .* are mine, yours; name a"):
        command.complete()


def test_a_run_without_its_last_state_goes_on_from_another_one_that_is_named(tmp_path):
    (tmp_path / "x" / "checkpoints").mkdir(parents=True)
    (tmp_path / "x" / "checkpoints" / "best.ckpt").touch()
    command = CommandLine(["fit", "--name=x", f"--runs_dir={tmp_path}", "--ckpt_path", "last"], KNOWN)
    with pytest.raises(InputError, match=r"last.ckpt does not exist: .* --ckpt_path .*best.ckpt"):
        command.complete()


def test_a_command_that_measures_needs_a_checkpoint():
    with pytest.raises(InputError, match="test needs a trained model"):
        CommandLine(["test"], KNOWN).complete()
    assert CommandLine(["test", "--help"], KNOWN).complete()


def test_options_and_recipes_of_an_earlier_version_are_read(tmp_path, capsys):
    old = tmp_path / "old.yaml"
    old.write_text("model:\n  init_args:\n    contrast:\n      init_args:\n        spare_encoder: false\n")
    own = ["--model.draws", "2", "--model.contrast=GenerationContrast", "--model.contrast.spare_encoder=true"]
    command = CommandLine(["fit", "--config=autoencoder/vae_gan", f"--config={old}", *own], KNOWN)
    found = command.complete()
    described = {"model": {"init_args": {"matching": {"init_args": {"stop_encoder_gradient": False}}}}}
    assert f"--config={json.dumps(described)}" in found
    assert found[-4:] == [
        "--model.codes_per_sample",
        "2",
        "--model.matching=GenerationMatching",
        "--model.matching.stop_encoder_gradient=true",
    ]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" now: ")[0] for line in lines] == [
        "--model.draws is --model.codes_per_sample",
        "--model.contrast is --model.matching",
        "--model.contrast.spare_encoder is --model.matching.stop_encoder_gradient",
    ]


def test_a_description_in_an_option_is_read_in_todays_names(capsys):
    old = "{class_path: AutoencoderModule, init_args: {draws: 3}}"
    found = CommandLine(["fit", "--model", old], KNOWN).complete()
    assert json.loads(found[-1]) == {"class_path": "AutoencoderModule", "init_args": {"codes_per_sample": 3}}
    assert (
        CommandLine(["fit", "--model", "{class_path: [", "--model.draws=1"], KNOWN).complete()[-2] == "{class_path: ["
    )


@pytest.mark.parametrize("name", ["2024", "2024-05-01", "0777", "yes", "1e3"])
def test_a_name_is_a_text_however_yaml_reads_it(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(f"name: {name}\n")
    command = CommandLine(["fit", "--config=gan/dcgan", "--config=mine.yaml", "--ckpt_path=last"], KNOWN)
    assert command.folder == Path("runs", name)
    (last,) = [word for word in command.complete() if "name" in word and word.startswith("--config={")][-1:]
    assert yaml.safe_load(last.split("=", 1)[1])["name"] == name


@pytest.mark.parametrize("text", ["", "# nothing\n", "name:\ntrainer:\nmodel:\n"])
def test_a_recipe_that_sets_nothing_changes_nothing(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    command = CommandLine(["fit", "--config=gan/dcgan", f"--config={tmp_path / 'mine.yaml'}"], KNOWN)
    assert command.complete()[-1] == "--config={}"


def test_a_name_may_have_any_character_of_unicode():
    assert yaml.safe_load(as_json({"name": "\U0001f600 \u00e9"})) == {"name": "\U0001f600 \u00e9"}
