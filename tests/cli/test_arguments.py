"""The arguments of a command: the classes that it chooses for its parts, and what each of them takes."""

import pytest
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer

from lightning_gen import GANModule
from lightning_gen.cli import recipes
from lightning_gen.cli.arguments import Arguments, bases, choices
from lightning_gen.data import DataModule, Digits, ImageFolder
from lightning_gen.networks import DCGANGenerator, Generator, ResNetGenerator
from lightning_gen.objectives import AdversarialObjective
from lightning_gen.reflection import hint_of
from lightning_gen.regularizers import R1, KLDivergence
from lightning_gen.training import EMA, GenerativeModule


def of(*names, options=()):
    """The arguments of a command with recipes and options."""
    return Arguments([recipes.load(recipes.find(name)) for name in names], options)


@pytest.mark.parametrize(
    ("base", "among", "not_among"),
    [
        (AdversarialObjective, {"Hinge", "NonSaturating"}, {"AdversarialObjective", "CrossEntropyObjective"}),
        (DataModule, {"Digits", "Ring"}, {"DataModule", "PublishedData"}),
        (GenerativeModule, {"GANModule", "AutoencoderModule"}, {"Autoencoder", "AlternatingModule"}),
        (Callback, {"Timer", "EarlyStopping"}, {"Callback", "MaxImages", "SkipUnused", "Interleaving", "RunFolder"}),
        (Logger, {"CSVLogger", "WandbLogger"}, {"RunLogger", "DummyLogger", "Logger"}),
        (Strategy, {"DDPStrategy", "UnwrappedDDPStrategy"}, {"FSDPStrategy", "DeepSpeedStrategy", "ParallelStrategy"}),
        (Optimizer, {"Adam", "SGD"}, {"Optimizer"}),
    ],
)
def test_only_classes_that_can_be_given_are_choices(base, among, not_among):
    found = set(choices(base))
    assert among <= found
    assert not not_among & found


def test_a_type_names_the_classes_of_its_parts():
    assert bases(hint_of(GANModule, "generator")) == [Generator]
    assert bases(hint_of(GANModule, "generator_optimizer")) == [Optimizer]
    assert bases(hint_of(GANModule, "accumulate")) == []
    assert bases(hint_of(DCGANGenerator, "shape")) == []


@pytest.mark.parametrize(
    ("recipe", "options", "name", "kind"),
    [
        ("gan/dcgan", [], "model", GANModule),
        ("gan/dcgan", [], "model.generator", DCGANGenerator),
        ("gan/dcgan", [], "model.init_args.generator", DCGANGenerator),
        ("gan/dcgan", ["--model.generator", "ResNetGenerator"], "model.generator", ResNetGenerator),
        ("gan/dcgan", ["--model.generator.class_path=ResNetGenerator"], "model.generator", ResNetGenerator),
        ("gan/dcgan", ["--model.generator={class_path: ResNetGenerator}"], "model.generator", ResNetGenerator),
        ("gan/dcgan", ["--model.generator.width", "3"], "model.generator", DCGANGenerator),
        ("gan/dcgan", [], "model.ema", EMA),
        ("gan/dcgan", ["--model.penalties.mine", "R1"], "model.penalties.mine", R1),
        ("gan/dcgan", [], "model.terms", None),
        ("gan/dcgan", [], "model.prior", None),
        ("autoencoder/vae", [], "model.objective.kl", KLDivergence),
        ("autoencoder/vae", [], "data", Digits),
        ("autoencoder/vae", ["--data", "ImageFolder", "--data.folder", "x"], "data", ImageFolder),
    ],
)
def test_a_part_has_the_class_that_the_command_chooses(recipe, options, name, kind):
    assert of(recipe, options=options).at(name).kind is kind


def test_later_recipes_and_options_are_laid_over_earlier_ones():
    lie = of("gan/dcgan", "data/image_folder", options=["--model.generator.width=3", "--data.folder", "x"])
    assert lie.at("data").kind is ImageFolder
    assert lie.at("data.folder").value == "x"
    assert lie.at("model.generator.width").value == "3"
    assert lie.at("model.generator.latent_dim").value == recipes.load(recipes.find("gan/dcgan"))["model"]["init_args"][
        "generator"
    ]["init_args"].get("latent_dim", lie.at("model.generator.latent_dim").value)
    other = of("gan/dcgan", options=["--model.generator=ResNetGenerator"])
    assert "width" not in other.at("model.generator").value.get("init_args", {}), "the arguments were the other class's"
    assert of("gan/dcgan", "autoencoder/vae").at("model.generator") is None


def test_what_follows_from_other_parts_or_is_given_by_a_caller_cannot_be_set():
    names = of("gan/cgan").names
    assert "model.generator.latent_dim" in names
    for name in ("model.generator.shape", "model.generator.conditioning.num_classes"):
        assert name not in names
    assert "model.generator_optimizer.lr" in names
    assert "model.generator_optimizer.params" not in names


def test_the_trainers_arguments_have_choices_too():
    assert {"Timer", "ModelCheckpoint"} <= set(of().at("trainer.callbacks").choices)
    assert of().at("trainer.nothing") is None
    assert of().at("nothing") is None


def test_nothing_is_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_part.py").write_text("raise SystemExit('imported')")
    found = Arguments([{"model": {"class_path": "hostile_part.Foo"}}], ["--data=hostile_part.Bar"])
    assert found.at("model").kind is found.at("data").kind is None
    assert found.names == ["model", "data", "sampler"]


def test_a_description_that_is_no_description_is_no_error():
    found = Arguments([{"model": 3, "data": [1], "model.generator": None}], ["--model.objective={", "--data.size"])
    assert {"model", "data"} <= set(found.names)
