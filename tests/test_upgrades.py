"""Names that earlier versions wrote are read, wherever the files are now."""

import importlib

import pytest
import torch

from lightning_gen import pictures, upgrades
from lightning_gen.media import preview
from lightning_gen.metrics import Measurement, ModeCoverage, Report
from lightning_gen.reflection import class_path
from lightning_gen.regularizers import R1
from lightning_gen.upgrades import upgraded, upgraded_checkpoint, upgraded_path


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
