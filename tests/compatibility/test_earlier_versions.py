"""What earlier versions have written loads, gives and goes on to the same bits."""

import importlib
import json
from pathlib import Path

import earlier_versions
import pytest
import torch
import yaml
from same_run import assert_same
from small_recipes import DIFFERENT, tiny

from lightning_gen import GenerativeModule, upgrades
from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main
from lightning_gen.data import DataModule
from lightning_gen.reflection import class_path
from lightning_gen.upgrades import upgraded

VERSIONS = sorted(path for path in Path(__file__).parent.iterdir() if (path / "recipes.json").is_file())
DESCRIBED = [
    pytest.param(content, id=f"{version.name}-{name}")
    for version in VERSIONS
    for name, content in json.loads((version / "recipes.json").read_text()).items()
]
READ = [
    case if case.id.partition("-")[2] in DIFFERENT else pytest.param(*case.values, id=case.id, marks=pytest.mark.slow)
    for case in DESCRIBED
]
STATES = [
    pytest.param(version, name, id=f"{version.name}-{name}") for version in VERSIONS for name in earlier_versions.RUNS
]
ROUNDING = {"rtol": 0, "atol": 2e-3}
"""What the last bits of another machine or torch make; another draw of a random number makes 1."""
SIGNS = {"rtol": 0, "atol": 2e-2}
"""What Adam makes in seven steps of a gradient that is 0 but for rounding, as that of a bias before a norm."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tolerance(after):
    return {"rtol": 0, "atol": 0} if after["machine"] == earlier_versions.machine() else ROUNDING


def rebuilt(kind, described):
    described = upgraded(described)
    return checkpoints.rebuild(checkpoints.described_class(kind, described, "a checkpoint"), described, "a checkpoint")


def by_names(described):
    """A description with the names of classes alone: where a class lives may change."""
    if isinstance(described, dict):
        return {
            key: value.rsplit(".")[-1] if key in ("class_path", "_class_path") else by_names(value)
            for key, value in described.items()
        }
    return [by_names(item) for item in described] if isinstance(described, (list, tuple)) else described


def known(described, before):
    """A description without the arguments that parts had not before, all of which have defaults."""
    if isinstance(described, dict) and isinstance(before, dict):
        return {key: known(value, before[key]) for key, value in described.items() if key in before}
    if isinstance(described, list) and isinstance(before, list):
        return [known(*each) for each in zip(described, before, strict=True)]
    return described


@pytest.mark.parametrize("content", DESCRIBED)
def test_a_recipe_is_rebuilt_from_its_description(content):
    module, data = rebuilt(GenerativeModule, content["model"]), rebuilt(DataModule, content["data"])
    assert {key: list(value.shape) for key, value in module.state_dict().items()} == content["tensors"]
    for part, name in ((module, "model"), (data, "data")):
        written, before = by_names(dict(part.hparams)), by_names(upgraded(content[name]))
        assert known(written, before) == before
        for path in paths(dict(part.hparams)):
            package, _, called = path.rpartition(".")
            assert called in getattr(importlib.import_module(package), "__all__", [called]), "what users import"
            assert path.count(".") <= 2


def paths(described):
    """The classes that a description names."""
    if isinstance(described, dict):
        own = [described[key] for key in ("class_path", "_class_path") if key in described]
        return own + [path for value in described.values() for path in paths(value)]
    return [path for item in described for path in paths(item)] if isinstance(described, (list, tuple)) else []


PUBLIC = [
    pytest.param(package, names, id=f"{version.name}-{package}")
    for version in VERSIONS
    for package, names in json.loads((version / "names.json").read_text()).items()
]


@pytest.mark.parametrize(("package", "names"), PUBLIC)
def test_public_names_and_their_arguments_stay(package, names):
    found = importlib.import_module(package)
    for name, taken in names.items():
        now = earlier_versions.arguments(getattr(found, name))
        hands_on = now is not None and {"args", "kwargs"} <= set(now)
        former = upgrades.ARGUMENTS.get(path_of(getattr(found, name)), {})
        assert taken is None or hands_on or {former.get(each, each) for each in taken} <= set(now), f"{package}.{name}"


def path_of(thing):
    return class_path(thing) if isinstance(thing, type) else None


@pytest.mark.parametrize("content", READ)
def test_a_configuration_is_read(content, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(content["config"])
    with pytest.raises(SystemExit) as end:
        main(["fit", f"--config={tmp_path / 'config.yaml'}", "--print_config"])
    assert end.value.code == 0
    read, before = yaml.safe_load(capsys.readouterr().out), upgraded(yaml.safe_load(content["config"]))
    for name in ("model", "data"):
        written, given = by_names(read[name]), by_names(before[name])
        assert known(written["init_args"], given["init_args"]) == given["init_args"]


@pytest.mark.slow
@pytest.mark.parametrize("content", DESCRIBED)
def test_a_configuration_runs(content, tmp_path):
    (tmp_path / "config.yaml").write_text(content["config"])
    main(["fit", f"--config={tmp_path / 'config.yaml'}", "--trainer.fast_dev_run=1", f"--runs_dir={tmp_path}"])


@pytest.mark.parametrize(("version", "name"), STATES)
def test_a_checkpoint_gives_what_it_gave(version, name):
    after = torch.load(version / f"{name}.after.pt", weights_only=True)
    found = earlier_versions.outputs(version / f"{name}.ckpt")
    torch.testing.assert_close(found, after["outputs"], **tolerance(after))


@pytest.mark.parametrize(("version", "name"), STATES)
def test_a_checkpoint_goes_on_as_it_went_on(version, name, tmp_path):
    after = torch.load(version / f"{name}.after.pt", weights_only=True)
    path = earlier_versions.train(name, tmp_path, earlier_versions.ENDED, version / f"{name}.ckpt")
    weights = checkpoints.read(path)["state_dict"]
    if tolerance(after) == ROUNDING:
        torch.testing.assert_close(weights, after["weights"], **SIGNS)
        apart = torch.cat(
            [(value.double() - after["weights"][name].double()).abs().flatten() for name, value in weights.items()]
        )
        assert (apart > ROUNDING["atol"]).double().mean() < 0.01
    else:
        torch.testing.assert_close(weights, after["weights"], **tolerance(after))


def test_the_command_that_began_a_run_resumes_it_with_the_algorithm_of_then(tmp_path, capsys):
    """Today's gan/dcgan trains both networks on the same samples; that of version 0.1 drew new ones."""
    words = ["fit", *tiny("gan/dcgan"), f"--runs_dir={tmp_path}"]
    described = json.loads((Path(__file__).parent / "v0_1" / "recipes.json").read_text())["gan/dcgan"]

    def trained(name, images, *options):
        main([*words, f"--name={name}", f"--max_images={images}", *options])
        return tmp_path / name / "checkpoints" / "last.ckpt"

    def shares(path):
        return checkpoints.read(path)["hyper_parameters"]["shared_samples"]

    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.yaml").write_text(described["config"])
    for images in (16, 32):  # from its configuration alone, and from a state
        resumed = trained("old", images, "--ckpt_path=last")
        assert not shares(resumed)
    assert "shared_samples" not in capsys.readouterr().err
    assert_same(trained("whole", 32, "--model.shared_samples=false"), resumed)
    assert shares(trained("new", 8))
    assert shares(trained("old", 48, "--ckpt_path=last", "--model.shared_samples=true"))
