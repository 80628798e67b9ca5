"""What a user may have meant: words of other tools, names of a near spelling, and the words that do what was asked."""

import re
import shlex

import pytest

from lightning_gen import InputError
from lightning_gen.cli import main, parser, recipes
from lightning_gen.cli.argv import check_keys
from lightning_gen.cli.dispatch import run
from lightning_gen.cli.suggestions import command_meant, options_meant
from lightning_gen.cli.words import CLASSES, COMMANDS, MEANINGS, OPTIONS
from lightning_gen.commands import COMMANDS as OWN_COMMANDS
from lightning_gen.spelling import nearest


@pytest.fixture(scope="module")
def said():
    """The sentence about a command that cannot be parsed, and all options and arguments that it is made from."""

    def say(*words):
        made = []
        with pytest.MonkeyPatch.context() as patch:
            explain = parser.explain
            patch.setattr(parser, "explain", lambda *known: made.append(known[1:]) or explain(*known))
            with pytest.raises(InputError) as error:
                run(list(words))
        return str(error.value), made[-1] if made else ((), None)

    return say


@pytest.fixture(scope="module")
def options(said):
    """All options of `fit` with a recipe, by its name."""
    found = {}

    def of(recipe):
        if recipe not in found:
            _, (names, arguments) = said("fit", "--config", recipe, "--nothing_like_it")
            found[recipe] = [*names, *arguments.names]
        return found[recipe]

    return of


GAN_RATES = ["model.generator_optimizer.lr", "model.discriminator_optimizer.lr"]


@pytest.mark.parametrize(
    ("recipe", "word", "expected"),
    [
        ("gan/dcgan", "lr", GAN_RATES),
        ("gan/dcgan", "learning_rate", GAN_RATES),
        ("gan/dcgan", "learning-rate", GAN_RATES),
        ("gan/dcgan", "model.lr", GAN_RATES),
        ("gan/dcgan", "model.discriminator.lr", GAN_RATES[1:]),
        ("gan/dcgan", "generator.learning_rate", GAN_RATES[:1]),
        ("autoencoder/vae", "lr", ["model.optimizer.lr"]),
        ("autoencoder/vae", "beta", ["model.objective.kl.weight"]),
        ("gan/dcgan", "epochs", ["max_images", "trainer.max_epochs"]),
        ("gan/dcgan", "epoch", ["max_images", "trainer.max_epochs"]),
        ("gan/dcgan", "steps", ["max_images", "trainer.max_steps"]),
        ("gan/dcgan", "batch_size", ["data.batch_size"]),
        ("gan/dcgan", "batch-size", ["data.batch_size"]),
        ("gan/dcgan", "bs", ["data.batch_size"]),
        ("gan/dcgan", "gpus", ["trainer.devices"]),
        ("gan/dcgan", "device", ["trainer.accelerator"]),
        ("gan/dcgan", "seed", ["seed_everything", "data.seed"]),
        ("gan/dcgan", "resume", ["ckpt_path last"]),
        ("gan/dcgan", "dataset", ["data"]),
        ("gan/dcgan", "out", ["runs_dir", "name"]),
        ("gan/dcgan", "output_dir", ["runs_dir", "name"]),
        ("gan/dcgan", "image_size", ["data.size"]),
        ("gan/dcgan", "data.image_size", ["data.size"]),
        ("gan/dcgan", "workers", ["data.num_workers"]),
        ("gan/dcgan", "nz", ["model.generator.latent_dim"]),
        ("gan/dcgan", "latent_dim", ["model.generator.latent_dim"]),
        ("gan/dcgan", "width", ["model.generator.width", "model.discriminator.width"]),
        ("gan/dcgan", "optimizer", ["model.generator_optimizer", "model.discriminator_optimizer"]),
        ("gan/dcgan", "loss", ["model.objective"]),
        ("gan/dcgan", "n_critic", ["model.discriminator_updates"]),
        ("gan/dcgan", "data_dir", ["data ImageFolder --data.folder"]),
        ("data/image_folder", "data_dir", ["data.folder"]),
        ("gan/dcgan", "precision", ["trainer.precision"]),
        ("gan/dcgan", "trainer.max_epoch", ["trainer.max_epochs"]),
        ("gan/dcgan", "max_imges", ["max_images"]),
        ("gan/dcgan", "lerning_rate", GAN_RATES),
        ("gan/dcgan", "wandb", ["trainer.logger"]),
        ("gan/dcgan", "patience", ["trainer.callbacks+=EarlyStopping"]),
        ("gan/wgan_gp", "lambda_gp", ["model.penalties.gradient_penalty.weight"]),
        ("gan/dcgan", "zzz", []),
        ("gan/dcgan", "labels", []),
    ],
)
def test_the_options_that_a_word_means(options, recipe, word, expected):
    assert options_meant(word, options(recipe)) == expected


NETWORKS = ("gan/dcgan", "autoencoder/vae", "gan/wgan_gp", "gan/rpgan", "data/image_folder", "data/tensors")


@pytest.mark.parametrize("ends", [each[1:] for each in MEANINGS], ids=[each[0].split()[0] for each in MEANINGS])
def test_each_word_means_something_that_exists(options, said, ends):
    of_commands = ["out", "output", "n", "labels", "truncation", "samples", "seed", "config", "model", "data"]
    known = [*of_commands, *(name for recipe in NETWORKS for name in options(recipe))]
    for end in ends:
        name = end.replace("+", " ").replace("=", " ").split()[0]
        assert any(f".{each}".endswith((f".{name}", f"_{name}")) for each in known), f"nothing is called {name}"


def test_words_are_not_the_names_of_what_they_mean():
    assert not {word for word, ends in OPTIONS.items() if ends[0] == word} - {"out", "output", "clip"}
    assert not set(COMMANDS) & set(OWN_COMMANDS)
    assert CLASSES["bce"] == "NonSaturating"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--lr", "1"], "there is no option --lr; did you mean --model.generator_optimizer.lr or --model.discr"),
        (["--model.lr", "1"], "GANModule has no argument 'lr'; did you mean --model.generator_optimizer.lr or --mod"),
        (["--model.discriminator.lr=1"], "'lr'; did you mean --model.discriminator_optimizer.lr?"),
        (["--model.optimizer", "Adam"], "; did you mean 'generator_optimizer' or 'discriminator_optimizer'?"),
        (["--model.generator.blocks=3"], "no argument 'blocks', which R3GANGenerator and ResidualDenseGenerator have"),
        (["--model.nothing=3"], "GANModule has no argument 'nothing': --model.help lists what it takes"),
        (["--model.generator_scheduler.learning_rate=Cosine"], "scheduler: name its class first, ImageSchedule"),
        (["--model.generator_scheduler.gamma=1"], "name its class first, one of CyclicLR, ExponentialLR, MultiStep"),
        (["--model.generator_scheduler.zzz=3"], "name its class first, which --model.generator_scheduler.help lists"),
        (["--nothing=3"], "there is no option --nothing: --help lists the options"),
        (["--data.folder=x"], "Digits has no argument 'folder'; did you mean --data ImageFolder --data.folder?"),
        (["--data", "fashion-mnist"], "no class 'fashion-mnist'; did you mean 'FashionMNIST'?"),
        (["--data", "my pictures"], "no class 'my pictures': give --data ImageFolder --data.folder 'my pictures'"),
        (["--data", "points.npy"], "no class 'points.npy': give --data Tensors --data.path points.npy"),
        (["--model", "vae"], "no class 'vae': give its recipe, --config autoencoder/vae"),
        (["--model.objective", "lsgan"], "no class 'lsgan'; did you mean 'LeastSquares'?"),
        (["--model.generator_optimizer", "Adm"], "no class 'Adm'; did you mean 'Adam'?"),
        (["--model.generator_optimizer", "Foo"], "the classes are ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW"),
        (["--model.generator_scheduler", "CosineAnnealing"], "did you mean 'CosineAnnealingLR'?"),
        (["--trainer.callbacks+=EarlyStoping"], "no class 'EarlyStoping'; did you mean 'EarlyStopping'?"),
        (["--trainer.callbacks+=Foo"], "no class 'Foo': --trainer.callbacks.help lists the classes"),
        (
            ["--model.generator", "[1]"],
            "--model.generator: [1] is no class that fits: the classes are DCGANGenerator, ",
        ),
        (["--data", "[1]"], "--data: [1] is no class that fits: --data.help lists the classes"),
        (["--model.ema.half_life_images", "[1]"], "images: [1] is no class that fits: the classes are Constant, Cos"),
        (["--trainer.callbacks", "[1]"], "1 is no class that fits: --trainer.callbacks.help lists the classes"),
        (["--model.penalties", "R1"], "--model.penalties takes parts by names, such as --model.penalties.r1 R1"),
    ],
)
def test_a_sentence_names_what_may_be_meant(said, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my pictures").mkdir()
    (tmp_path / "points.npy").touch()
    assert expected in said("fit", *words)[0]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("gan/dcgan", ["--model.generator_scheduler", "Cosine"]),
        ("gan/dcgan", ["--model.discriminator_scheduler", "Constant"]),
        ("autoencoder/vae", ["--model.scheduler", "Linear"]),
        ("gan/dcgan", ["--model", "vae"]),
        ("gan/dcgan", ["--model.penalties", "R1"]),
    ],
)
def test_the_words_that_are_named_work(said, recipe, words):
    sentence, _ = said("fit", "--config", recipe, *words)
    remedy = shlex.split(sentence[sentence.index(" --", 10) :])
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", recipe, *remedy, "--print_config"])
    assert end.value.code == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "; did you mean 'fit'? the commands are"),
        ("trian", "; did you mean 'fit'? the commands are"),
        ("generate", "; did you mean 'sample'? the commands are"),
        ("eval", "; did you mean 'evaluate'? the commands are"),
        ("evalute", "; did you mean 'evaluate'? the commands are"),
        ("bech", "; did you mean 'bench'? the commands are"),
        ("inspect", "; did you mean 'doctor'? the commands are"),
        ("resume", "; did you mean 'fit --ckpt_path last'? the commands are"),
        ("encode", "; did you mean 'embed'? the commands are"),
        ("decode", ": reconstruct CHECKPOINT codes.npz, with codes of embed or of reconstruct --codes, does it; the"),
        ("invert", "; did you mean 'reconstruct'? the commands are"),
        ("list", "; did you mean '--help'? the commands are"),
        ("tensorboard", ": python -m tensorboard.main --logdir runs does it; the commands are"),
        ("gan/dcgan", "; did you mean 'fit --config gan/dcgan'?"),
        ("export", ": the commands are"),
    ],
)
def test_the_command_that_a_word_means(name, expected):
    assert command_meant(name, ["fit", "predict", "sample", "evaluate", "bench", "doctor"]).startswith(expected)


@pytest.mark.parametrize("words", [["--lr", "3"], ["--config", "gan/dcgan", "fit"], ["--config=gan/dcgan", "fit"]])
def test_a_command_comes_before_its_options(said, words):
    assert "name the command before its options, one of fit, validate" in said(*words)[0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [("epochs", "did you mean 'max_images'"), ("max_image", "did you mean 'max_images'"), ("zzz", "the settings are")],
)
def test_a_key_of_a_recipe_is_a_setting(key, expected):
    with pytest.raises(InputError, match=expected):
        check_keys(recipes.find("gan/dcgan"), {key: 1}, ["name", "max_images", "model"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vae", "did you mean autoencoder/vae?"),
        ("fashion-mnist", "did you mean data/fashion_mnist?"),
        ("GAN/DCGAN", "did you mean gan/dcgan or"),
        ("trainer", "those of trainer are trainer/bf16_gradients, trainer/ddp"),
        ("xyz/qqq", "--help` lists them all"),
    ],
)
def test_the_recipe_that_a_name_means(name, expected):
    with pytest.raises(InputError, match=re.escape(expected)):
        recipes.find(name)


@pytest.mark.parametrize(
    ("words", "expected"), [(["x.ckpt"], "--ckpt_path x.ckpt"), ([], "--ckpt_path runs/NAME/checkpoints/last.ckpt")]
)
def test_a_checkpoint_that_is_given_without_its_option_is_named(said, words, expected):
    assert said("predict", *words)[0].endswith(expected)


def test_the_folder_of_a_run_that_is_given_without_its_option_is_named(said, tmp_path):
    (tmp_path / "mine").mkdir()
    assert said("predict", str(tmp_path / "mine"))[0].endswith(f"--ckpt_path {tmp_path / 'mine'}")


def test_names_are_compared_without_what_people_write_in_different_ways():
    assert nearest("fashion-mnist", ["MNIST", "FashionMNIST"], 1) == ["FashionMNIST"]
    assert nearest("encode", ["bench", "evaluate"]) == []
