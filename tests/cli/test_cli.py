"""The command line, run as users do."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from lightning_gen import GANModule, GenerativeModule
from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main
from lightning_gen.cli.argv import CommandLine
from lightning_gen.cli.help import COMMAND_HELP
from lightning_gen.cli.parser import first_line
from lightning_gen.commands import COMMANDS
from lightning_gen.data import Digits
from lightning_gen.errors import InputError

TINY = ["--data.size=8", "--model.generator.width=4", "--model.discriminator.width=4", "--model.generator.latent_dim=8"]
QUIET = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def last(name):
    return Path("runs", name, "checkpoints", "last.ckpt")


def test_fit_alone_trains_the_default_recipe_into_one_folder(capsys):
    main(["fit", *TINY, *QUIET, "--max_images=256", "--sample_every_images=128"])
    run = Path("runs/projection")
    found = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "checkpoints/last.ckpt", "checkpoints/best.ckpt"} <= found
    assert {"samples/samples-000000128.png", "samples/samples-000000256.png"} <= found
    assert any("tfevents" in name for name in found)
    printed = capsys.readouterr().out
    for path in (run / "samples/samples-000000256.png", last("projection"), run):
        assert str(path) in printed
    assert "lightning_gen sample" in printed
    assert "tensorboard" in printed


@pytest.mark.parametrize("batch_size", [32, 64])
def test_the_length_is_in_images(batch_size):
    main(
        ["fit", *TINY, *QUIET, "--max_images=600", f"--data.batch_size={batch_size}", "--model.discriminator_updates=3"]
    )
    assert GenerativeModule.load_from_checkpoint(last("projection")).images_seen == -(-600 // batch_size) * batch_size


@pytest.mark.parametrize(("recipe", "stop"), [("gan/dcgan", 640), ("autoencoder/vae", 1408)])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(recipe, stop):
    small = TINY if recipe == "gan/dcgan" else ["--data.size=8", "--model.encoder.width=4", "--model.decoder.width=4"]
    fit = ["fit", "--config", recipe, *small, *QUIET]
    main([*fit, "--name=whole", "--max_images=2560"])
    main([*fit, "--name=parts", f"--max_images={stop}"])
    main([*fit, "--name=parts", "--max_images=2560", "--ckpt_path=last"])
    whole, parts = (checkpoints.read(last(name)) for name in ("whole", "parts"))
    torch.testing.assert_close(parts["state_dict"], whole["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(parts["optimizer_states"], whole["optimizer_states"], rtol=0, atol=0)
    assert parts["lightning_gen"]["images_seen"] == whole["lightning_gen"]["images_seen"] == 2560


def test_resuming_a_finished_run_trains_nothing():
    fit = ["fit", *TINY, *QUIET, "--max_images=256"]
    main(fit)
    before = checkpoints.read(last("projection"))
    main([*fit, "--ckpt_path", "last"])
    after = checkpoints.read(last("projection"))
    torch.testing.assert_close(after["state_dict"], before["state_dict"], rtol=0, atol=0)


def test_a_run_that_died_before_its_first_checkpoint_starts_anew():
    main(["fit", *TINY, *QUIET, "--max_images=64"])
    for state in last("projection").parent.iterdir():
        state.unlink()
    main(["fit", *TINY, *QUIET, "--max_images=64", "--ckpt_path=last"])
    assert last("projection").exists()


def test_the_saved_configuration_of_a_resumed_run_starts_a_new_one():
    main(["fit", *TINY, *QUIET, "--max_images=64"])
    main(["fit", *TINY, *QUIET, "--max_images=128", "--ckpt_path=last"])
    main(["fit", "--config=runs/projection/config.yaml", "--name=again", "--max_images=64"])
    assert checkpoints.read(last("again"))["lightning_gen"]["images_seen"] == 64


def test_a_changed_learning_rate_is_the_one_that_is_used():
    linear = "--model.generator_scheduler.learning_rate"
    schedule = ["--model.generator_scheduler=ImageSchedule", f"{linear}=Linear", f"{linear}.end_images=256"]
    main(["fit", *TINY, *QUIET, *schedule, "--max_images=128"])
    rates = ["--model.discriminator_optimizer.lr=0.125", f"{linear}.end_images=1024"]
    main(["fit", *QUIET, *rates, "--max_images=256", "--ckpt_path=last"])
    discriminator, generator = checkpoints.read(last("projection"))["optimizer_states"]
    assert discriminator["param_groups"][0]["lr"] == 0.125
    assert generator["param_groups"][0]["lr"] == pytest.approx(4e-4 * (1 - 256 / 1024))


def test_a_run_goes_on_by_its_name_alone_and_keeps_its_length():
    main(["fit", "--config", "autoencoder/vae", *TINY[:1], *QUIET, "--name=mine", "--max_images=192"])
    main(["fit", "--name=mine", "--ckpt_path=last", "--max_images=256"])
    assert checkpoints.read(last("mine"))["lightning_gen"]["images_seen"] == 256
    main(["fit", "--name=mine", "--ckpt_path=last"])
    module = GenerativeModule.load_from_checkpoint(last("mine"))
    assert type(module).__name__ == "AutoencoderModule"
    assert module.images_seen == 256, "the length is the run's own, and reached"


def test_a_run_that_goes_on_keeps_as_many_states_as_before():
    main(["fit", *TINY, *QUIET, "--max_images=192", "--checkpoint_every_images=64", "--keep_checkpoints=2"])
    main(["fit", "--ckpt_path=last", "--max_images=320"])
    kept = sorted(path.name for path in last("projection").parent.glob("images-*"))
    assert kept == ["images-000000256.ckpt", "images-000000320.ckpt"]


def test_last_before_the_first_checkpoint_starts_from_the_beginning(capsys):
    main(["fit", *TINY, *QUIET, "--max_images=64", "--ckpt_path=last"])
    assert "starting from the beginning" in capsys.readouterr().err
    assert last("projection").exists()


def test_what_the_user_says_wins_over_what_the_checkpoint_says():
    main(["fit", *TINY, *QUIET, "--max_images=128"])
    optimizer = "--model.generator_optimizer.lr=0.125"
    main(["fit", "--ckpt_path", str(last("projection")), optimizer, *QUIET, "--max_images=256"])
    stored = checkpoints.read(last("projection"))
    assert stored["hyper_parameters"]["generator_optimizer"]["init_args"]["lr"] == 0.125
    assert stored["hyper_parameters"]["generator"]["init_args"]["width"] == 4, "the rest comes from the checkpoint"
    assert stored["lightning_gen"]["images_seen"] == 256


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_the_other_commands_need_the_checkpoint_alone(command, capsys):
    main(["fit", *TINY, *QUIET, "--max_images=128"])
    files = sorted(Path("runs").rglob("*"))
    main([command, "--ckpt_path", str(last("projection"))])
    written = [path.name for path in sorted(Path("runs").rglob("*")) if path not in files]
    assert written == (["predictions.npy"] if command == "predict" else [])
    if command != "predict":
        assert "sliced_wasserstein" in capsys.readouterr().out


def test_later_recipes_and_options_are_laid_over_earlier_ones(capsys, here):
    (here / "mine.yaml").write_text("data:\n  init_args: {batch_size: 16}\nmax_images: 77\n")
    with pytest.raises(SystemExit):
        main(["fit", "--config", "gan/dcgan", "--config", "mine.yaml", "--max_images=99", "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["data"]["init_args"]["batch_size"] == 16
    assert config["data"]["class_path"].endswith("Digits")
    assert config["max_images"] == 99
    assert config["name"] == "dcgan-mine"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["fit"], "projection"),
        (["fit", "--config", "autoencoder/vae"], "vae"),
        (
            ["fit", "--config", "gan/wgan_gp", "--config=data/fashion_mnist", "-c", "trainer/smoke"],
            "wgan_gp-fashion_mnist",
        ),
        (["fit", "--config", "gan/dcgan", "--name", "mine"], "mine"),
        (["fit", "--config", "gan/dcgan", "--name=mine"], "mine"),
    ],
)
def test_a_run_is_called_after_its_recipes(words, name):
    known = ["name", "model", "data", "trainer", "max_images"]
    assert CommandLine(words, known).name == name


def test_a_run_whose_name_is_a_number_is_resumed_by_it(here):
    (here / "mine.yaml").write_text("name: 2024\n")
    command = CommandLine(["fit", "--config", "mine.yaml", "--ckpt_path", "last"], ["name", "ckpt_path"])
    assert command.name == "2024"
    assert command.folder == Path("runs/2024")
    with pytest.raises(InputError, match="there is no run in runs/2024 to resume: name a recipe to start one"):
        command.checkpoint()


def test_another_class_of_data_replaces_the_recipes_own():
    main(["fit", "--data=Ring", "--data.count=2000", "--config=gan/dense", "--config=trainer/smoke", "--data=Ring"])
    assert checkpoints.read(last("dense"))["datamodule_hyper_parameters"]["_class_path"].endswith("Ring")


@pytest.mark.parametrize(
    "flag", ["fast_dev_run=1", "overfit_batches=1", "limit_train_batches=2", "detect_anomaly=true"]
)
def test_the_trainers_debug_flags_work(flag):
    main(["fit", *TINY, *QUIET, "--max_images=128", f"--trainer.{flag}", "--trainer.profiler=simple"])
    assert Path("runs").exists() == (flag != "fast_dev_run=1")


@pytest.mark.parametrize(
    "option",
    [
        "callbacks={class_path: lightning.pytorch.callbacks.ModelSummary}",
        "plugins=lightning.pytorch.plugins.environments.LightningEnvironment",
        "barebones=true",
    ],
)
def test_one_callback_one_plugin_and_barebones_work(option):
    main(["fit", *TINY, "--max_images=128", f"--trainer.{option}"])
    assert last("projection").exists() == (option != "barebones=true")


@pytest.mark.parametrize("flag", ["max_epochs=1", "max_steps=6", "max_time=00:00:00:02"])
def test_the_trainers_own_lengths_work(flag):
    main(["fit", *TINY, *QUIET, "--max_images=null", f"--trainer.{flag}"])
    module = GANModule.load_from_checkpoint(last("projection"))
    if flag == "max_steps=6":
        assert module.images_seen == 3 * 64, "max_steps counts the steps of both optimizers"
    if flag == "max_epochs=1":
        assert module.images_seen == 1437 // 64 * 64


def test_without_a_logger_or_checkpoints_it_works_too():
    main(["fit", *TINY, *QUIET, "--max_images=128", "--trainer.logger=false", "--trainer.enable_checkpointing=false"])
    assert not last("projection").exists()
    assert list(Path("runs/projection/samples").glob("*.png"))


def run(*words, **options):
    return subprocess.run([sys.executable, "-m", "lightning_gen", *words], capture_output=True, text=True, **options)


def test_as_a_process_it_is_calm_and_plain():
    done = run("fit", *TINY, *QUIET, "--max_images=640", "--trainer.check_val_every_n_epoch=1")
    assert done.returncode == 0, done.stderr
    everything = done.stdout + done.stderr
    assert "\x1b" not in everything, "no control characters where the output is no terminal"
    assert "\r" not in everything
    for noise in ("litlogger", "Warning", "deprecated", "GPU available"):
        assert noise not in everything
    assert "of 640 images" in done.stderr


def test_help_names_every_command_and_recipe(capsys):
    for words in (["--help"], []):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
        text = capsys.readouterr().out
        for word in (
            "fit",
            "validate",
            "test",
            "predict",
            "sample",
            "evaluate",
            "embed",
            "reconstruct",
            "doctor",
            "gan/dcgan",
            "autoencoder/vae",
            "--ckpt_path last",
        ):
            assert word in text
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = capsys.readouterr().out
    assert text.index("--max_images") < text.index("--model") < text.index("--trainer.devices")
    assert "--trainer.reload_dataloaders_every_n_epochs" not in text, "what few need is left to the Trainer's own page"
    assert "Linked arguments" not in text
    for word in ("--max_images", "--name", "--trainer.devices", "--ckpt_path", "--data"):
        assert word in text


@pytest.mark.parametrize("command", ["fit", "sample", "evaluate", "embed", "reconstruct", "bench", "doctor"])
def test_the_help_of_a_command_describes_it_once_and_names_import(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    sentence = first_line(COMMANDS[command]) if command in COMMANDS else COMMAND_HELP[command]
    assert text.count(sentence) == 1
    assert "--import MODULE" in text


def test_options_win_over_recipes_wherever_they_stand():
    main(["fit", "--data.size=8", "--config=gan/dense", "--config=trainer/smoke"])
    assert checkpoints.read(last("dense"))["datamodule_hyper_parameters"]["size"] == 8


@pytest.mark.slow
def test_two_processes_train_one_run():
    two = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    done = run("fit", *TINY, *QUIET, *two, "--max_images=640", "--log_every_images=64", timeout=300)
    assert done.returncode == 0, done.stderr
    stored = checkpoints.read(last("projection"))["lightning_gen"]
    assert stored["images_seen"] == 640
    assert len(stored["processes"]) == 2
    assert not torch.equal(stored["processes"][0]["rng"], stored["processes"][1]["rng"])
    done = run("fit", *two, "--ckpt_path=last", "--max_images=1280", timeout=300)
    assert done.returncode == 0, done.stderr
    assert checkpoints.read(last("projection"))["lightning_gen"]["images_seen"] == 1280


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["-m"], TORCHRUN])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--data.batch_size=5000", "lower --data.batch_size to "),
        ("--model.generator.widht=4", "DCGANGenerator has no argument 'widht'; did you mean 'width'?"),
    ],
)
def test_two_processes_say_once_what_is_wrong(launcher, word, expected):
    """Whether they have met already or not, and whoever has started them."""
    two = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
    command = [sys.executable, *launcher, "lightning_gen", "fit", *TINY, *QUIET, *two, "--max_images=640", word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode
    assert done.stderr.count("error: ") == done.stderr.count(expected) == 1, done.stderr
    assert not Path("runs").exists()


def test_a_run_on_a_folder_begins_by_saying_what_is_in_it(here, capsys):
    for place, count in {"train/cat": 3, "train/dog": 5, "val/cat": 1, "val/dog": 2}.items():
        (here / "pictures" / place).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (8, 8), (index, 9, 200)).save(here / "pictures" / place / f"{index}.png")
    main(
        ["fit", *TINY, *QUIET, "--data=ImageFolder", "--data.folder=pictures", "--data.batch_size=4", "--max_images=8"]
    )
    opening = capsys.readouterr().out.splitlines()[1:4]
    assert opening == [
        "ImageFolder: 7 training samples of 3 x 8 x 8",
        "3 for validation, of its own folder, 1 for test, split off",
        "2 classes: cat 3, dog 4",
    ]


OWN_PART = """
from lightning_gen.objectives import Hinge

class Sharp(Hinge):
    \"\"\"A class of a user's own.\"\"\"
"""


def test_a_part_of_ones_own_trains_and_its_checkpoint_is_read_once_its_module_is_named(here, capsys, monkeypatch):
    (here / "my_own_part.py").write_text(OWN_PART)
    monkeypatch.syspath_prepend(here)
    main(["fit", *TINY, *QUIET, "--max_images=64", "--model.objective=my_own_part.Sharp"])
    assert "last.ckpt --import my_own_part\n" in capsys.readouterr().out
    sys.modules.pop("my_own_part")
    with pytest.raises(SystemExit):
        main(["sample", str(last("projection"))])
    assert "import the module that defines it first, --import my_own_part" in capsys.readouterr().err
    main(["sample", str(last("projection")), "--import", "my_own_part"])
    assert Path("samples.png").exists()
    sys.modules.pop("my_own_part")
    with pytest.raises(SystemExit):
        main(["sample", str(last("projection")), "--import", "no_such_module"])
    assert "--import no_such_module: No module named" in capsys.readouterr().err


def test_a_file_that_names_one_term_is_told_that_it_replaced_the_others(here, capsys):
    (here / "beta.yaml").write_text("model: {init_args: {objective: {kl: {class_path: KLDivergence}}}}")
    with pytest.raises(SystemExit):
        main(["fit", "--config=autoencoder/vae", "--config=beta.yaml", "--data.size=8", *QUIET])
    said = capsys.readouterr().err
    assert "an objective in a file replaces all terms of the recipe" in said
    remedy = said.split("--model.objective.kl.weight")[1].split()[0]
    words = ["--data.size=8", "--model.encoder.width=4", "--model.decoder.width=4", *QUIET, "--max_images=64"]
    main(["fit", "--config=autoencoder/vae", f"--model.objective.kl.weight={remedy}", *words])
    assert "objective: reconstruction + 4 kl" in capsys.readouterr().out


def test_names_in_a_refusal_are_printed_and_not_obeyed(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "a\x1b[2J\x07b.ckpt")])
    said = capsys.readouterr().err
    assert "a\\x1b[2J\\x07b.ckpt does not exist" in said
    assert said.count("\n") == 1


def test_minutes_between_checkpoints_are_those_of_the_command_and_stay():
    main(["fit", *TINY, *QUIET, "--max_images=64", "--name=a", "--checkpoint_every_minutes=7.5"])
    main(["fit", "--ckpt_path=last", "--name=a", "--max_images=128", "--trainer.logger=false"])
    assert yaml.safe_load(Path("runs/a/config.yaml").read_text())["checkpoint_every_minutes"] == 7.5
    main(["fit", *TINY, *QUIET, "--max_images=64", "--name=b"])
    assert yaml.safe_load(Path("runs/b/config.yaml").read_text())["checkpoint_every_minutes"] == 5


@pytest.mark.parametrize("recipe", ["gan/dcgan", "autoencoder/vae"])
def test_the_data_are_built_once(recipe, monkeypatch):
    built, original = [], Digits.__init__

    @functools.wraps(original)
    def noted(self, *args, **options):
        built.append(self)
        original(self, *args, **options)

    monkeypatch.setattr(Digits, "__init__", noted)
    main(["fit", f"--config={recipe}", "--data.size=8", "--trainer.fast_dev_run=1"])
    assert len(built) == 1
