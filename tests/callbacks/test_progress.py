"""ImageProgress: one line or one bar for the whole run, and the Trainer's flags for trials."""

import io
import re
import subprocess
import sys
from itertools import cycle

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from recorded import DIGITS, NETWORKS

from lightning_gen.callbacks import ImageProgress, LogEveryImages, MaxImages, progress
from lightning_gen.cli import main
from lightning_gen.data import Digits
from lightning_gen.media import Series, Sound


@pytest.fixture(autouse=True)
def _every_batch(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)


def lines(trainer, module, capsys, limit=None, **options):
    """What a run with a progress bar prints on stderr, which is no terminal."""
    callbacks = [LogEveryImages(64), ImageProgress(), *([MaxImages(limit)] if limit else [])]
    trainer(callbacks=callbacks, enable_progress_bar=True, **options).fit(module, Digits(8, batch_size=64))
    return capsys.readouterr().err.splitlines()


def test_lines_say_how_far_the_run_is(gan, trainer, capsys):
    shown = lines(trainer, gan(), capsys, limit=200, max_epochs=-1)
    assert [line.split("  ")[0] for line in shown] == [
        *("64 of 200 images", "128 of 200 images", "192 of 200 images", "256 of 256 images")
    ]
    assert re.fullmatch(
        r"128 of 200 images  discriminator_loss \d\.\d{3}  generator_loss \d\.\d{3}  [\d,]+ images/s", shown[1]
    )


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_each_line_has_the_losses_of_its_own_batch(autoencoder, trainer, capsys, monkeypatch, seconds):
    class Kept(Callback):
        losses: list[float] = []

        def on_train_batch_end(self, trainer, pl_module, outputs, *args):
            self.losses.append(float(outputs["loss"]))

    monkeypatch.setattr(progress, "LINE_SECONDS", seconds)
    kept = Kept()
    callbacks = [ImageProgress(), MaxImages(320), kept]
    trainer(callbacks=callbacks, enable_progress_bar=True, max_epochs=-1).fit(autoencoder(), Digits(8, batch_size=64))
    shown = [float(re.search(r"loss (\S+)", line)[1]) for line in capsys.readouterr().err.splitlines()]
    expected = kept.losses if seconds == 0 else [kept.losses[0], kept.losses[-1]]
    assert shown == pytest.approx(expected, abs=5e-4), "the first batch, and the last"


def test_values_come_to_the_host_by_their_names():
    copied = progress.HostCopy({"a": torch.tensor(0.5, requires_grad=True), "b": 2})
    assert copied.arrived
    assert copied.values() == {"a": 0.5, "b": 2.0}
    assert progress.HostCopy({}).values() == {}


@pytest.mark.parametrize(
    ("limits", "total"), [({"max_epochs": 2}, "2,816"), ({"max_epochs": 3, "limit_train_batches": 5}, "960")]
)
def test_the_length_is_read_off_the_trainer(gan, trainer, capsys, limits, total):
    shown = lines(trainer, gan(), capsys, **limits)
    assert shown[-1].startswith(f"{total} of {total} images  ")


def test_a_run_without_a_known_end_shows_no_length(gan, trainer, capsys):
    shown = lines(trainer, gan(), capsys, max_epochs=-1, max_steps=6)
    assert [line.split("  ")[0] for line in shown] == ["64 images", "128 images", "192 images"]


def test_validation_alone_counts_batches(gan, trainer, capsys):
    runner = trainer(callbacks=[ImageProgress()], enable_progress_bar=True)
    runner.validate(gan(), Digits(8, batch_size=64), verbose=False)
    assert capsys.readouterr().err.splitlines() == ["1 batch", "2 batches", "3 batches"]


CONTROL = r"[\x00-\x09\x0b-\x1f\x7f]"


def test_without_a_terminal_there_are_no_control_characters(gan, trainer, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = "\n".join(lines(trainer, gan(), capsys, limit=200, max_epochs=-1))
    assert "256 of 256 images" in shown
    assert not re.findall(CONTROL, shown)


@pytest.mark.slow
def test_a_command_whose_output_is_piped_prints_no_control_characters(tmp_path):
    words = ["fit", "--config=gan/dcgan", *DIGITS, *NETWORKS["gan/dcgan"], "--max_images=128", f"--runs_dir={tmp_path}"]
    command = [sys.executable, "-m", "lightning_gen", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "128 of 128 images" in done.stderr
    assert not re.findall(CONTROL, done.stderr + done.stdout)


class Terminal(io.StringIO):
    """A file that claims to be a terminal."""

    def isatty(self):
        return True


def test_on_a_terminal_there_is_one_bar_that_is_taken_down(gan, trainer, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    callbacks = [ImageProgress(), MaxImages(200)]
    trainer(callbacks=callbacks, enable_progress_bar=True, max_epochs=-1).fit(gan(), Digits(8, batch_size=64))
    shown = terminal.getvalue()
    bar, figures = re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", shown).splitlines()[-3:-1]
    assert "256/256 images" in bar, "the losses take no width from the counts"
    assert re.fullmatch(r"discriminator_loss \d\.\d{3}  generator_loss \d\.\d{3}  [\d,]+ images/s *", figures)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "one bar, and the cursor is back"


def test_a_disabled_bar_is_silent(gan, trainer, capsys):
    bar = ImageProgress()
    bar.disable()
    trainer(callbacks=[bar, MaxImages(128)], enable_progress_bar=True, max_epochs=-1).fit(gan(), Digits(8))
    assert capsys.readouterr().err == ""


FLAGS = [("fast_dev_run", "1"), ("overfit_batches", "2"), ("limit_train_batches", "2"), ("limit_val_batches", "1")]


@pytest.mark.parametrize(
    ("recipe", "flag", "value"), [(recipe, *flag) for recipe, flag in zip(cycle(NETWORKS), FLAGS, strict=False)]
)
def test_the_trainers_flags_for_trials_work(tmp_path, capsys, recipe, flag, value):
    words = [
        "fit",
        "--config",
        recipe,
        *DIGITS,
        *NETWORKS[recipe],
        f"--runs_dir={tmp_path}",
        f"--trainer.{flag}={value}",
    ]
    main([*words, "--max_images=256", "--name=trial"])
    assert "images/s" in capsys.readouterr().err
    written = {path.name for path in tmp_path.rglob("*.*")}
    assert ("last.ckpt" in written) is (flag != "fast_dev_run")
    assert not (flag == "fast_dev_run" and written), "fast_dev_run writes no files"


def test_samples_have_the_name_of_their_medium(autoencoder, capsys):
    module = autoencoder()
    bar = ImageProgress()
    for medium, one, two in (
        (Sound(8000), "1 sound", "2 sounds"),
        (Series(("a",), (0.0,), (1.0,)), "1 series", "2 series"),
    ):
        module.medium = medium
        assert progress.noun(module) == medium.noun
        for done, said in ((1, one), (2, two)):
            bar._show(progress.noun(module), done, None, "")
            assert capsys.readouterr().err == f"{said}\n"
    module.medium = None
    assert progress.noun(module) == "images"
