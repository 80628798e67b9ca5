"""Run folders: no run overwrites or changes another one, and no state is lost."""

import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.callbacks import Callback

from lightning_gen import checkpoint as checkpoints
from lightning_gen.callbacks import MaxImages, RunFolder
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.files import LOCK

VAE = ["--config=autoencoder/vae", "--data.size=8", "--model.encoder.width=4", "--model.decoder.width=4"]
GAN = ["--data.size=8", "--model.generator.width=4", "--model.discriminator.width=4"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def state(name, file="last.ckpt"):
    return Path("runs", name, "checkpoints", file)


def images(path):
    return checkpoints.read(path)["lightning_gen"]["images_seen"]


def refused(capsys, *words):
    """Run a command that must be refused; returns the sentence."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture
def begun():
    """A VAE that was stopped before its first checkpoint: its configuration is all that there is."""
    main(["fit", *VAE, "--name=mine", "--max_images=128", "--model.objective.kl.weight=3"])
    shutil.rmtree("runs/mine/checkpoints")


def test_a_run_without_a_checkpoint_starts_anew_as_itself(begun, capsys):
    main(["fit", "--name=mine", "--ckpt_path=last"])
    assert "starting from the beginning" in capsys.readouterr().err
    stored = checkpoints.read(state("mine"))
    assert stored["hyper_parameters"]["_class_path"].endswith("AutoencoderModule")
    assert stored["hyper_parameters"]["objective"]["kl"]["init_args"]["weight"] == 3
    assert stored["lightning_gen"]["images_seen"] == 128, "its length is in its configuration"


def test_another_model_is_not_trained_into_a_run(begun, capsys):
    config = Path("runs/mine/config.yaml").read_text()
    said = refused(capsys, "fit", "--config=gan/dcgan", *GAN, "--name=mine", "--ckpt_path=last")
    assert "is a run of AutoencoderModule and this is GANModule: leave out --config" in said
    assert Path("runs/mine/config.yaml").read_text() == config
    assert not state("mine").exists()


def test_a_configuration_from_a_stranger_imports_nothing(begun, capsys, here):
    (here / "hostile.py").write_text("open('trace', 'w')\n")
    content = yaml.safe_load(Path("runs/mine/config.yaml").read_text())
    content["model"]["init_args"]["encoder"] = {"class_path": "hostile.Encoder"}
    Path("runs/mine/config.yaml").write_text(yaml.safe_dump(content))
    assert "hostile.Encoder" in refused(capsys, "fit", "--name=mine", "--ckpt_path=last")
    assert not Path("trace").exists()


def test_a_checkpoint_from_elsewhere_names_its_run(capsys):
    main(["fit", *VAE, "--max_images=128"])
    shutil.copy(state("vae"), "from_a_friend.ckpt")
    Path("config.yaml").write_text("max_images: 64")  # of something else
    main(["fit", "--ckpt_path=from_a_friend.ckpt", "--max_images=192"])
    assert images(state("from_a_friend")) == 192
    main(["fit", "--ckpt_path=from_a_friend.ckpt", "--name=again", "--trainer.max_steps=3"])
    assert images(state("again")) == 192, "the length is not that of a file beside the checkpoint"
    assert not Path("runs/projection").exists()


def test_a_checkpoint_that_was_copied_into_a_folder_is_not_trained_over(capsys):
    main(["fit", *VAE, "--max_images=128"])
    state("copied").parent.mkdir(parents=True)
    shutil.copy(state("vae"), state("copied"))
    assert "runs/copied already holds a run" in refused(capsys, "fit", *VAE, "--name=copied", "--max_images=64")
    assert images(state("copied")) == 128
    state("copied").rename(state("copied", "best.ckpt"))
    said = refused(capsys, "fit", *VAE, "--name=copied", "--max_images=64")
    assert "--ckpt_path runs/copied/checkpoints/best.ckpt" in said


def test_the_last_state_is_kept_where_a_run_goes_on_from_an_earlier_one(capsys):
    main(["fit", *VAE, "--max_images=128"])
    shutil.copy(state("vae"), state("vae", "earlier.ckpt"))
    main(["fit", "--ckpt_path=last", "--name=vae", "--max_images=256"])
    last = state("vae").read_bytes()
    capsys.readouterr()
    main(["fit", f"--ckpt_path={state('vae', 'earlier.ckpt')}", "--max_images=192"])
    kept = state("vae", "last-000000256.ckpt")
    assert f"has 256 images and the run resumes from 128: it is kept as {kept}" in capsys.readouterr().err
    assert kept.read_bytes() == last
    assert images(state("vae")) == 192


def broken_images(folder):
    """A folder with an image that cannot be decoded."""
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return ["fit", "--config=gan/dcgan", "--data=ImageFolder", f"--data.folder={folder}", "--data.cache_dir=cache"]


def test_a_refusal_takes_away_no_folder_of_the_users(capsys, here, monkeypatch):
    words = broken_images(here / "photos")
    for folder in ("myruns", "here/sub"):
        (here / folder).mkdir(parents=True)
    refused(capsys, *words, "--runs_dir=myruns")
    monkeypatch.chdir(here / "here/sub")
    refused(capsys, *words, "--runs_dir=..", "--name=sub")
    assert (here / "myruns").is_dir()
    assert (here / "here/sub").is_dir()
    assert not any((here / "myruns").iterdir())


def test_a_refusal_takes_away_no_run_of_another_process(capsys, here):
    """One of the same name that finishes while this one looks at its data."""
    (here / "slow.py").write_text(
        "from pathlib import Path\n"
        "from lightning_gen.data import Digits\n"
        "class Slow(Digits):\n"
        "    def splits(self):\n"
        "        Path('runs/run/checkpoints').mkdir(parents=True)\n"
        "        Path('runs/run/config.yaml').write_text('theirs')\n"
        "        Path('runs/run/checkpoints/last.ckpt').write_text('theirs')\n"
        "        return super().splits()\n"
    )
    words = ["fit", *GAN[1:], "--name=run", "--import=slow", "--data=slow.Slow", "--data.size=8"]
    refused(capsys, *words, "--data.batch_size=5000")
    assert Path("runs/run/checkpoints/last.ckpt").read_text() == "theirs"
    shutil.rmtree("runs")
    sys.modules.pop("slow")
    assert "another run was started in runs/run meanwhile" in refused(capsys, *words)
    assert Path("runs/run/config.yaml").read_text() == "theirs"
    assert Path("runs/run/checkpoints/last.ckpt").read_text() == "theirs"
    assert {path.name for path in Path("runs/run").iterdir()} == {"config.yaml", "checkpoints", LOCK}


HOLDS = """
import sys
from pathlib import Path
from lightning_gen.files import hold_folder
lock = hold_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_two_processes_do_not_train_one_run(capsys):
    main(["fit", *VAE, "--max_images=128"])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, "runs/vae"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        said = refused(capsys, "fit", "--ckpt_path=last", "--name=vae", "--max_images=256")
        other.stdin.close()
    assert "another process is training in runs/vae: wait until it has ended, or give this run another name" in said
    assert images(state("vae")) == 128
    main(["fit", "--ckpt_path=last", "--name=vae", "--max_images=256"])
    assert images(state("vae")) == 256


class Fails(Callback):
    """Ends a run by an error."""

    def on_train_batch_end(self, *args):
        raise RuntimeError("as asked")


@pytest.mark.parametrize("fails", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_that_ended_or_failed_lets_go_of_its_folder(gan, trainer, here, fails):
    callbacks = [MaxImages(128), RunFolder(here / "run", ""), *([Fails()] if fails else [])]
    with pytest.raises(RuntimeError, match="as asked") if fails else nullcontext():
        trainer(max_epochs=-1, callbacks=callbacks).fit(gan(), Digits(8))
    done = subprocess.run([sys.executable, "-c", HOLDS, here / "run"], input=b"", capture_output=True)
    assert done.stdout == b"held\n", done.stderr


STOPS = [
    "--trainer.callbacks+=EarlyStopping",
    "--trainer.callbacks.monitor=val/loss",
    "--trainer.callbacks.patience=1",
    "--trainer.callbacks.divergence_threshold=-1.0e9",
]


def test_a_run_that_goes_on_keeps_the_callbacks_and_the_logger_of_its_trainer(capsys):
    logger = ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=logs", "--trainer.log_every_n_steps=1"]
    epochs = ["--max_images=null", "--trainer.limit_train_batches=2", "--trainer.max_epochs=1"]
    main(["fit", *VAE, "--name=mine", *epochs, *STOPS, *logger])
    main(["fit", "--name=mine", "--ckpt_path=last", "--trainer.max_epochs=3"])
    assert images(state("mine")) == 256, "EarlyStopping ends it after its first epoch"
    trainer = yaml.safe_load(Path("runs/mine/config.yaml").read_text())["trainer"]
    assert trainer["callbacks"][0]["class_path"].endswith("EarlyStopping")
    assert trainer["logger"]["class_path"].endswith("CSVLogger")
    assert {path.parent.name for path in Path("logs").rglob("metrics.csv")} == {"version_0", "version_1"}


def test_a_callback_of_ones_own_is_asked_for_and_not_dropped(capsys, here, monkeypatch):
    (here / "my_callbacks.py").write_text(
        "from lightning.pytorch.callbacks import Callback\nclass Mine(Callback):\n    pass\n"
    )
    monkeypatch.syspath_prepend(here)
    main(["fit", *VAE, "--name=mine", "--max_images=128", "--trainer.callbacks+=my_callbacks.Mine"])
    sys.modules.pop("my_callbacks")
    words = ["fit", "--name=mine", "--ckpt_path=last", "--max_images=192"]
    said = refused(capsys, *words)
    assert "my_callbacks.Mine" in said
    assert "--import" in said
    main([*words, "--trainer.callbacks=null"])
    main(["fit", "--name=mine", "--ckpt_path=last", "--max_images=256", "--import=my_callbacks"])
    assert images(state("mine")) == 256


def test_the_trainer_of_a_stranger_imports_nothing(capsys, here):
    main(["fit", *VAE, "--max_images=128"])
    (here / "hostile.py").write_text("open('trace', 'w')\n")
    config = Path("runs/vae/config.yaml")
    for name, value in {
        "callbacks": "hostile.Foo",
        "logger": {"class_path": "hostile.Foo"},
        "profiler": {
            "class_path": "lightning.pytorch.profilers.SimpleProfiler",
            "init_args": {"dirpath": {"class_path": "hostile.F"}},
        },
        "plugins": [{"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "trace"]}}],
    }.items():
        content = yaml.safe_load(config.read_text())
        content["trainer"][name] = value
        (here / "runs/bad/checkpoints").mkdir(parents=True, exist_ok=True)
        (here / "runs/bad/config.yaml").write_text(yaml.safe_dump(content))
        shutil.copy(state("vae"), state("bad"))
        assert "was not loaded" in refused(capsys, "fit", "--name=bad", "--ckpt_path=last", "--max_images=192")
    assert not Path("trace").exists()


class Removes(Callback):
    """Removes a run's folder after so many images, as somebody beside the run may."""

    def __init__(self, folder: str, images: int) -> None:
        self.folder = folder
        self.images = images

    def on_train_batch_end(self, trainer, pl_module, *args):
        if pl_module.images_seen == self.images:
            shutil.rmtree(self.folder)


def test_a_run_whose_folder_is_removed_while_it_trains_is_not_lost(capsys):
    removes = [f"--trainer.callbacks+={__name__}.Removes", "--trainer.callbacks.folder=runs/vae"]
    main(["fit", *VAE, "--max_images=256", "--log_every_images=64", *removes, "--trainer.callbacks.images=128"])
    assert "runs/vae was removed during training: it is written again" in capsys.readouterr().err
    assert images(state("vae")) == 256
    assert yaml.safe_load(Path("runs/vae/config.yaml").read_text())["max_images"] == 256
