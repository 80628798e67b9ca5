"""The layers of a command: what the user says wins, what is left open is laid underneath."""

import json
from pathlib import Path

import pytest

from lightning_gen import InputError, recipes
from lightning_gen.command import Command

KNOWN = ["name", "runs_dir", "model", "data", "trainer", "max_images", "ckpt_path"]


def layers(command):
    words = command.complete()
    return [json.loads(w.split("=", 1)[1]) for w in words if w.startswith("--config={")], words


def test_the_default_recipe_lies_under_options_that_name_no_model():
    found, words = layers(Command(["fit", "--model.generator.width", "8", "--max_images", "5"], KNOWN))
    assert found[0] == recipes.load(recipes.find(recipes.DEFAULT))
    assert found[1] == {"name": "dcgan"}
    assert words[-4:] == ["--model.generator.width", "8", "--max_images", "5"]


@pytest.mark.parametrize("words", [["--config", "autoencoder/vae"], ["--model", "GANModule"], ["--model.class_path=X"]])
def test_it_does_not_where_the_user_names_a_model(words):
    found, _ = layers(Command(["fit", *words], KNOWN))
    assert all("model" not in layer for layer in found)


def test_a_part_alone_leaves_the_default_model():
    found, words = layers(Command(["fit", "-c", "data/ring"], KNOWN))
    assert found[0]["model"]["class_path"] == "GANModule"
    assert found[-1]["name"] == "ring"
    assert f"--config={recipes.find('data/ring')}" in words


def test_the_last_value_of_an_option_counts():
    command = Command(["fit", "--name", "a", "--name=b"], KNOWN)
    assert command.name == "b"


def test_last_is_the_checkpoint_in_the_runs_folder(tmp_path):
    command = Command(["fit", "--name=x", f"--runs_dir={tmp_path}", "--ckpt_path", "last"], KNOWN)
    assert command.checkpoint() is None
    assert "--ckpt_path=null" in command.complete()
    assert Command(["test", "--name=x", f"--runs_dir={tmp_path}", "--ckpt_path", "last"], KNOWN).checkpoint() == Path(
        tmp_path, "x", "checkpoints", "last.ckpt"
    )


def test_a_verb_that_measures_needs_a_checkpoint():
    with pytest.raises(InputError, match="test needs a trained model"):
        Command(["test"], KNOWN).complete()
    assert Command(["test", "--help"], KNOWN).complete()
