"""Names that earlier versions wrote are read, wherever the files are now."""

import importlib
import inspect

import pytest
import torch

from lightning_gen import (
    AdversarialAutoencoderModule,
    AutoencoderModule,
    GenerativeModule,
    InputError,
    pictures,
    upgrades,
)
from lightning_gen.cli import recipes
from lightning_gen.media import preview
from lightning_gen.metrics import Measurement, ModeCoverage, Report
from lightning_gen.reflection import class_path
from lightning_gen.regularizers import DRAGAN, R1
from lightning_gen.upgrades import upgraded, upgraded_checkpoint, upgraded_name, upgraded_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lightning_gen.networks.dcgan.DCGANGenerator", "lightning_gen.networks.DCGANGenerator"),
        ("lightning_gen.networks.a_file_that_was.DCGANGenerator", "lightning_gen.networks.DCGANGenerator"),
        ("lightning_gen.modules.a_room.that_was.GANModule", "lightning_gen.GANModule"),
        ("lightning_gen.networks.DCGANGenerator", "lightning_gen.networks.DCGANGenerator"),
        ("lightning_gen.networks.Gone", "lightning_gen.networks.Gone"),
        ("lightning_gen.networks.dcgan.nn", "lightning_gen.networks.dcgan.nn"),
        ("hostile.networks.DCGANGenerator", "hostile.networks.DCGANGenerator"),
        ("torch.optim.adam.Adam", "torch.optim.adam.Adam"),
        ("GANModule", "GANModule"),
        (["list"], ["list"]),
        (None, None),
    ],
)
def test_a_class_is_called_as_users_import_it(path, expected):
    assert upgraded_path(path) == expected


def test_descriptions_within_descriptions_are_upgraded_and_texts_are_not():
    old = "lightning_gen.regularizers.gradient.R1"
    described = {"terms": [{"class_path": old, "init_args": {"name": old, "weight": 1.0}}], "_class_path": old}
    new = "lightning_gen.regularizers.R1"
    assert upgraded(described) == {
        "terms": [{"class_path": new, "init_args": {"name": old, "weight": 1.0}}],
        "_class_path": new,
    }


def test_the_rest_of_a_checkpoint_is_the_same_objects():
    weights, state = {"x": torch.ones(2)}, [{"lr": 1.0}]
    stored = {"hyper_parameters": {}, "state_dict": weights, "optimizer_states": state, "lightning_gen": {"rounds": 3}}
    found = upgraded_checkpoint(stored)
    assert found == stored
    assert found["state_dict"] is weights
    assert found["optimizer_states"] is state


def test_the_samplers_of_an_earlier_version_are_found():
    old, new = (
        "lightning_gen.samplers.mixture.GaussianMixtureSampler",
        "lightning_gen.samplers.GaussianMixtureSampler",
    )
    kept = {"sampler": {"class_path": old, "init_args": {}}, "state": {}}
    found = upgraded_checkpoint({"lightning_gen": {"samplers": {old: kept}}})["lightning_gen"]["samplers"]
    assert found == {new: {"sampler": {"class_path": new, "init_args": {}}, "state": {}}}


def test_classes_that_are_in_no_package_are_called_by_their_modules():
    class Local:
        pass

    assert class_path(Local) == f"{__name__}.{Local.__qualname__}"
    assert class_path(torch.optim.Adam) == "torch.optim.Adam"
    assert class_path(torch.nn.Linear) == "torch.nn.Linear"


def test_a_name_of_an_earlier_version_is_found_under_its_name_of_today(monkeypatch):
    monkeypatch.setitem(upgrades.RENAMED, "lightning_gen.regularizers.Older", "lightning_gen.regularizers.R1")
    assert upgraded_path("lightning_gen.regularizers.a_file.Older") == "lightning_gen.regularizers.R1"
    find = upgrades.aliases("lightning_gen.regularizers")
    with pytest.warns(DeprecationWarning, match=r"lightning_gen\.regularizers\.R1"):
        assert find("Older") is R1
    with pytest.raises(AttributeError, match="never"):
        find("never")


@pytest.mark.parametrize("today", upgrades.RENAMED.values())
def test_what_names_are_now_there_is(today):
    module, _, name = today.rpartition(".")
    assert class_path(getattr(importlib.import_module(module), name)) == today


def test_the_picture_of_an_earlier_version_is_a_preview():
    with pytest.warns(DeprecationWarning, match=r"lightning_gen\.media\.preview"):
        assert pictures.picture is preview


def test_results_have_their_measurements_under_the_earlier_name_too():
    report = Report((Measurement("mse", 0.5, "error"),))
    with pytest.warns(DeprecationWarning, match="Report.figures is measurements now"):
        assert report.figures == report.measurements
    found = ModeCoverage((1, 1), (1, 1), 2)
    with pytest.warns(DeprecationWarning, match="ModeCoverage.figures is measurements now"):
        assert found.figures() == found.measurements()


OLD = {
    "contrast": {"class_path": "GenerationContrast", "init_args": {"spare_encoder": False}},
    "judgement_terms": {"draws": {"class_path": "FeatureReconstruction"}},
    "observation": None,
    "draws": 2,
}
NEW = {
    "matching": {"class_path": "GenerationMatching", "init_args": {"stop_encoder_gradient": False}},
    "adversarial_terms": {"draws": {"class_path": "FeatureReconstruction"}},
    "input_transform": None,
    "codes_per_sample": 2,
}
AAE = "lightning_gen.AdversarialAutoencoderModule"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"_class_path": AAE, **OLD}, {"_class_path": AAE, **NEW}),
        ({"class_path": AAE, "init_args": OLD}, {"class_path": AAE, "init_args": NEW}),
        (
            {"model": {"class_path": "AdversarialAutoencoderModule", "init_args": OLD}},
            {"model": {"class_path": "AdversarialAutoencoderModule", "init_args": NEW}},
        ),
        (
            {"class_path": AAE, "init_args": {"contrast": "PriorContrast"}},
            {"class_path": AAE, "init_args": {"matching": "PriorMatching"}},
        ),
        (
            {"class_path": "lightning_gen.adversaries.contrast.PriorContrast"},
            {"class_path": "lightning_gen.adversaries.PriorMatching"},
        ),
        ({"class_path": "lightning_gen.GANModule", "init_args": OLD | {"contrast": 1}},) * 2,
        ({"class_path": "Unknown", "init_args": {"draws": 2}},) * 2,
        ({"init_args": {"draws": 2}},) * 2,
    ],
)
def test_arguments_are_called_as_they_are_today(old, new):
    assert upgraded(old) == new
    assert upgraded(new) == new


@pytest.mark.parametrize("kind", [AdversarialAutoencoderModule, GenerativeModule])
def test_a_description_without_a_class_is_one_of_the_class_that_is_expected(kind):
    assert upgraded({"init_args": OLD}, kind) == {"init_args": NEW}
    partial = {"init_args": {"contrast": {"init_args": {"spare_encoder": True}}}}
    assert upgraded(partial, kind) == {"init_args": {"matching": {"init_args": {"stop_encoder_gradient": True}}}}


def test_an_argument_under_both_names_is_refused():
    with pytest.raises(InputError, match="give codes_per_sample alone"):
        upgraded({"_class_path": AAE, "draws": 1, "codes_per_sample": 2})


class OwnDRAGAN(DRAGAN):
    pass


class OwnAutoencoder(AutoencoderModule):
    def __init__(self, *args, draws=1, **options):
        super().__init__(*args, codes_per_sample=draws, **options)


def test_what_a_class_of_ones_own_takes_is_left_to_it():
    assert upgraded({"init_args": {"draws": 2, "observation": None}}, OwnAutoencoder) == {
        "init_args": {"draws": 2, "input_transform": None}
    }
    assert upgraded_name("model.draws", OwnAutoencoder)[0] == "model.draws"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model", "model"),
        ("model.draws", "model.codes_per_sample"),
        ("model.init_args.draws", "model.init_args.codes_per_sample"),
        ("model.contrast.class_path", "model.matching.class_path"),
        ("model.contrast.init_args.spare_encoder", "model.matching.init_args.stop_encoder_gradient"),
        ("model.judgement_terms.draws.weight", "model.adversarial_terms.draws.weight"),
        ("model.objective.draws.weight", "model.objective.draws.weight"),
    ],
)
def test_options_are_called_as_they_are_today(old, new):
    assert upgraded_name(old, AdversarialAutoencoderModule)[0] == new


WRITTEN = {"weight": 10.0, "spread": 0.5, "every": 1}


@pytest.mark.parametrize("path", ["DRAGAN", "lightning_gen.regularizers.gradient.DRAGAN", f"{__name__}.OwnDRAGAN"])
@pytest.mark.parametrize(
    ("given", "added"),
    [
        (WRITTEN, {"random_distance": False}),
        ({"weight": 5.0}, {}),
        (WRITTEN | {"random_distance": True}, {}),
    ],
    ids=["a run of 0.1", "a recipe", "a run of today"],
)
def test_what_a_run_began_without_an_argument_it_keeps(path, given, added):
    """Checkpoints and configurations name all arguments; one that is missing was not there when they were written."""
    for described in (
        {"class_path": path, "init_args": given},
        {"penalties": {"dragan": {"class_path": path, "init_args": given}}},
    ):
        found = upgraded(described)
        part = found.get("penalties", {}).get("dragan", found)
        assert part["init_args"] == given | added
        assert upgraded(found) == found


def test_every_argument_that_was_added_has_another_default_now():
    for path, values in upgrades.ADDED.items():
        module, _, name = path.rpartition(".")
        signature = inspect.signature(getattr(importlib.import_module(module), name))
        assert all(signature.parameters[each].default != value for each, value in values.items())


@pytest.mark.parametrize(("name", "former"), upgrades.RECIPES.items())
def test_a_recipe_gives_a_run_of_version_0_1_all_but_what_it_had_otherwise(name, former):
    path = recipes.find(name)
    content = recipes.load(path)
    today = content["model"]["init_args"]
    assert all(today[each] != value for each, value in former.items())
    left = recipes.for_run(path, content, former)["model"]["init_args"]
    assert left == {each: value for each, value in today.items() if each not in former}
    assert recipes.for_run(path, content, today) == recipes.for_run(path, content, {}) == content
    assert recipes.for_run(recipes.find("gan/lsgan"), content, former) == content


def test_the_state_of_a_part_is_found_under_its_name_of_today():
    weights = {"judgement_terms.f.scale": torch.ones(1), "encoder.observation.w": torch.ones(2)}
    stored = {"hyper_parameters": {"_class_path": AAE}, "state_dict": weights}
    found = upgraded_checkpoint(stored)["state_dict"]
    assert list(found) == ["adversarial_terms.f.scale", "encoder.observation.w"]
    assert found["adversarial_terms.f.scale"] is weights["judgement_terms.f.scale"]
