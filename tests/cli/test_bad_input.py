"""Each mistake is one clear sentence on stderr with exit status 2; no file is written or lost."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gen.cli import main, recipes

TINY = ["--data.size=8", "--model.generator.width=4", "--model.discriminator.width=4", "--max_images=128"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


LAUGHS = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGED_LAUGHS = "a0: &a0 {b: 1}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
"""Two small files that stand for a billion values."""


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words):
    """Run a command that must be refused; returns the sentence."""
    before = tree(Path.cwd())
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(words))
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert tree(Path.cwd()) == before, "something was written or lost"
    (sentence,) = [line for line in printed.err.splitlines() if line.strip()]
    assert sentence.startswith("error: ")
    assert len(sentence) < 400
    assert "Traceback" not in printed.err + printed.out
    return sentence


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fit", "--trainer.max_epoch", "3"], "did you mean --trainer.max_epochs?"),
        (["fit", "--modle.x", "3"], "no option --modle.x"),
        (["fit", "--model.generator.widht", "3"], "DCGANGenerator has no argument 'widht'; did you mean 'width'"),
        (["fit", "--model.objective", "Hinje"], "--model.objective: there is no class 'Hinje'; did you mean 'Hinge'"),
        (["fit", "--model", "GANModul"], "did you mean 'GANModule'"),
        (["fit", "--data", "Digitz"], "did you mean 'Digits'"),
        (["fit", "--data.size", "wide"], "--data.size: expected int and got wide"),
        (["fit", "--config", "gan/dcgna"], "did you mean gan/dcgan"),
        (["fit", "--config", "xyz/qqq"], "lists them all"),
        (["fti"], "did you mean 'fit'"),
        (["fit", "--data.batch_size", "5000"], "lower --data.batch_size to 1437 or less"),
        (["fit", "--data.batch_size", "0"], "--data.batch_size must be at least 1"),
        (["fit", "--checkpoint_every_minutes", "0"], "checkpoint_every_minutes must be above 0, or null for never"),
        (["fit", "--nonfinite_rollbacks", "-1"], "nonfinite_rollbacks must be at least 0"),
        (["fit", "--max_images", "1e5"], "write 100000"),
        (["fit", "--nonfinite_rollbacks", "often"], "--nonfinite_rollbacks: expected int and got often"),
        (["fit", "--model.discriminator_updates", "0"], "discriminator_updates must be at least 1"),
        (["fit", "--model.ema.half_life_images", "0"], "--model.ema null"),
        (["fit", "--model.ema.half_life_images", ".nan"], "half_life_images must be above 0, not nan"),
        (["fit", "--model.generator_clip", "-0.01"], "GANModule cannot have generator_clip -0.01: give the largest"),
        (["fit", "--model.generator_optimizer.lr", "-1", *TINY], "the generator's optimizer cannot be made (Invalid"),
        (["fit", "--model.generator_optimizer.betas", "[1.5,0.9]", *TINY], "Invalid beta parameter at index 0: 1.5"),
        (["fit", "--data.size", "7"], "--data.size"),
        (["fit", "--data", "ImageFolder"], "ImageFolder needs 'folder'"),
        (["fit", "--data", "ImageFolder", "--data.folder", "missing"], "--data.folder"),
        (["fit", "--data", "MNIST", "--data.download", "false"], "train-images-idx3-ubyte is missing"),
        (["fit", "--data", "Tensors", "--data.path", "missing.npy"], "missing.npy"),
        (["fit", "--data.folder", "x", "--data", "ImageFolder"], "give --data ImageFolder before it"),
        (
            ["fit", "--trainer.devices", "0"],
            "on a CPU --trainer.devices is a number of processes: set it to auto or to at least 1",
        ),
        (["fit", "--trainer.precision", "bf16-true", *TINY], "bf16-mixed"),
        (["fit", "--trainer.strategy", "fsdp", *TINY], "--trainer.strategy fsdp splits parameters over devices"),
        (["fit", "--trainer.strategy=DeepSpeedStrategy", *TINY], "DeepSpeedStrategy splits parameters"),
        (["fit", "--trainer.gradient_clip_val", "1", *TINY], "use --model.generator_clip"),
        (["fit", "--trainer.accumulate_grad_batches", "2", *TINY], "use --model.accumulate"),
        (["fit", "--model.generator_optimizer", "Foo"], "--model.generator_optimizer: there is no class 'Foo'"),
        (["evaluate", "missing.ckpt", "--data.size", "8"], "missing.ckpt does not exist"),
        (["fit", "--model.prior.low", "3"], "--model.prior: name its class first, one of Hypersphere, Normal, Uniform"),
        (["fit", "--name", ""], "--name must not be empty"),
        (["fit", "gan/dcgan"], "'gan/dcgan' belongs to no option; did you mean --config gan/dcgan?"),
        (["fit", "--config", "n" * 300], "is longer than the disk allows (File name too long): give a shorter name"),
        (["fit", "--seed_everything", "-1"], "--seed_everything must be a whole number from 0 to 4,294,967,295"),
        (["fit", "--trainer=5"], "--trainer: 5 is no YAML file with settings: give one, or each setting alone"),
        (["fit", "--data.seed", "null"], "Digits cannot have seed null: give it a value, or leave it out for its"),
        (["fit", "--model.generator.width=null", *TINY[:1]], "DCGANGenerator cannot have width null: give it a value"),
        (["fit", "--model.generator={3: 4}"], "--model.generator: {3: 4} is no class that fits: the classes are DCGAN"),
        (["fit", "--model.generator.latent_dim", "1000000000000", *TINY], " GB of memory and this machine has"),
        (
            ["fit", "--trainer.callbacks={class_path: EarlyStopping, init_args: {monitor: x, mode: mim}}", *TINY],
            "`mode` can be min, max, got mim",
        ),
        (["fit", "--model", "GANModule"], "lacks a part"),
        (["validate"], "validate needs a trained model"),
        (["fit", "--ckpt_path", "missing.ckpt"], "does not exist"),
        (["validate", "--ckpt_path", "last"], "does not exist"),
        (["sample"], "name a checkpoint or the folder of a run"),
        (["sample", "missing.ckpt"], "missing.ckpt does not exist"),
        (["sample", "missing.ckpt", "--m", "3"], "no option --m"),
        (["evaluate", "missing.ckpt"], "missing.ckpt does not exist"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence(capsys, words, expected):
    assert expected in refused(capsys, *words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modle:\n  class_path: GANModule\n", "has the key 'modle', which is no setting; did you mean 'model'"),
        ("max_image: 3\n", "did you mean 'max_images'"),
        ("zzz: 3\n", "the settings are"),
        ("ckpt_path: 5\n", "the checkpoint 5 does not exist: give the path of a .ckpt file"),
        ("trainer:\n  max_epoch: 3\n", "did you mean --trainer.max_epochs?"),
        (
            "model:\n  class_path: GANModule\n  init_args: {discriminator_update: 3}\n",
            "did you mean 'discriminator_updates'",
        ),
        ("data:\n  class_path: Digits\n  init_args: {sise: 3}\n", "Digits has no argument 'sise'; did you mean 'size'"),
        ("model: [\n", "is not a YAML file"),
        ("3: 4\n", "has the key 3 in the recipe, which is no name"),
        ("trainer: [1]\n", "has trainer: [1], which holds no settings: write each below it, as 'name: value'"),
        ("- 1\n- 2\n", "holds no settings"),
        (LAUGHS, "with its aliases expanded it has more than 100,000 values"),
        (MERGED_LAUGHS, "with its aliases expanded it has more than 100,000 values"),
        ("a: &a [*a]\n", "with its aliases expanded it has more than 100,000 values"),
        ("a: &a\n  b: *a\n", "with its aliases expanded it has more than 100,000 values"),
        ("a: " + "[" * 5000, "is not a YAML file (nested too deeply)"),
        ("a: " + "[" * 5000 + "]" * 5000, "is not a YAML file (nested too deeply)"),
        ("# long\n" * 200_000, "is larger than a recipe may be, 1,048,576 bytes"),
        ("max_images: 2024-13-45\n", "is not a YAML file (month must be in 1..12)"),
    ],
)
def test_a_mistake_in_a_recipe_is_one_sentence(capsys, here, text, expected):
    (here / "mine.yaml").write_text(text)
    assert expected in refused(capsys, "fit", "--config", "mine.yaml")


def test_a_deep_mistake_in_a_recipe_names_the_part(capsys, here):
    text = recipes.find("gan/wgan_gp").read_text().replace("weight: 10.0", "wight: 10.0")
    (here / "mine.yaml").write_text(text)
    assert "GradientPenalty has no argument 'wight'; did you mean 'weight'" in refused(
        capsys, "fit", "--config", "mine.yaml"
    )


@pytest.fixture
def trained(capsys):
    """A run in runs/projection."""
    main(["fit", *TINY])
    return Path("runs/projection/checkpoints/last.ckpt")


def test_a_folder_that_holds_a_run_is_left_alone(capsys, trained):
    sentence = refused(capsys, "fit", *TINY)
    assert "--ckpt_path last" in sentence
    assert "--name projection-2" in sentence
    assert "already holds a run" in refused(capsys, "fit", "--config", "autoencoder/vae", "--name", "projection")
    main(["fit", *TINY, "--name", "projection-2"])
    assert Path("runs/projection-2/checkpoints/last.ckpt").exists()


def test_a_damaged_checkpoint_is_refused_by_every_verb(capsys, here, trained):
    whole = trained.read_bytes()
    (here / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    for words in (["fit", "--ckpt_path", "cut.ckpt"], ["test", "--ckpt_path", "cut.ckpt"], ["sample", "cut.ckpt"]):
        assert "truncated" in refused(capsys, *words)


class Bomb:
    """Creates a file when it is unpickled."""

    def __reduce__(self):
        return open, ("trace", "w")


def test_a_checkpoint_with_code_is_refused_by_every_verb_and_nothing_runs(capsys):
    torch.save({"state_dict": {}, "hyper_parameters": Bomb()}, "bomb.ckpt")
    for words in (
        ["fit", "--ckpt_path", "bomb.ckpt"],
        ["fit", "--ckpt_path", "bomb.ckpt", "--weights_only", "false"],
        ["validate", "--ckpt_path", "bomb.ckpt"],
        ["sample", "bomb.ckpt"],
        ["evaluate", "bomb.ckpt"],
    ):
        assert "pickled code" in refused(capsys, *words)
    assert not Path("trace").exists()


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["fit", "--ckpt_path"], "generator"),
        (["validate", "--ckpt_path"], "objective"),
        (["sample"], "generator_optimizer"),
        (["evaluate"], "augmentation"),
    ],
)
def test_a_checkpoint_cannot_import_a_module(capsys, trained, here, command, place):
    (here / "hostile.py").write_text("open('trace', 'w')\n")
    stored = torch.load(trained, weights_only=True)
    for value in ("hostile.Foo", {"class_path": "hostile.Foo", "init_args": {}}):
        stored["hyper_parameters"][place] = value
        torch.save(stored, "hostile.ckpt")
        assert "not loaded" in refused(capsys, *command, "hostile.ckpt")
    assert not Path("trace").exists()


def test_training_does_not_go_on_from_weights_alone(capsys, trained):
    stored = torch.load(trained, weights_only=True)
    del stored["optimizer_states"], stored["lr_schedulers"]
    torch.save(stored, "weights.ckpt")
    sentence = refused(capsys, "fit", *TINY, "--max_images=256", "--name=other", "--ckpt_path=weights.ckpt")
    assert "the checkpoint holds weights alone" in sentence
    assert "start a new run from these weights with --init_from in place of --ckpt_path" in sentence


def test_a_batch_of_one_is_too_small_for_batch_norm(capsys):
    words = ["--config=gan/dense", "--data=Digits", "--data.size=8", "--data.batch_size=1", "--max_images=8"]
    sentence = refused_after_progress(capsys, "fit", *words)
    assert "BatchNorm needs at least 2 samples on each device: raise --data.batch_size" in sentence


def test_null_is_given_to_a_part_within_a_part(capsys):
    for option in ("--model.ema.ramp_up=null", "--model.generator.conditioning=null"):
        with pytest.raises(SystemExit) as end:
            main(["fit", option, "--print_config"])
        assert end.value.code == 0
        assert f"{option.rpartition('.')[2].replace('=', ': ')}\n" in capsys.readouterr().out


FAILS = """
from lightning_gen.data import Digits


class Mine(Digits):
    def __init__(self, size: int = 8):
        {}
"""


@pytest.mark.parametrize(
    ("statement", "error"), [("{{}}['colour']", KeyError), ("int('x')", ValueError), ("self.x.y", AttributeError)]
)
def test_a_mistake_in_code_of_ones_own_keeps_its_traceback(here, statement, error):
    module = f"mine_{error.__name__}"
    (here / f"{module}.py").write_text(FAILS.format(statement.format()))
    with pytest.raises(error) as raised:
        main(["fit", f"--import={module}", f"--data={module}.Mine"])
    assert Path(str(raised.traceback[-1].path)).stem == module


def test_a_checkpoint_of_another_library_is_refused(capsys):
    torch.save({"state_dict": {}, "hyper_parameters": {"lr": 0.1}}, "foreign.ckpt")
    for words in (["validate", "--ckpt_path", "foreign.ckpt"], ["sample", "foreign.ckpt"]):
        assert "holds no lightning_gen module" in refused(capsys, *words)


def test_another_class_of_optimizer_cannot_take_over_the_state_of_the_first(capsys, trained):
    sentence = "the state of Adam and --model.generator_optimizer is RMSprop"
    words = ["fit", "--ckpt_path", "last", "--max_images=256", "--model.generator_optimizer=torch.optim.RMSprop"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_refused(capsys, trained):
    goes_on = ["--ckpt_path", str(trained), "--name", "other", "--data.size=8"]
    assert "is of a run of GANModule" in refused(capsys, "fit", "--config", "autoencoder/vae", *goes_on)
    sentence = refused(capsys, "fit", *goes_on, "--model.generator.width=5")
    assert "generator.layers.0.weight (" in sentence
    assert ", here " in sentence


def test_a_full_disk_is_a_sentence_and_earlier_checkpoints_survive(capsys, trained, monkeypatch):
    whole = trained.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit) as end:
        main(["fit", *TINY, "--ckpt_path", "last", "--max_images", "256"])
    assert end.value.code == 2
    assert "free some disk space" in capsys.readouterr().err
    assert trained.read_bytes() == whole
    assert not list(trained.parent.glob("*.partial"))


def images(folder):
    """A folder of images, one of them truncated; returns its name."""
    for index in range(16):
        pixels = np.random.default_rng(index).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.jpg")
    broken = folder / "07.jpg"
    broken.write_bytes(broken.read_bytes()[:400])
    return broken.name


def test_a_folder_without_images_is_a_sentence(capsys, here):
    (here / "empty").mkdir()
    (here / "empty" / "notes.txt").write_text("no image")
    assert "no image in empty" in refused(capsys, "fit", "--data", "ImageFolder", "--data.folder", "empty")


def test_a_truncated_image_is_named_and_can_be_left_out(capsys, here, tmp_path_factory):
    (here / "photos").mkdir()
    name, cache = images(here / "photos"), tmp_path_factory.mktemp("cache")
    words = ["fit", "--config=autoencoder/dense", "--data=ImageFolder", "--data.folder=photos", "--data.size=8"]
    words += [f"--data.cache_dir={cache}", "--data.batch_size=4", "--max_images=8"]
    sentence = refused_after_progress(capsys, *words)
    assert name in sentence
    assert "--data.on_error skip" in sentence
    main([*words, "--data.on_error=skip"])
    assert Path("runs/dense/checkpoints/last.ckpt").exists()


def refused_after_progress(capsys, *words):
    """As `refused`, where lines of progress stand before the sentence."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    assert not Path("runs").exists()
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("option", ["--config", "--model", "--data", "--model.generator", "--trainer"])
def test_a_file_that_stands_for_billions_of_values_is_refused_wherever_it_is_given(capsys, here, option):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (here / "bomb.yaml").write_text("\n".join(lines))
    assert "bomb.yaml" in refused(capsys, "fit", option, "bomb.yaml")
    assert "bomb.yaml" in refused(capsys, "fit", f"{option}=bomb.yaml")


def test_another_class_of_scheduler_cannot_take_over_the_state_of_the_first(capsys, here):
    name, torchs = "--model.generator_scheduler", "torch.optim.lr_scheduler"
    main(["fit", *TINY, "--max_images=64", f"{name}={torchs}.StepLR", f"{name}.step_size=5"])
    words = ["fit", "--ckpt_path=last", "--max_images=128", f"{name}={torchs}.ExponentialLR", f"{name}.gamma=0.9"]
    sentence = f"the state of StepLR and {name} is ExponentialLR: keep the class and change its numbers, or start a new"
    assert sentence in refused(capsys, *words)
