"""Odd recipes: each mistake is one sentence that names the place, and what means something is taken."""

from pathlib import Path

import pytest
import yaml

from lightning_gen.cli import recipes
from lightning_gen.errors import InputError

UNREADABLE = "/proc/self/mem"


@pytest.fixture
def read(tmp_path):
    """Read a recipe with this text."""

    def reading(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return recipes.read(path)

    return reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3: 4\n", "has the key 3 in the recipe, which is no name: write settings as 'name: value'"),
        ("2024-05-01: 4\n", "has the key 2024-05-01 in the recipe"),
        ("null: 4\n", "in the recipe, which is no name"),
        ("name: [1]\n", "has name: [1], which is no text: write 'name: some_text'"),
        ("name: !!binary aGVsbG8=\n", "which is no text"),
        ('name: "\\ud800"\n', "has a text that, as name, is not written in Unicode"),
        ("ckpt_path: {a: 1}\n", "has ckpt_path: {'a': 1}, which is no text"),
        ("trainer: [1]\n", "has trainer: [1], which holds no settings: write each below it, as 'name: value'"),
        ("trainer: 2024-05-01\n", "has trainer: 2024-05-01, which holds no settings"),
        ("trainer: false\n", "has trainer: False, which holds no settings"),
        ("trainer: {3: 4}\n", "has the key 3 in trainer, which is no name"),
        ("model: 5\n", "has model: 5, which holds no settings"),
        ("data: []\n", "has data: [], which holds no settings"),
        ("model: {class_path: 5}\n", "has model.class_path: 5, which names no class: write its name"),
        ("model: {class_path: A, init_args: [1]}\n", "has model.init_args: [1], which holds no arguments: write each"),
        ("model: {class_path: A, init_args: {3: 4}}\n", "has the key 3 in model.init_args, which is no name"),
        (
            "data: {class_path: Digits, size: 8}\n",
            "has size beside the class_path of data: write the arguments of a class below init_args",
        ),
        (
            "model: {class_path: A, init_args: {generator: {class_path: B, width: 4}}}\n",
            "has width beside the class_path of model.init_args.generator",
        ),
        ("trainer: {callbacks: [{class_path: A, monitor: b}]}\n", "beside the class_path of trainer.callbacks.0"),
        ("trainer: " + "[" * 70 + "]" * 70, "is not a YAML file (nested too deeply)"),
        ("model: " + "{a: " * 70 + "1" + "}" * 70, "is not a YAML file (nested too deeply)"),
    ],
)
def test_a_setting_of_another_kind_is_refused(read, text, expected):
    with pytest.raises(InputError) as refused:
        read(text)
    assert expected in str(refused.value)
    assert "mine.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("name: null\n", {}),
        ("null\n", {}),
        ("name:\nruns_dir:\ntrainer:\nmodel:\ndata:\nmax_images: 5\n", {"max_images": 5}),
        ("log_every_images:\n", {"log_every_images": None}),
        ("name: 2024\n", {"name": "2024"}),
        ("name: 2024-05-01\n", {"name": "2024-05-01"}),
        ("name: 0777\n", {"name": "0777"}),
        ("name: 1.10\n", {"name": "1.10"}),
        ("name: yes\n", {"name": "yes"}),
        ("name: 'null'\n", {"name": "null"}),
        ("runs_dir: 5\nckpt_path: 1e3\n", {"runs_dir": "5", "ckpt_path": "1e3"}),
        ("model: GANModule\n", {"model": "GANModule"}),
        ("model: {class_path: A, init_args: }\n", {"model": {"class_path": "A"}}),
        ("trainer: {scheduling: {4: 2}}\n", {"trainer": {"scheduling": {4: 2}}}),
    ],
)
def test_what_means_something_is_taken(read, text, expected):
    assert read(text) == expected


@pytest.mark.skipif(not Path(UNREADABLE).exists(), reason="needs a file that nobody can read from its start")
def test_a_file_that_cannot_be_read_is_not_called_another_kind(tmp_path):
    (tmp_path / "mine.yaml").symlink_to(UNREADABLE)
    with pytest.raises(
        InputError, match=r"mine\.yaml cannot be read \(.*\): make it readable or give another --config$"
    ):
        recipes.read(tmp_path / "mine.yaml")


def test_a_recipe_of_the_package_is_read_as_it_is_written():
    for name in recipes.names():
        path = recipes.find(name)
        assert recipes.read(path) == yaml.safe_load(path.read_text())
