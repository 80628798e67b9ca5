"""Help: of a command, what works in it; of a part, what its class takes and what the command gives it."""

import re
import shlex

import pytest

from lightning_gen import InputError
from lightning_gen.cli import main
from lightning_gen.cli.dispatch import run
from lightning_gen.cli.part_help import part_asked, summary, type_text, written
from lightning_gen.data import DataModule


def printed(capsys, *words):
    """What a command that asks for help prints."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert not end.value.code
    said = capsys.readouterr()
    assert not said.err
    return said.out


def options_in(text):
    """The options that a help lists, without those in its sentences."""
    return re.findall(r"^  (?:-\w \w+, )?--([\w.]+)", text, re.MULTILINE)


OF_FIT = ("max_images", "compile", "checkpoint_every_images", "trainer.max_epochs", "trainer.gradient_clip_val")


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("fit", ["trainer.limit_train_batches", *OF_FIT]),
        ("validate", ["trainer.limit_val_batches"]),
        ("test", ["trainer.limit_test_batches"]),
        ("predict", ["trainer.limit_predict_batches", "out"]),
    ],
)
def test_the_help_of_a_command_lists_what_works_in_it(command, own, capsys):
    text = printed(capsys, command, "--help")
    found = options_in(text)
    for name in [*own, "config", "name", "runs_dir", "model", "data", "ckpt_path", "trainer.devices"]:
        assert name in found
    if command != "fit":
        assert not {*OF_FIT} & {*found}
    assert len(text.splitlines()) < (250 if command == "fit" else 120)
    for internal in ("lightning_gen.", "SkipUnused", "Interleaving", "DeepSpeed", "known subclasses"):
        assert internal not in text


@pytest.mark.parametrize("command", ["sample", "evaluate", "bench", "doctor"])
def test_the_help_of_other_commands_names_classes_without_their_modules(command, capsys):
    assert "lightning_gen.data" not in printed(capsys, command, "--help")


def test_the_help_of_the_model_is_that_of_the_recipe_in_groups(capsys):
    text = printed(capsys, "fit", "--model.help")
    usage, rest = text.split("\n", 1)
    assert usage == "usage: python -m lightning_gen fit [--config RECIPE]... [--model.ARGUMENT VALUE]..."
    assert rest.startswith("\nGANModule: A generator that is trained against a discriminator\n")
    parts, others = rest.split("\noptimizers and schedulers of the learning rate:")
    optimizers, settings = others.split("\nsettings:")
    assert {"model.generator", "model.penalties.NAME", "model.ema"} <= {*options_in(parts)}
    assert options_in(optimizers)[0] == "model.generator_optimizer"
    assert {"model.generator_clip", "model.accumulate"} <= {*options_in(settings)}
    assert "ResidualDenseGenerator; here DCGANGenerator)" in " ".join(text.split())
    assert len(text.splitlines()) < 100


@pytest.mark.parametrize(
    ("words", "expected", "not_expected"),
    [
        (
            "fit --config autoencoder/vae --model.objective.kl.help",
            "KLDivergence: The divergence; --model.objective.kl.weight VALUE; (float | Schedule, default: 1.0)",
            "model.help",
        ),
        ("fit --model.generator.help", "DCGANGenerator: ; (int, default: 64, here 32); other classes for", ".shape"),
        (
            "fit --model.generator.help R3GANGenerator",
            "fit [--config RECIPE]... --model.generator R3GANGenerator [--model.generator.ARGUMENT; R3GANGenerator: ",
            ", here ",
        ),
        ("fit --model.generator ResNetGenerator --model.generator.help", "ResNetGenerator: ", "DCGANGenerator: "),
        ("fit --config autoencoder/vae --model.objective.help", "parts here; kl KLDivergence; classes", "kl.weight"),
        ("fit --model.terms.help", "--model.terms.NAME CLASS; FeatureMatching The", "parts here"),
        ("fit --model.generator_optimizer.help", "optimizer.lr VALUE; default: 0.001, here 0.0004", ".params"),
        ("fit --model.generator_scheduler.help", "ImageSchedule Schedules; CosineAnnealingLR Set the", "Plateau"),
        ("fit --model.ema.help", "EMA: ; --model.ema.half_life_images VALUE", "classes for"),
        ("fit --data.help ImageFolder", "--data ImageFolder [--data.ARGUMENT VALUE]; (str, required)", "--data.shape"),
        ("fit --trainer.callbacks.help=Timer", "--trainer.callbacks+=Timer; (str, default: step)", "RunFolder"),
        ("predict --data.help Digits", "python -m lightning_gen predict [--config RECIPE]", "fit"),
        ("fit --config gan/cgan --model.generator.conditioning.help", "Concatenation: ", "num_classes"),
    ],
)
def test_the_help_of_a_part(words, expected, not_expected, capsys):
    text = " ".join(printed(capsys, *words.split()).split())
    for each in expected.split("; "):
        assert each in text
    assert not_expected not in text
    assert "__main__" not in text
    assert "``" not in text


def test_the_help_of_the_data_of_another_command(capsys):
    run(["evaluate", "--data.help", "Ring"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m lightning_gen evaluate CHECKPOINT --data Ring [--data.ARGUMENT VALUE]...")
    assert "--data.radius VALUE" in text


def test_the_usage_of_a_help_works(capsys):
    usage = printed(capsys, "fit", "--model.generator.help", "ResNetGenerator").splitlines()[0]
    words = shlex.split(usage.removeprefix("usage: python -m lightning_gen "))
    given = [word for word in words if "[" not in word and "]" not in word]
    assert "class_path: lightning_gen.networks.ResNetGenerator" in printed(capsys, *given, "--print_config")


OWN = '''
from lightning_gen.networks import Generator

class Mine(Generator):
    """A generator of a user's own.

    Args:
        depth: How deep.
    """

    def __init__(self, shape, latent_dim=7, depth: int = 3):
        super().__init__(shape, latent_dim)

class Bare(Generator):
    def __init__(self, shape, latent_dim=7):
        super().__init__(shape, latent_dim)
'''


@pytest.mark.parametrize(("name", "said"), [("Mine", "Mine: A generator of a user's own"), ("Bare", "Bare")])
def test_a_class_of_ones_own_has_help(tmp_path, monkeypatch, capsys, name, said):
    (tmp_path / "helped_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    text = printed(capsys, "fit", "--model.generator.help", f"helped_parts.{name}")
    assert f"--model.generator helped_parts.{name} [--model.generator.ARGUMENT VALUE]" in text
    assert said in text
    assert "--model.generator.latent_dim VALUE" in text
    assert ("How deep. (int, default: 3)" in text) is (name == "Mine")
    assert ".shape" not in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fit --model.encoder.help", "model.encoder is no part: --help lists the options"),
        ("fit --model.accumulate.help", "model.accumulate is no part"),
        ("fit --model.generator.help Foo", "--model.generator.help: there is no class 'Foo': the classes are DCGANGen"),
        ("fit --model.generator.help ResNetGenrator", "did you mean 'ResNetGenerator'?"),
        ("fit --model.generator.help no.such.Foo", "there is no class 'no.such.Foo'"),
    ],
)
def test_what_has_no_help_is_a_sentence(words, expected):
    with pytest.raises(InputError, match=re.escape(expected)):
        run(words.split())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model.help"], ("model", None)),
        (["--model.help", "--data", "x"], ("model", None)),
        (["--model.help=GANModule"], ("model", "GANModule")),
        (["--model.help", "GANModule", "--model.generator.help", "X"], ("model.generator", "X")),
        (["--help"], None),
        (["--name", "x"], None),
    ],
)
def test_the_part_that_is_asked_for(options, expected):
    assert part_asked(options) == expected


def test_types_and_values_are_written_as_on_the_command_line():
    assert type_text(int | None) == "int | null"
    assert type_text(tuple[int, ...]) == "tuple[int, ...]"
    assert [written(each) for each in (None, True, 0.5, "a")] == ["null", "true", "0.5", "a"]
    assert summary(DataModule) == "Small to medium data with a training, a validation and a test split"
