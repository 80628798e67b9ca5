"""Callbacks of Lightning in a command: beside those of every run, or in the place of one."""

import pytest
import yaml
from lightning.pytorch.callbacks import ProgressBar

from lightning_gen.cli import main
from lightning_gen.cli.trainer_commands import fit

SMALL = ["--data.size=8", "--model.generator.width=4", "--model.discriminator.width=4", "--max_images=128"]
QUIET = ["--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["Timer", "ModelCheckpoint", "LearningRateMonitor", "TQDMProgressBar"])
def test_a_run_with_a_callback_of_lightning_is_described_and_goes_on(name, here):
    main(["fit", *SMALL, *QUIET, f"--trainer.callbacks+={name}"])
    (described,) = yaml.safe_load((here / "runs/projection/config.yaml").read_text())["trainer"]["callbacks"]
    assert described["class_path"] == f"lightning.pytorch.callbacks.{name}"
    main(["fit", "--ckpt_path=last", "--max_images=192"])
    main(["validate", "--config=runs/projection/config.yaml", "--ckpt_path=runs/projection/checkpoints/last.ckpt"])


def test_a_configuration_with_a_default_that_is_no_plain_word_is_printed(capsys):
    with pytest.raises(SystemExit) as end:
        main(["fit", "--trainer.callbacks+=Timer", "--print_config"])
    assert end.value.code == 0
    (timer,) = yaml.safe_load(capsys.readouterr().out)["trainer"]["callbacks"]
    assert timer["init_args"]["interval"] == "step"


@pytest.mark.parametrize("name", ["RichProgressBar", "TQDMProgressBar", "lightning_gen.callbacks.ImageProgress"])
def test_a_progress_bar_of_ones_own_takes_the_place_of_the_runs(name, capsys):
    trainer = fit([*SMALL, *QUIET, f"--trainer.callbacks+={name}"])
    (bar,) = [callback for callback in trainer.callbacks if isinstance(callback, ProgressBar)]
    assert type(bar).__name__ == name.rpartition(".")[2]


def test_a_model_checkpoint_writes_beside_those_of_the_run(here):
    main(["fit", *SMALL, *QUIET, "--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.every_n_train_steps=2"])
    names = {path.name for path in (here / "runs/projection/checkpoints").iterdir()}
    assert {"last.ckpt", "best.ckpt"} < names
    assert any(name.startswith("epoch=") for name in names)


def test_a_trial_run_takes_a_model_checkpoint_and_writes_nothing(here):
    main(["fit", *SMALL, "--trainer.callbacks+=ModelCheckpoint", "--trainer.fast_dev_run=1"])
    assert not (here / "runs").exists()


def test_the_report_says_that_and_why_early_stopping_ended_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stopping = ["EarlyStopping", "monitor=val/loss", "patience=1", "min_delta=1e9"]
    words = [f"--trainer.callbacks+={stopping[0]}", *(f"--trainer.callbacks.{each}" for each in stopping[1:])]
    small = ["--data.size=8", "--model.encoder.width=2", "--model.decoder.width=2", "--trainer.limit_train_batches=1"]
    csv = "--trainer.logger=CSVLogger"
    main(["fit", "--config=autoencoder/vae", *small, *words, csv, "--max_images=100_000", "--name=early"])
    printed = capsys.readouterr().out
    assert "EarlyStopping ended it: Monitored metric val/loss did not improve" in printed
    (named,) = [line.split()[-1] for line in printed.splitlines() if line.startswith("  metrics ")]
    assert (tmp_path / named).is_file()
