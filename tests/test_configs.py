"""Every file in configs/ is a test: smoke fit, save, reload by the path alone, equal output."""

import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import yaml
from host_reads import Reads
from PIL import Image
from same_run import assert_same
from small_recipes import DIFFERENT, PRESETS, RECIPES, file_of_text, small, tiny

from lightning_gen import GenerativeModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main, recipes
from lightning_gen.data import ArrayDataset, DataModule, PublishedData, Splits
from lightning_gen.media import Sound
from lightning_gen.modules import Autoencoder
from lightning_gen.networks import conditioning
from lightning_gen.networks.layers import set_memory_format
from lightning_gen.training.collectives import leave_group

EMBEDDED = [
    "data/digits",
    "data/stacked_digits",
    "data/sprites",
    "data/ring",
    "data/grid",
    "data/image_folder",
    "data/paired_folder",
    "data/unpaired_folder",
    "data/tensors",
    "data/fashion_mnist",
    "data/plucks",
    "data/audio_folder",
    "data/sines",
    "data/series_file",
    "data/solids",
    "data/volume_folder",
    "data/text_lines",
    "data/word_counts",
]
OTHERS = {
    "data/sines": "autoencoder/series_vae",
    "data/series_file": "autoencoder/series_vae",
    "data/solids": "gan/volumes",
    "data/volume_folder": "gan/volumes",
    "data/text_lines": "autoencoder/letters_vae",
    "data/word_counts": "autoencoder/words",
}
"""Recipes for data that are no pictures and no points."""
OF_PAIRS = [name for name in ("data/paired_folder", "data/unpaired_folder") if name in recipes.names()]
DOWNLOADED = [name for name in recipes.names() if name.startswith("data/") and name not in (*EMBEDDED, *OF_PAIRS)]


def each_recipe(names):
    """Run a test for each recipe, in the slow suite but for those that differ in kind."""
    marked = [name if name in DIFFERENT else pytest.param(name, marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", marked)


different_recipes = each_recipe(RECIPES)
recipes_of_other_parts = each_recipe([name for name in RECIPES if name not in PRESETS])


def last(folder):
    (path,) = folder.glob("*/checkpoints/last.ckpt")
    return path


def outputs(module):
    """What a user gets from a module: samples where it can draw, reconstructions where it can encode, translations."""
    module.eval()
    if module.translates:
        x = torch.rand(3, *module.source_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
        return [network(x) for network in module.translators.values() if network.shape == module.source_shape]
    x = torch.rand(3, *module.data_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = [module.sample(4, generator=torch.Generator().manual_seed(2))] if module.has_prior else []
    labels = None if module.num_classes is None else torch.arange(3)
    return found + ([module(x, labels)] if isinstance(module, Autoencoder) else [])


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in DIFFERENT])
def test_a_recipe_is_read(name, capsys):
    """All are trained in the slow suite; here those that differ in kind are, below."""
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", name, "--print_config"])
    assert end.value.code == 0
    parsed, written = yaml.safe_load(capsys.readouterr().out), recipes.load(recipes.find(name))
    assert parsed["model"]["class_path"].rpartition(".")[2] == written["model"]["class_path"].rpartition(".")[2]


@different_recipes
def test_a_recipe_trains_and_its_checkpoint_gives_the_same_outputs(name, tmp_path, monkeypatch):
    trained = {}
    original = GenerativeModule.on_fit_end
    monkeypatch.setattr(GenerativeModule, "on_fit_end", lambda self: trained.update(module=self) or original(self))
    main(["fit", "--config", name, "--config", "trainer/smoke", f"--runs_dir={tmp_path}", *small(name)])
    loaded = GenerativeModule.load_from_checkpoint(last(tmp_path))
    for module in (loaded, trained["module"]):  # convolutions of volumes round otherwise in another format
        set_memory_format(module, channels_last=False)
    expected = outputs(trained["module"])
    assert expected
    for ours, theirs in zip(outputs(loaded), expected, strict=True):
        assert torch.equal(ours, theirs)
    saved = yaml.safe_load((last(tmp_path).parent.parent / "config.yaml").read_text())
    assert saved["model"]["class_path"].endswith(type(loaded).__name__)


@different_recipes
def test_a_recipe_runs_from_its_saved_configuration(name, tmp_path):
    common = ["fit", f"--runs_dir={tmp_path}"]
    main([*common, "--name=first", "--config", name, "--config", "trainer/smoke", *small(name)])
    main([*common, "--name=again", "--config", str(tmp_path / "first/config.yaml")])
    assert_same(*(tmp_path / run / "checkpoints/last.ckpt" for run in ("first", "again")))


@different_recipes
def test_a_recipe_goes_on_to_the_bits_of_an_uninterrupted_run(name, tmp_path):
    fit = ["fit", *tiny(name), f"--runs_dir={tmp_path}"]
    main([*fit, "--name=whole", "--max_images=96"])
    main([*fit, "--name=parts", "--max_images=40"])
    main([*fit, "--name=parts", "--max_images=96", "--ckpt_path=last"])
    assert_same(*(tmp_path / run / "checkpoints/last.ckpt" for run in ("parts", "whole")))


@recipes_of_other_parts
def test_the_host_waits_for_nothing_between_log_points(name, tmp_path, monkeypatch):
    # torch's own looks at the classes, but on a CPU alone
    monkeypatch.setattr(conditioning, "one_hot", lambda labels, count: labels[:, None] == torch.arange(count))
    reads = Reads()
    original = GenerativeModule.configure_callbacks
    monkeypatch.setattr(GenerativeModule, "configure_callbacks", lambda self: [*original(self), reads])
    main(["fit", *tiny(name), f"--runs_dir={tmp_path}", "--max_images=96"])
    assert reads.counts[2:] == [0] * 10  # the first batch is looked at, and a turn that is played seldom comes first


def folder_of_pictures(path):
    for index in range(24):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        (path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path / "pictures" / f"{index}.png")
    return [f"--data.folder={path / 'pictures'}", f"--data.cache_dir={path / 'cache'}", "--data.size=16"]


def folder_of_pairs(path):
    options = folder_of_pictures(path)
    for name in ("A", "B"):
        (path / "both" / name).mkdir(parents=True)
        for picture in (path / "pictures").iterdir():
            (path / "both" / name / picture.name).write_bytes(picture.read_bytes())
    return [f"--data.folder={path / 'both'}", *options[1:], "--data.load_size=18"]


def table(path):
    rows = np.random.default_rng(0).normal(size=(800, 2))
    np.savetxt(path / "a.csv", rows, delimiter=",", header="heat,flow", comments="")
    return [f"--data.path={path / 'a.csv'}", "--data.window=16"]


def folder_of_volumes(path):
    for index in range(10):
        np.save(path / f"{index}.npy", np.random.default_rng(index).integers(0, 256, (12, 12, 12), dtype=np.uint8))
    return [f"--data.folder={path}", "--data.size=8"]


def array(path):
    np.save(path / "points.npy", np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32))
    return [f"--data.path={path / 'points.npy'}"]


def folder_of_sounds(path):
    pytest.importorskip("soundfile")
    pytest.importorskip("soxr")
    medium = Sound(8000)
    medium.write(torch.randn(12, 1, 300, generator=torch.Generator().manual_seed(0)) / 4, path / "sounds")
    return [f"--data.folder={path / 'sounds'}", f"--data.cache_dir={path / 'cache'}", "--data.length=128"]


NEEDED = {
    "data/image_folder": folder_of_pictures,
    "data/tensors": array,
    "data/paired_folder": folder_of_pairs,
    "data/unpaired_folder": folder_of_pairs,
    "data/series_file": table,
    "data/volume_folder": folder_of_volumes,
    "data/audio_folder": folder_of_sounds,
    "data/text_lines": lambda path: [f"--data.path={file_of_text()}", "--data.length=32"],
    "data/word_counts": lambda path: [f"--data.path={file_of_text()}", "--data.vocabulary=8"],
    "data/sines": lambda path: ["--data.count=200"],
    "data/solids": lambda path: ["--data.count=200"],
    "data/plucks": lambda path: ["--data.length=256", "--data.decays=2", "--data.brightnesses=2", "--data.plucks=1"],
}
"""Options of data, and the files that they need."""


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_data_set_can_be_laid_over_a_recipe(name, tmp_path):
    options = NEEDED.get(name, lambda path: [])(tmp_path)
    if name == "data/fashion_mnist" and not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    images = name not in ("data/ring", "data/grid", "data/tensors")
    recipe = OTHERS.get(name, "gan/dcgan" if images else "gan/dense")
    networks = [option for option in small(recipe) if not option.startswith("--data.")]
    main(
        [
            *["fit", "--config", recipe, "--config", name, "--config", "trainer/smoke"],
            *[f"--runs_dir={tmp_path / 'runs'}", "--data.batch_size=8", *networks, *options],
        ]
    )
    module = GenerativeModule.load_from_checkpoint(last(tmp_path / "runs"))
    stored = checkpoints.read(last(tmp_path / "runs"))["datamodule_hyper_parameters"]
    data = checkpoints.rebuild(DataModule, stored, "last.ckpt")
    assert tuple(data.shape) == module.data_shape
    assert not module.has_prior or tuple(module.sample(2).shape[1:]) == module.data_shape


@pytest.mark.parametrize("name", ["trainer/gpu", "trainer/ddp"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_part_for_gpus_says_in_a_sentence_that_there_is_none(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", "gan/dcgan", "--config", name, f"--runs_dir={tmp_path}"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["trainer/gpu", "trainer/ddp"])
def test_a_part_for_gpus_trains_a_recipe_on_one_cpu(name, tmp_path, monkeypatch):
    trained = {}
    monkeypatch.setattr(GenerativeModule, "on_fit_end", lambda self: trained.update(module=self))
    cpu = ["--trainer.accelerator=cpu", "--trainer.devices=1"]
    recipe = ["--config", "gan/dcgan", "--config", "trainer/smoke", "--config", name, "--data.batch_size=8"]
    try:
        with mock.patch.dict(os.environ):  # ddp writes its address there
            main(["fit", *recipe, *cpu, f"--runs_dir={tmp_path}", *small("gan/dcgan")])
    finally:
        leave_group()
    loaded = GenerativeModule.load_from_checkpoint(last(tmp_path))
    for ours, theirs in zip(outputs(loaded), outputs(trained["module"]), strict=True):
        assert torch.equal(ours, theirs)
    saved = yaml.safe_load((last(tmp_path).parent.parent / "config.yaml").read_text())["trainer"]
    assert saved["precision"] == "bf16-mixed"
    assert saved["strategy"] == ("ddp" if name == "trainer/ddp" else "auto")


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("data/mnist", "data/celeba") else pytest.param(name, marks=pytest.mark.slow)
        for name in DOWNLOADED
    ],
)
def test_a_data_set_that_is_downloaded_trains_a_recipe(name, tmp_path, monkeypatch):
    def noise(self):
        pixels = torch.randint(0, 256, (16, *self.shape), dtype=torch.uint8)
        return Splits(*[ArrayDataset(pixels, torch.zeros(16, dtype=torch.int64))] * 3)

    # there is no network in tests: pixels of the data set's shape stand in for its files
    monkeypatch.setattr(PublishedData, "prepare_data", lambda self: None)
    for kind in {kind for kind in all_kinds(PublishedData) if "splits" in vars(kind)}:
        monkeypatch.setattr(kind, "splits", noise)
    trained = {}
    monkeypatch.setattr(GenerativeModule, "on_fit_end", lambda self: trained.update(module=self))
    recipe = ["--config", "autoencoder/vae", "--config", name, "--config", "trainer/smoke", "--data.batch_size=8"]
    main(["fit", *recipe, f"--runs_dir={tmp_path}", *small("autoencoder/vae")])
    stored = checkpoints.read(last(tmp_path))["datamodule_hyper_parameters"]
    data = checkpoints.rebuild(DataModule, stored, "last.ckpt")
    assert type(data).__name__ == recipes.load(recipes.find(name))["data"]["class_path"]
    loaded = GenerativeModule.load_from_checkpoint(last(tmp_path))
    assert loaded.data_shape == tuple(data.shape)
    for ours, theirs in zip(outputs(loaded), outputs(trained["module"]), strict=True):
        assert torch.equal(ours, theirs)


def all_kinds(base):
    """A class and all below it."""
    return {base}.union(*(all_kinds(kind) for kind in base.__subclasses__()))
